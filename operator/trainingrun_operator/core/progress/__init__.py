"""What workers report: progress on the way, a termination message at the end."""
