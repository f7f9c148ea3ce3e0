"""Any classifier on any texts: read, attacked, stored, continued, refused."""

from __future__ import annotations

import json
import shutil
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas
import pytest
import torch

from baselines.validation import UserError
from benchmarks.attacks.resources import Resources, offline_resources
from benchmarks.clock.machine import usable_cores
from benchmarks.data.classes import Classes
from benchmarks.jobs.attack_texts import (
    Attacked,
    TextAttack,
    chosen_recipe,
    fitted_temperature,
    given_texts,
    prepare_attack,
    read_texts,
    texts_of,
)
from benchmarks.results.verify import verify
from benchmarks.victims.given import open_victim
from earlyrobust.cli.main import main

ROWS = ("good film,1", "a bad film and a poor plot,0", ",1", "good \U0001f600 food,0", "the plot was fine,1")


@pytest.fixture(scope="module")
def resources() -> Resources:
    return offline_resources()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "texts.csv"
    path.write_text("\n".join(["text,label", *ROWS]), "utf-8")
    return path


@pytest.fixture
def prepared(tiny_backbone, data, resources, tmp_path):
    """Makes an attack on five texts under TextBugger, stored where it is not said otherwise."""

    def make(
        recipe: str = "textbugger",
        engine: str = "lockstep",
        temperature: float = 1.0,
        model: Path = tiny_backbone,
        **how: Any,
    ) -> TextAttack:
        chosen, runner = chosen_recipe(recipe, None, engine)
        texts = read_texts(data)
        given = open_victim(model, texts.texts, temperature=temperature)
        where = {"seed": 42, "threads": 1, "max_words": 5000, "out": tmp_path / "out"} | how
        return prepare_attack(given, texts, chosen, resources, engine=runner, **where)

    return make


def test_both_engines_find_the_same(prepared) -> None:
    ours, theirs = prepared().run(), prepared(engine="textattack").run()
    assert ours.outcomes == theirs.outcomes and len(ours.outcomes) == 5
    assert [outcome.example_id for outcome in ours.outcomes] == [f"texts-{row}" for row in range(5)]


@pytest.mark.parametrize("recipe", ["textbugger", "charmer_fast", "gbda_words"])
def test_a_killed_attack_goes_on_and_ends_with_the_same_outcomes(prepared, recipe: str) -> None:
    expected = prepared(recipe, out=None).run().outcomes
    attack = prepared(recipe)
    seen = []

    def killed() -> None:
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attack.run(killed)
    assert len(attack.stored()) == 2
    again = prepared(recipe)
    counted = []
    first = again.run(lambda: counted.append(1))
    assert first.outcomes == expected and len(counted) == 3
    second = again.run(lambda: pytest.fail("was attacked again"))
    assert second.outcomes == expected and second.record.started_at == first.record.started_at


