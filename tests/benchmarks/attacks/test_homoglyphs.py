"""The table of look-alikes."""

from __future__ import annotations

import string

from benchmarks.attacks.homoglyphs import HOMOGLYPHS


def test_every_small_letter_and_digit_has_one_look_alike() -> None:
    assert set(HOMOGLYPHS) == set(string.ascii_lowercase + string.digits + "-'")
    assert all(len(alike) == 1 and alike != plain for plain, alike in HOMOGLYPHS.items())
