"""`python3 -m training.annotations schema`: the JSON Schemas of the annotation formats."""
