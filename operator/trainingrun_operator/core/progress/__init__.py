"""What workers tell of their work: reports on the way, a termination message at the end."""
