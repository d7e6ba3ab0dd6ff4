"""What the operator has seen of runs, Jobs and pods."""
