"""The COCO dataset: layout, manifest, splits, records; verification, edited COCO files, and what training opens."""
