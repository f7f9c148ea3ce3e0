"""One seed per attacked text, so that serial, parallel, resumed and subset attacks draw the same."""

from __future__ import annotations

import hashlib


def example_seed(seed: int, recipe: str, example_id: str) -> int:
    """The seed, in [0, 2**32), of Python's and NumPy's generators while `example_id` is attacked by `recipe`."""
    return int.from_bytes(hashlib.sha256(f"{seed}|{recipe}|{example_id}".encode()).digest()[:4], "big")
