"""The baseline defenses, and the building blocks of every defense."""
