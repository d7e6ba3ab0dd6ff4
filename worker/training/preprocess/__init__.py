"""`python3 -m training.preprocess`: corrected documents -> a dataset, from storage to storage."""
