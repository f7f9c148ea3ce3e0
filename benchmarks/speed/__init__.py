"""How fast the suite's own parts are, against what they replace."""
