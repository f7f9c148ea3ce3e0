"""Presets, experiments, plans, and the training and attacking of their cells."""
