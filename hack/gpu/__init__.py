"""Checks on a borrowed GPU what no CPU can show: hack/gpu/check.sh."""
