"""EarlyRobust: robust early-bird tickets."""
