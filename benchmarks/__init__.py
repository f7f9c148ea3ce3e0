"""The harness: data, clock, results, victims, attacks and runs."""
