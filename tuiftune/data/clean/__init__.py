"""Cleaning of a dataset: fix texts, drop rows, split. The original is never changed."""
