"""Self-contained HTML pages for people: of a dataset, of a training."""
