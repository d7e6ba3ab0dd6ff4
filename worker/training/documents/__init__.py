"""PDF documents: named, opened, rendered, read; and why one is set aside."""
