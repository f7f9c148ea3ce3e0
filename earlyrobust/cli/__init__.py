"""The verbs of the command by theme: each asks the house for something, shows it, and returns an exit code."""
