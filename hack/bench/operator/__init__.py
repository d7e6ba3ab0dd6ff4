"""Measures the operator against its goals: requests, CPU time, memory, and how long people wait for it.

The API server is a real one of the benchmark's own (`hack/bench/api_server.py`). Nothing acts on what it stores but the
benchmark itself, which does for each run what the Job controller and a kubelet would do.
"""
