"""A quality report for people: in the terminal, and as a page."""
