"""A victim is evaluated on a set and on its originals once, and both are stored."""

from __future__ import annotations

from demo_jobs import context_of

from benchmarks.data.attack_free import AttackFreeSet, attack_free_sets
from benchmarks.data.examples import Example
from benchmarks.jobs.evaluate import evaluate, find_external
from benchmarks.jobs.evaluate_set import evaluate_set
from benchmarks.results.verify import verify

PREDICT = "def predict(texts):\n    return [[0.9, 0.1] if len(text) % 2 else [0.2, 0.8] for text in texts]\n"


def test_a_set_is_evaluated_once_beside_its_originals(options, tmp_path, monkeypatch) -> None:
    (tmp_path / "mine.py").write_text(PREDICT)
    context = context_of(options)
    external = find_external(None, f"{tmp_path / 'mine.py'}:predict", None, device="cpu")
    task = context.tasks["demo"]
    *_, most = attack_free_sets("typos", task.task, task.dataset, None)
    record = evaluate_set(context, external, "demo", most)
    right = [len(each.texts[0]) % 2 == 1 - each.label for each in most.examples]
    assert record.clean_correct == "".join("01"[each] for each in right)
    (plain,) = evaluate(context, external, "demo", calibrate=False)
    assert record.identity["original"] == plain.key and record.identity["set"]["rate"] == 0.2
    assert plain.clean_correct != record.clean_correct

    own = AttackFreeSet("own", {"name": "own"}, (Example("own-0", ("abc",), 0),), (Example("o-0", ("ab",), 0),))
    found = evaluate_set(context, external, "demo", own)
    assert found.clean_correct == "1"
    assert context.store.evaluation(found.identity["original"]).clean_correct == "0"
    assert verify(context.store) == []
    monkeypatch.setattr("benchmarks.jobs.evaluate_set.opened", lambda *_: 1 / 0)
    assert evaluate_set(context, external, "demo", own) == found
