"""Data, clock, results, victims, attacks, experiments, jobs and executors."""
