"""A rented machine that is reached by ssh: checked, equipped, sent its inputs, and followed."""
