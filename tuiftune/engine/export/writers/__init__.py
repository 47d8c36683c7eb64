"""What writes the files of an export, by the name that a target gives: each file holds `write`."""
