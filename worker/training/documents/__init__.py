"""PDF documents: named, opened, rendered, read; and why one is quarantined."""
