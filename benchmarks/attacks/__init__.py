"""Attacks on text: recipes, resources, and what runs them."""
