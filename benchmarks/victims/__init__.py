"""Backbones, and trained models asked for probabilities."""
