"""Tools that a preset can be written for: a file each, with its `TOOL`."""
