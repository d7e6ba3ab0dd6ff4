"""What is done at mmengine's named points of a training: one hook a file, built in Python and handed to the Runner."""
