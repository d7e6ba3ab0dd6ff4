"""What a training records about itself, and where: log files, TensorBoard, MLflow, a terminal."""
