"""This process, its container and its children. Knows nothing of documents or training."""
