"""Checkpoints: their manifest, the store that commits and prunes them, the background thread that does so."""
