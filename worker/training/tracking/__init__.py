"""What a training tells of itself, and those who keep it: logs, TensorBoard, MLflow, a terminal."""
