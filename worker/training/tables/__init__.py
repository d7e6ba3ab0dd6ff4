"""Tables from detected boxes: which cells and headers are in which table, and in which rows and columns."""
