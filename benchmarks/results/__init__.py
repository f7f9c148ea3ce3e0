"""Results: records, the store that keeps them, and the definitions of the metrics."""
