"""One file a target: it holds a `TARGET`."""
