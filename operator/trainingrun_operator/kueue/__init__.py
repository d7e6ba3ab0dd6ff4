"""Kueue's Workloads, where the operator follows them: what is seen of them."""
