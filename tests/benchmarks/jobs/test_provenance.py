"""What captions are made of."""

from __future__ import annotations

from demo_jobs import context_of

from benchmarks.jobs.provenance import provenance_of


def test_provenance_is_that_of_the_loaded_data(options) -> None:
    context = context_of(options)
    found = provenance_of(context)
    assert (found.layer_sizes, found.device, found.precision) == ({"heads": 4, "neurons": 64}, context.device, "fp32")
    assert list(found.recipes.values()) == ["TextFooler", "TextBugger", "BERT-Attack (as released)"]
    task, loaded = found.tasks["demo"], context.tasks["demo"]
    assert (task.training_texts, task.test_texts, task.attacked, task.classes) == (40, 20, 3, 2)
    assert (task.data, task.origin) == (loaded.dataset.fingerprint, "generated")
    assert 0 < task.repeated_labels < 1
    assert task.attacks["textfooler"] == loaded.attack_identity(context.recipes[0])
