"""`python3 -m training.train`: a dataset -> a published model."""
