"""How large pages are: the boxes of a PDF, the units they are in, and the shapes that can be drawn and learnt from."""
