"""What the operator is told: reports while a stage runs, the termination message at its end."""
