"""One renderer, one count and one loss mask: of the trainer, of the checks and of `data tokens`."""
