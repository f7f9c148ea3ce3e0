"""The cost of training, in seconds and in passes."""
