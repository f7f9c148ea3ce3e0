"""Executors that run jobs: processes of this machine, or a Ray cluster."""
