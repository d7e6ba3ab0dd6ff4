"""The desired Jobs of a run, and their Service, as plain data."""
