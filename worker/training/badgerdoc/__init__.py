"""Reads a document's annotations page by page, in either BadgerDoc format, and writes the BadgerDoc JSON."""
