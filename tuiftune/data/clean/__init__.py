"""Repair of a dataset: texts mended, rows removed, splits made; the original is never touched."""
