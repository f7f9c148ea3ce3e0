"""A stored model comes back as it was trained; which one is meant must be clear."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from demo_jobs import context_of, job_of

from benchmarks.jobs.stored_models import find_training, load, load_trained, open_store
from benchmarks.jobs.train import train
from benchmarks.results.store import Store


@pytest.fixture
def trained(options):
    """Two methods and two settings of one, trained on the tiny backbone."""
    context = context_of(options)
    asked = [("fine_tune", {}), ("fine_tune", {"epochs": 1}), ("early_robust", {})]
    return [train(context, job_of(context, name, **changes)) for name, changes in asked]


def test_a_model_is_found_and_equals_what_was_trained(options, trained) -> None:
    *plain, pruned = trained
    model, tokenizer = load(options.out, "early_robust", "demo", 42)
    assert not model.training and tokenizer.model_max_length == pruned.identity["max_length"]
    assert sum(each.numel() for each in model.parameters()) == pruned.parameters_kept < pruned.parameters_before
    batch = tokenizer(["a good film", "a bad one"], padding=True, return_tensors="pt")
    expected = load_trained(Store(options.out), pruned)(**batch).logits
    assert torch.equal(model(**batch).logits, expected)
    assert load(str(options.out), key=plain[0].key[:10])[0].config.id2label == {0: "negative", 1: "positive"}

    store = open_store(options.out)
    with pytest.raises(ValueError, match="2 stored trainings match.*" + plain[0].key[:12]):
        find_training(store, "fine_tune")
    for wanted, sentence in [
        ({"defense": "early_robus"}, "unknown stored defense 'early_robus'; did you mean 'early_robust'?"),
        ({"task": "sst2"}, "unknown stored task 'sst2'; known: demo"),
        ({"seed": 43}, "unknown stored seed '43'; known: 42|unknown stored seed '43'; did you mean"),
        ({"defense": "early_robust", "key": plain[0].key}, "no stored training has a key that begins with"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            find_training(store, **wanted)

    store.weights_path(pruned.key).write_bytes(store.weights_path(plain[0].key).read_bytes())
    with pytest.raises(RuntimeError, match="are not those that were trained"):
        load(options.out, "early_robust")
    assert store.weights_path(pruned.key).is_file(), "reading moves nothing"


def test_a_folder_without_results_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="there is no folder"):
        load(tmp_path / "absent")
    with pytest.raises(ValueError, match="holds no finished training"):
        load(tmp_path)
    assert not list(tmp_path.iterdir())


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, benchmarks; sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
