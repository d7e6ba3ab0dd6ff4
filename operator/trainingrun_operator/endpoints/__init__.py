"""What the operator listens on: the gateway that workers report to, and the port for metrics and health."""
