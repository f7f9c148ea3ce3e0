"""The kinds of reports on experiments, one file each: what is read, the table, the figures, the table made again."""
