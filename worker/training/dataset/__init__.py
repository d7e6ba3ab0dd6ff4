"""The COCO dataset: its layout, manifest and splits; verified, edited, as training needs it."""
