"""The mathematical building blocks that the defenses share."""
