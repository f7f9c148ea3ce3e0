"""The speed of the suite's own parts, compared with what they replace."""
