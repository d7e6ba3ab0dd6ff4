"""`python3 -m training.serve`: a small HTTP server over a published model: a PDF in, its tables out."""