@pytest.mark.parametrize("killed_after", [2, None])
def test_of_two_identical_attacks_at_once_one_waits_and_does_what_the_other_leaves(
    prepared, killed_after: int | None, caplog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins while the first is at its first text; the first is killed after some texts, or not at all."""
    monkeypatch.setattr("benchmarks.results.locks.LOOK_AGAIN_SECONDS", 0.05)
    expected = prepared(out=None).run().outcomes
    first, other = prepared(), prepared()
    done, found, left = [], [], []
    second = threading.Thread(target=lambda: found.extend(other.run(lambda: left.append(1)).outcomes))

    def one_more() -> None:
        done.append(1)
        if len(done) == 1:
            second.start()
            second.join(0.3)
        if len(done) == killed_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) if killed_after else nullcontext():
        first.run(one_more)
    second.join(60)
    assert tuple(found) == expected and len(left) == 5 - len(done)
    assert "is running in another process; waiting for its end" in caplog.text
    assert len(first.store.outcomes(first.key)) == 5 and verify(first.store) == []


def test_different_recipes_on_one_folder_do_not_wait_for_each_other(prepared) -> None:
    recipes = ("textbugger", "textfooler", "bertattack_official")
    attacks = [prepared(recipe, wait=False) for recipe in recipes]
    found: dict[str, Attacked] = {}

    def within() -> None:
        if attack := next((each for each in attacks[1:] if each.recipe.key not in found), None):
            found[attack.recipe.key] = attack.run()

    found["textbugger"] = attacks[0].run(within)
    assert list(found) == ["textfooler", "bertattack_official", "textbugger"]
    assert len(list(attacks[0].store.attacks())) == 3 and verify(attacks[0].store) == []


def test_an_attack_that_may_not_wait_is_refused_while_another_is_at_it(prepared) -> None:
    first, other = prepared(), prepared(wait=False)

    def refused() -> None:
        with pytest.raises(UserError, match=r"is under way already: by process \d+ on"):
            other.run()

    assert len(first.run(refused).outcomes) == 5
    assert other.run(lambda: pytest.fail("was attacked again")).outcomes == first.run().outcomes


def test_without_a_folder_nothing_is_written(prepared, tmp_path) -> None:
    attack = prepared(out=None)
    assert len(attack.run().outcomes) == 5 and attack.stored() == [] and not (tmp_path / "out").exists()


TWO_CORES = pytest.mark.skipif(usable_cores() < 2, reason="two threads need two cores")


@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=TWO_CORES)])
def test_it_computes_on_the_threads_that_are_asked_for(prepared, threads) -> None:
    seen = set()
    prepared(threads=threads).run(lambda: seen.add(torch.get_num_threads()))
    assert seen == {threads}


@pytest.mark.parametrize("separator", [" ", "\t", "\u2003"])
def test_a_text_too_long_to_attack_is_refused_before_the_work(prepared, data, separator: str) -> None:
    data.write_text(f'text,label\ngood film,1\n"{separator.join(["good"] * 5001)}",1\n', "utf-8")
    with pytest.raises(UserError, match=r"texts-1 has 5,001 words; at most 5,000 .* or --max-words 5001"):
        prepared()
    assert len(prepared(max_words=5001).examples) == 2


@pytest.mark.parametrize("threads", [usable_cores() + 1, 100_000])
def test_more_threads_than_cores_are_refused(prepared, threads: int) -> None:
    with pytest.raises(UserError, match=f"threads must be at most {usable_cores()}, the cores of .*, got {threads}"):
        prepared(threads=threads)


def test_queries_are_told_while_a_text_is_attacked(prepared) -> None:
    told: list[int] = []
    outcomes = prepared().run(on_queries=told.append).outcomes
    # A success is asked once more, which is no query; a text misread from the start was asked once all the same
    assert sum(told) >= sum(outcome.queries for outcome in outcomes) and len(told) > len(outcomes)


def test_labels_may_be_the_models_class_names(tmp_path) -> None:
    path = tmp_path / "texts.tsv"
    path.write_text("a\tlabel\tb\nx\tNEG\ty\n\tPOS\tz\n", "utf-8")
    (first, second), note = read_texts(path, ("a", "b")).examples(Classes(("NEG", "POS")))
    assert note is None
    assert (first.id, first.texts, first.label) == ("texts-0", ("x", "y"), 0)
    assert (second.texts, second.label) == (("", "z"), 1)


def test_texts_may_be_lists_of_anything_that_holds_text_and_labels() -> None:
    np = pytest.importorskip("numpy")
    texts = given_texts(np.array(["a", "b"]), np.array([1, 0]))
    (first, second), _ = texts.examples(Classes(("LABEL_0", "LABEL_1")))
    assert (first.texts, first.label, second.label) == (("a",), 1, 0)
    assert given_texts(pandas.Series(["a", "b"]), torch.tensor([1, 0])) == texts
    pairs = texts_of([("a", "b"), ["c", "d"]], ["POS", "NEG"])
    assert pairs.columns == ("text_1", "text_2") and pairs.texts[1] == ("c", "d")
    assert texts_of([("a", "b")], [0], ("premise", "hypothesis")).columns == ("premise", "hypothesis")
    assert len(pairs.first(1).texts) == len(pairs.first(1).labels) == 1


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "one text": ("a text", [1], "the name of the file's label column"),
    "no labels": (["a"], "label", "texts and labels must be two lists of one order, got 'list and str'"),
    "nothing": ([], [], "texts must be one text or more"),
    "fewer labels": (["a", "b"], [1], "labels must be 2, one for each text, got 1"),
    "numbers": (["a", 3], [1, 0], "text 1 must be a text, or a pair of texts as all the others are, got 3"),
    "mixed": (["a", ("b", "c")], [1, 0], "text 1 must be a text, or a pair"),
    "texts without an order": ({"a", "b"}, [1, 0], "two lists of one order, got 'set and list'"),
    "labels without an order": (["a", "b"], {1, 0}, "two lists of one order, got 'list and set'"),
    "labels by text": (["a", "b"], {"a": 1, "b": 0}, "two lists of one order, got 'list and dict'"),
    "a whole table": (pandas.DataFrame({"text": ["a"]}), [1], "two lists of one order, got 'DataFrame and list'"),
    "half a character": (["a \ud800"], [1], "text 0 must be without half a character (a surrogate), got 'a \\ud800'"),
    "triples": ([("a", "b", "c")], [1], "text 0 must be a text, or a pair"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_texts_and_labels_are_refused_in_a_sentence(case: str) -> None:
    texts, labels, sentence = REFUSED[case]
    with pytest.raises(UserError) as refusal:
        texts_of(texts, labels)
    assert sentence in str(refusal.value)


def test_a_label_that_is_no_class_is_named_with_its_place(prepared, data) -> None:
    data.write_text("text,label\ngood film,1\ngood,7\n", "utf-8")
    with pytest.raises(UserError, match="row 2: the label '7' is outside the model's 2 classes"):
        prepared()
    with pytest.raises(UserError, match="text 0: the label 'x' is no number"):
        given_texts(["a"], ["x"]).examples(Classes(("neg", "pos")))


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"text,label\n", "holds no rows"), (b"\xff\xfe\x00", "is not UTF-8 text")]
)
def test_a_broken_file_is_named(data, content: bytes, sentence: str) -> None:
    data.write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        read_texts(data)


def test_a_file_of_another_kind_is_refused(tmp_path) -> None:
    with pytest.raises(UserError, match=r"has the unsupported extension '\.xlsx'; use \.csv"):
        read_texts(tmp_path / "texts.xlsx")


@TWO_CORES
def test_threads_and_every_file_of_a_folder_are_part_of_the_identity(prepared, tiny_backbone, tmp_path) -> None:
    found = {prepared(threads=threads).key for threads in (1, 2)}
    other = Path(shutil.copytree(tiny_backbone, tmp_path / "other"))
    assert prepared(model=other).key in found, "a folder's name decides nothing"
    for name, change in (
        ("tokenizer_config.json", {"truncation_side": "left"}),
        ("config.json", {"hidden_act": "relu"}),
    ):
        (other / name).write_text(json.dumps(json.loads((other / name).read_text()) | change))
        found.add(prepared(model=other).key)
    assert len(found) == 4


def test_the_victims_temperature_is_part_of_the_identity(prepared) -> None:
    assert prepared(temperature=1.0).key != prepared(temperature=2.0).key


def test_textattacks_own_recipes_run_in_its_own_loop(prepared) -> None:
    attack = prepared("textattack:DeepWordBugGao2018")
    found = attack.run()
    assert attack.engine == "textattack" and found.record.profile == attack.recipe.note
    assert {outcome.status for outcome in found.outcomes} <= {"skipped", "failed", "successful"}


def test_confidence_is_fitted_to_texts_that_are_not_attacked(prepared) -> None:
    attack = prepared()
    held_out = given_texts([f"a text number {number}" for number in range(8)], [number % 2 for number in range(8)])
    temperature = fitted_temperature(attack.given, attack.texts, held_out)
    assert temperature > 1, "labels at random: no ground for confidence"
    before, after = (given.victim(attack.texts.texts) for given in (attack.given, attack.given.at(temperature)))
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()
    assert after.max(axis=1).mean() < before.max(axis=1).mean()
    with pytest.raises(UserError, match="a file of texts that are not attacked, got '5 that are'"):
        fitted_temperature(attack.given, attack.texts, attack.texts)


def test_a_function_is_attacked_and_not_stored(resources, tmp_path) -> None:
    def surely(texts: list[str]) -> list[list[float]]:
        return [[0.1, 0.9] if "good" in text else [0.9, 0.1] for text in texts]

    texts = given_texts(["a good film", "a film"], [1, 0])
    recipe, engine = chosen_recipe("textfooler", None, "lockstep")
    how = {"engine": engine, "seed": 42, "threads": 1, "max_words": 5000}
    given = open_victim(surely, texts.texts)
    lost, kept = prepare_attack(given, texts, recipe, resources, out=None, **how).run().outcomes
    assert (lost.status, kept.status) == ("successful", "failed")
    with pytest.raises(UserError, match="outcomes of the function surely cannot be stored"):
        prepare_attack(given, texts, recipe, resources, out=tmp_path, **how)


def test_a_report_on_attacked_files_alone_is_whole(prepared, tmp_path) -> None:
    prepared().run()
    with pytest.raises(SystemExit) as end:
        main(["report", "--out", str(tmp_path / "out")])
    assert end.value.code == 0 and (tmp_path / "out" / "index.html").is_file()
