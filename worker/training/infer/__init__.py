"""`python3 -m training.infer`: PDFs -> tables, as BadgerDoc JSON."""
