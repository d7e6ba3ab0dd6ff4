"""What follows from each situation of a run: plans."""
