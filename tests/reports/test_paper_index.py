"""The paper index is complete and current."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from baselines.freelb import FreeLB
from baselines.primitives.perturbation import Ascent
from baselines.smart import SMART
from benchmarks.experiments.defenses import tree_defenses
from reports.paper_index import _settings, descriptions, paper_index, source

PAGE = Path(__file__).resolve().parents[2] / "docs" / "papers.md"


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text("utf-8") == paper_index(), "write it again: earlyrobust paper-index docs/papers.md"


@pytest.mark.parametrize("defense", tree_defenses().values(), ids=lambda defense: defense.key)
def test_every_setting_is_described_and_every_method_has_a_source(defense) -> None:
    described = descriptions(defense)
    assert not [field.name for field in dataclasses.fields(defense) if not described.get(field.name)]
    assert source(defense).startswith("Source: ") and defense.paper in paper_index()


def test_each_method_states_its_cost_and_that_of_its_release() -> None:
    page = paper_index()
    assert page.count("Predicted cost: ") == len(tree_defenses())
    assert "Predicted cost: 20.0 epochs of fine-tuning, 10.0 with the settings of its release." in page, "Flooding-X"


def test_the_settings_of_an_inlined_value_stand_under_their_own_names() -> None:
    settings = {name: (value, text) for name, value, text in _settings(FreeLB)}
    assert list(settings)[-6:] == ["step_size", "init_magnitude", "max_norm", "norm", "unit", "dropout"]
    assert settings["steps"][0] == 5 and "the perturbation moves K - 1 times" in settings["steps"][1]
    assert settings["step_size"] == (0.03, descriptions(Ascent)["step_size"])


def test_continued_lines_names_that_share_one_and_pipes() -> None:
    described = descriptions(SMART)
    assert described["first_averaging"] == described["averaging"]
    assert described["averaging"].endswith("first tenth of the updates and after it.")

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Lone:
        """A class.

        Attributes:
            one: KL(p || q),
                and more.

        Source: here,
            and there.
        Departures: none.
        """

        one: int = 1

    assert descriptions(Lone) == {"one": "KL(p || q), and more."}
    assert source(Lone) == "Source: here, and there.\n\nDepartures: none."
