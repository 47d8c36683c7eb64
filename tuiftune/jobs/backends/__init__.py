"""Where the jobs of runs are carried out: a file each, with its `BACKEND`."""
