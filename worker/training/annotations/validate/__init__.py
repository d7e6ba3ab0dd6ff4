"""`python3 -m training.annotations validate`: what is wrong with documents, before a page is drawn."""
