"""What annotators wrote, in either format, page by page."""
