"""Measurements on a device within a time limit, and a bundle for a device without a network."""
