"""Task files, by which other programs train a preset: one file each, with its `TASK_FILE`."""
