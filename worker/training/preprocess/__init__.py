"""`python3 -m training.preprocess`: turns corrected documents into a COCO dataset, from storage to storage."""
