"""What an experiment comes to, job by job: trainings, attacks on their models, evaluations."""
