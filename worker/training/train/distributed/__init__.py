"""The ranks of one training: which there are, starting them, what they agree on."""
