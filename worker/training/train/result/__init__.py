"""What a training ends with: the weights to publish, tested as they are published, and their file."""
