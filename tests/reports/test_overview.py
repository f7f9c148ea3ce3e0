"""The overview: a folder's records with what follows from them, and nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_results import stored

from reports.overview import overview


def test_everything_follows_from_the_folder_which_stays_as_it_is(tmp_path: Path) -> None:
    folder = stored(tmp_path)
    before = sorted(path for path in folder.rglob("*"))
    found = overview(folder)
    assert len(found.trainings) == 7 and len(found.results) == 10
    assert found.attacks is not None and len(found.attacks.groups) == 4
    assert [task.task for task in found.tasks] == ["sst2"] and len(found.card.judgements) == 14
    assert sorted(path for path in folder.rglob("*")) == before


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no finished training or attack"):
        overview(tmp_path)
