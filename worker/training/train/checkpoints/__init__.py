"""Checkpoints: their manifest, the store that commits and prunes them, the thread that writes."""
