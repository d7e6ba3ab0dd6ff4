"""`make bench-preprocess`: how fast preprocess is beside the bare renderer and a naive script (docs/benchmarks.md)."""
