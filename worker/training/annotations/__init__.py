"""`python3 -m training.annotations`: what people do with annotations besides training: check, correct, import them."""
