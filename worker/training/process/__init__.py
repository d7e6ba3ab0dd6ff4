"""This process, its container and its child processes. Nothing here depends on documents or training."""
