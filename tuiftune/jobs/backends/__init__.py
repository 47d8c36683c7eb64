"""Backends, which run the jobs of runs: one file each, with its `BACKEND`."""
