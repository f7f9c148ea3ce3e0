"""Backbones, and trained models as victims that answer with probabilities."""
