"""HTML reports for people, each one self-contained page: of a dataset, of a training."""
