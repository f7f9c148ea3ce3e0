"""Presets, experiments, plans and the runner."""
