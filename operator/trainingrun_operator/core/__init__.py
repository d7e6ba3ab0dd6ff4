"""What the operator decides, and from what: no I/O, no clock, no event loop."""
