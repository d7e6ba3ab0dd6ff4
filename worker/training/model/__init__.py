"""The network: its config, weights and detections, how good it is, how it is published."""
