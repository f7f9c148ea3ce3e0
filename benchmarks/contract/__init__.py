"""The contract of a defense, as checks for the command and for any pytest suite."""

from benchmarks.contract.checks import CHECKS, Broken, Verdict, verdicts

__all__ = ["CHECKS", "Broken", "Verdict", "verdicts"]
