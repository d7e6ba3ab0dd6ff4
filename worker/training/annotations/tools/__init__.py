"""Correction tools: what each takes of a dataset, and what of its exports becomes the dataset's labels again."""
