"""The mathematics that the defenses share."""
