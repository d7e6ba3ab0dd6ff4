"""`python3 -m training.infer`: predicts the tables of PDFs and writes them as BadgerDoc JSON."""
