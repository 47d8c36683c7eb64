"""What answers rows from exported files, by the name that a target gives: each file holds `open_artifact`."""
