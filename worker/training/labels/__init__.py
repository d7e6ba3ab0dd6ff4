"""Labelled boxes in image pixels: made from annotations, drawn, looked at for what is odd."""
