"""A study: short runs of one preset with changed keys, compared by eval loss (see `study.py`)."""
