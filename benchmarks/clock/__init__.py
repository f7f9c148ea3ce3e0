"""The clock: what training costs, in seconds and in passes."""
