"""The tasks' facts."""

from __future__ import annotations

import re

import pytest

from benchmarks.data.tasks import TASKS, find_task


def test_sizes_are_the_paper_s() -> None:
    sizes = {key: (task.batch_size, task.max_length, task.attacked) for key, task in TASKS.items() if key != "demo"}
    assert sizes == {
        "imdb": (8, 256, 500),
        "ag_news": (8, 256, 500),
        "sst2": (32, 128, 872),
        "qnli": (32, 128, 500),
        "qqp": (32, 128, 500),
    }


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.key)
def test_every_task_is_whole(task) -> None:
    assert len(task.label_names) == len(task.label_values) >= 2
    if task.key != "demo":
        assert re.fullmatch("[0-9a-f]{40}", task.hub.revision), "pinned"
        assert len(task.columns) == len(task.hub.text_columns)
        assert task.layout.joined or len(task.columns) == len(task.layout.text_columns)


def test_unknown_tasks_get_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="unknown task 'imbd'; did you mean 'imdb'"):
        find_task("imbd")
