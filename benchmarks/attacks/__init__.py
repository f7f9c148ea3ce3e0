"""Attacks on text: recipes, resources, and the loops that run them."""
