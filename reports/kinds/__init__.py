"""The kinds of reports on experiments, a file each: what one gathers, its table, its figures, how it is rebuilt."""
