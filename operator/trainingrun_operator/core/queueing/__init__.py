"""Kueue's part in a run: what is known of its Workloads, and how a run's suspend reaches them."""
