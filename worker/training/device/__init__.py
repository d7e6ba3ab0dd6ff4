"""What a command computes on: the GPUs that were found, why some cannot be used, the device as reports name it."""
