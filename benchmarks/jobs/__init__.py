"""The jobs of an experiment: trainings, attacks on their models, evaluations."""
