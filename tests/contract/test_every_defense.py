"""The contract that every registered defense keeps.

A defense added to the tree is tested here without an edit: the list comes from discovery.
"""

from __future__ import annotations

import pytest

from baselines.defense import Defense
from benchmarks.contract import CHECKS
from benchmarks.contract.checks import Check
from benchmarks.experiments.defenses import known_defenses

DEFENSES = list(known_defenses().values())
every_defense = pytest.mark.parametrize("kind", DEFENSES, ids=lambda kind: kind.key)


@every_defense
@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract(kind: type[Defense], check: Check) -> None:
    check(kind)


@every_defense
def test_the_key_is_the_file_s_name(kind: type[Defense]) -> None:
    assert kind.key == kind.__module__.rsplit(".", 1)[-1]
