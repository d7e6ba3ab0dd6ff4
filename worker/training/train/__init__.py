"""`python3 -m training.train`: trains a table detector on a prepared dataset and publishes the model."""
