"""The contract every defense keeps, as checks that the command and any pytest suite run alike."""

from benchmarks.contract.checks import CHECKS, Broken, Verdict, verdicts

__all__ = ["CHECKS", "Broken", "Verdict", "verdicts"]
