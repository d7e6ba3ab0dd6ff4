"""How good the detections of a split are: average precision, tables found, and grids compared with the true ones."""
