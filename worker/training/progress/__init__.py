"""What the worker tells the operator: progress reports while a stage runs, the termination message at its end."""
