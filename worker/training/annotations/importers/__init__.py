"""`python3 -m training.annotations convert`: annotations in other formats become documents that preprocess takes."""
