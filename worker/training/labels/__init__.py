"""Labels, boxes with a category in image pixels: made from annotations, drawn on pages, checked for outliers."""
