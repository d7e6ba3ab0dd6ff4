"""Weights that a training starts from: those that ship with the worker, and how much of a network a file fills.

The weights that ship lie in this folder, `<name>.pth` each, with their manifest `<name>.json` (see `builtin`).
"""
