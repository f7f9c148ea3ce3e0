"""The engine against TextAttack's own loop, and against itself in other orders and widths."""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch

from benchmarks.attacks import engine, reference
from benchmarks.attacks.packed_synonyms import packaged_synonyms
from benchmarks.attacks.recipe import ColumnRule, ModificationRate
from benchmarks.attacks.recipes import TEXTFOOLER, find_recipe
from benchmarks.attacks.synonyms import NeighbourList
from benchmarks.attacks.words import words_of
from benchmarks.data.examples import Example
from benchmarks.results.metrics import aua_percent, starved_percent
from benchmarks.victims.external import CallableVictim
from benchmarks.victims.victim import Victim

OFFLINE = ["textfooler", "textbugger", "bertattack_official"]
PUBLISHED = [*OFFLINE, "bertattack", "bertattack@0.3.11"]
RECIPES = [*PUBLISHED, "pwws", "deepwordbug", "bae", "a2t"]

ODD_TEXTS = {
    "empty": "",
    "one word": "good",
    "stop words": "the was and a",
    "no words": "?! ... --",
    "emoji": "good \U0001f600 film \U0001f468\u200d\U0001f469\u200d\U0001f467 bad\U0001f600",
    "right to left": "the film \u05d4\u05d9\u05d4 \u05d8\u05d5\u05d1 good \u0645\u0645\u062a\u0627\u0632",
    "control": "good\x00 film\x07\x1b[31m was\x0bbad \x85 \x1c poor",
    "html": "good<br /><br />The <b>film</b> was &amp; bad. <script>plot()</script>",
    "chinese": "the film \u6211\u559c\u6b22\u8fd9\u90e8\u7535\u5f71 good",
    "special tokens": "good [MASK] film [SEP] was [UNK] bad [CLS]",
    "shrinking letters": "\u0130\u0130 good film \u0130 was bad and the plot was poor and a food meal great fine movie",
    "very long": "good film and bad plot, " * 2000,
}


def run(module, victim, examples, recipe, resources, **options):
    """Outcomes by id."""
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    given = {"seed": 7, "columns": ("text",)} | options
    return {outcome.example_id: outcome for outcome in module.attack_all(victim, examples, recipe, resources, **given)}


@pytest.fixture
def resources(resources, tiny_masked_model):
    """With a masked language model, and a sentence bound that is met by some and missed by others."""
    return dataclasses.replace(resources, masked_model=tiny_masked_model)


@pytest.fixture
def right(victim, examples):
    """The examples with the labels that the victim reads, and one that it misreads."""
    long = " ".join(example.texts[0] for example in examples)
    texts = [*examples, Example("test-8", (long,), 0), Example("test-9", ("Good FILM, gOod plot; the goods MEAL",), 0)]
    read = victim([example.texts for example in texts]).argmax(axis=1)
    labelled = [dataclasses.replace(each, label=int(label)) for each, label in zip(texts, read, strict=True)]
    return [
        *labelled[:-2],
        dataclasses.replace(labelled[-2], id="test-wrong", label=1 - labelled[-2].label),
        *labelled[-2:],
    ]


def agreement(mine, theirs) -> str:
    """How many outcomes agree, and those that do not."""
    different = [f"{theirs[name]}\n{mine[name]}" for name in theirs if mine[name] != theirs[name]]
    return "\n".join([f"{len(theirs) - len(different)} of {len(theirs)} agree", *different])


@pytest.mark.parametrize("key", RECIPES)
def test_every_outcome_is_textattacks(victim, right, resources, key: str) -> None:
    theirs = run(reference, victim, right, key, resources)
    mine = run(engine, victim, right, key, resources)
    print(key, agreement(mine, theirs))
    assert mine == theirs, agreement(mine, theirs)
    assert Counter(outcome.status for outcome in mine.values())["error"] == 0
    assert sum(outcome.words_changed for outcome in mine.values()) > 0


@pytest.mark.parametrize("excluded", [False, True])
def test_with_the_packaged_list_every_outcome_is_textattacks(victim, right, resources, excluded: bool) -> None:
    """Every word has its antonyms among its neighbours, so that there is something to exclude."""
    packaged = packaged_synonyms()
    words = {word for example in right for word in words_of(example.texts[0].lower())}
    near = {word: [*packaged.antonyms.get(word, ()), *packaged.neighbours(word, 9)] for word in words}
    recipe = dataclasses.replace(TEXTFOOLER, exclude_antonyms=excluded)
    for source in (packaged, NeighbourList(near, "the packaged list and antonyms")):
        drawn = dataclasses.replace(resources, synonyms=source)
        theirs = run(reference, victim, right, recipe, drawn)
        mine = run(engine, victim, right, recipe, drawn)
        assert mine == theirs, agreement(mine, theirs)
        assert sum(outcome.words_changed for outcome in mine.values()) > 0


@pytest.mark.parametrize("key", RECIPES)
@pytest.mark.parametrize(
    "columns",
    [("premise", "hypothesis"), ("question", "sentence"), ("sentence1", "sentence2"), ("sentence", "question")],
)
def test_pairs_are_attacked_as_textattack_does(victim, resources, key: str, columns: tuple[str, str]) -> None:
    texts = [("The film was good.", "a great movie"), ("bad food, poor meal", "Was I the plot?"), ("", "a good plot")]
    read = victim(texts).argmax(axis=1)
    pairs = [
        Example(f"test-{row}", text, int(label)) for row, (text, label) in enumerate(zip(texts, read, strict=True))
    ]
    theirs = run(reference, victim, pairs, key, resources, columns=columns)
    assert run(engine, victim, pairs, key, resources, columns=columns) == theirs
    if columns == ("premise", "hypothesis") and key == "textfooler":
        assert all(outcome.perturbed[0] == outcome.original[0] for outcome in theirs.values())


def test_both_columns_of_a_question_are_attacked(victim, resources) -> None:
    texts = [("film good movie", "good meal bad")]
    pairs = [Example("test-0", texts[0], int(victim(texts).argmax()))]
    rule = find_recipe("textfooler")
    assert ColumnRule(("premise", "hypothesis"), ("premise",)) in rule.column_rules
    nothing = dataclasses.replace(resources, synonyms=NeighbourList({}, "nothing"))
    (outcome,) = run(engine, victim, pairs, rule, nothing, columns=("question", "sentence")).values()
    assert outcome.queries == 1 + 6


@pytest.mark.parametrize("key", [*OFFLINE, "pwws", "deepwordbug"])
@pytest.mark.parametrize("budget", [1, 2, 5, 9, 14])
def test_budgets_stop_where_textattack_stops(victim, right, resources, key: str, budget: int) -> None:
    recipe = dataclasses.replace(find_recipe(key), query_budget=budget)
    theirs = run(reference, victim, right, recipe, resources)
    assert run(engine, victim, right, recipe, resources) == theirs
    assert max(outcome.queries for outcome in theirs.values()) <= budget


@pytest.mark.parametrize("key", RECIPES)
def test_width_and_order_change_nothing(victim, right, resources, key: str) -> None:
    expected = run(engine, victim, right, key, resources)
    for width, examples in ((1, right), (3, right[::-1]), (64, right[::-2])):
        fresh = Victim(victim.model, victim.tokenizer, max_length=32)
        for name, outcome in run(engine, fresh, examples, key, resources, in_flight=width).items():
            assert outcome == expected[name]


def test_what_lies_behind_the_cut_costs_queries_and_no_forward(victim, resources, monkeypatch) -> None:
    long = [Example("test-0", ("the plot was good and the meal was bad " * 12,), 0)]
    label = int(victim([long[0].texts]).argmax())
    asked = []
    forward = victim._forward
    monkeypatch.setattr(victim, "_forward", lambda rows: asked.extend(rows) or forward(rows))
    (outcome,) = run(engine, victim, [dataclasses.replace(long[0], label=label)], "textfooler", resources).values()
    theirs = run(reference, victim, [dataclasses.replace(long[0], label=label)], "textfooler", resources)
    assert outcome == theirs["test-0"]
    assert len(asked) < outcome.queries / 2


@pytest.mark.parametrize("key", PUBLISHED)
def test_odd_texts_give_textattacks_outcomes_and_none_is_dropped(victim, resources, key: str) -> None:
    odd = ODD_TEXTS | {"very long": ODD_TEXTS["very long"][:600]}
    if key.startswith("bertattack") and key != "bertattack_official":
        # TextAttack walks through K ** n combinations of a word of n pieces: only words of the vocabulary end in time.
        odd = {name: odd[name] for name in ("empty", "one word", "stop words", "no words", "very long")}
    read = victim([(text,) for text in odd.values()]).argmax(axis=1)
    examples = [Example(name, (text,), int(label)) for (name, text), label in zip(odd.items(), read, strict=True)]
    examples += [dataclasses.replace(examples[1], id="duplicate")]
    mine, theirs = (run(module, victim, examples, key, resources) for module in (engine, reference))
    assert mine.keys() == {example.id for example in examples}
    for name, outcome in theirs.items():
        if outcome.status == "error":
            assert mine[name].status == "error", mine[name]
        else:
            assert mine[name] == outcome
    assert dataclasses.replace(mine["duplicate"], example_id="one word") == mine["one word"] or key == "textbugger"


def test_ten_thousand_words_are_attacked(victim, resources) -> None:
    text = (ODD_TEXTS["very long"],)
    label = int(victim([text]).argmax())
    (outcome,) = run(engine, victim, [Example("test-0", text, label)], "bertattack_official", resources).values()
    assert outcome.words == 10_000 and outcome.status in ("failed", "successful")


def most_words_in_a_round(victim, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many words the victim is asked about at once, a number for each round; filled as it is asked."""
    rounds, ask = [], Victim.__call__

    def counting(self, texts):
        rounds.append(sum(len(column.split()) for text in texts for column in text))
        return ask(self, texts)

    monkeypatch.setattr(Victim, "__call__", counting)
    return rounds


@pytest.mark.parametrize("key", ["textfooler", "bertattack_official"])
@pytest.mark.parametrize("at_once", [1, 40, 300])
def test_words_in_flight_are_bounded_and_change_nothing(victim, right, resources, monkeypatch, key, at_once) -> None:
    expected = run(engine, victim, right, key, resources)
    rounds = most_words_in_a_round(victim, monkeypatch)
    assert run(engine, victim, right, key, resources) == expected
    unbounded, longest = max(rounds), max(len(each.texts[0].split()) for each in right)
    rounds.clear()
    monkeypatch.setattr("benchmarks.attacks.searches.WORDS_AT_ONCE", at_once)
    monkeypatch.setattr(engine, "WORDS_AT_ONCE", at_once)
    monkeypatch.setattr(engine, "WORDS_IN_FLIGHT", 2 * at_once)
    assert run(engine, victim, right, key, resources) == expected
    # Candidates for a word may have a word more than the text
    assert max(rounds) <= max(2 * longest + 2, 2 * at_once + at_once // 4) < unbounded


def test_a_budget_is_kept_over_the_pieces_of_a_question(victim, right, resources, monkeypatch) -> None:
    for budget in (1, 2, 5, 9, 14):
        recipe = dataclasses.replace(find_recipe("textfooler"), query_budget=budget)
        expected = run(engine, victim, right, recipe, resources)
        with monkeypatch.context() as patched:
            patched.setattr("benchmarks.attacks.searches.WORDS_AT_ONCE", 20)
            assert run(engine, victim, right, recipe, resources) == expected


def test_a_long_text_is_heard_of_while_it_is_attacked(victim, resources, monkeypatch) -> None:
    monkeypatch.setattr("benchmarks.attacks.searches.WORDS_AT_ONCE", 1000)
    text = ("good film and bad plot, " * 100,)
    example = Example("test-0", text, int(victim([text]).argmax()))
    told: list[int] = []
    run(engine, victim, [example], "textfooler", resources, on_queries=told.append)
    assert len(told) > 250 and sum(told) > 500, "two of its 500 words are asked about at once"


def test_a_label_outside_the_classes_is_an_outcome_with_a_sentence(victim, right, resources) -> None:
    wrong = dataclasses.replace(right[0], id="outside", label=5)
    outcomes = run(engine, victim, [wrong, *right], "textfooler", resources)
    assert outcomes["outside"].status == "error"
    assert "the label 5 of outside is outside the victim's 2 classes" in outcomes["outside"].error
    assert outcomes == run(engine, victim, right, "textfooler", resources) | {"outside": outcomes["outside"]}
    assert len(outcomes) == len(right) + 1
    assert aua_percent(list(outcomes.values())) <= 100 * len(right) / (len(right) + 1)


def test_a_head_that_answers_nan_is_an_outcome_for_every_text(victim, right, resources) -> None:
    victim.model.classifier.weight.data.fill_(float("nan"))
    outcomes = run(engine, Victim(victim.model, victim.tokenizer, max_length=32), right, "textfooler", resources)
    assert {outcome.status for outcome in outcomes.values()} == {"error"}
    assert all("NaN" in outcome.error for outcome in outcomes.values())


def test_a_batch_that_breaks_breaks_those_alone_that_break_it(victim, right, resources) -> None:
    expected = run(engine, victim, right, "textfooler", resources)

    class Breaking:
        def encode(self, texts):
            if any("plot" in text for text in texts):
                raise MemoryError("broken on purpose")
            return resources.encoder.encode(texts)

    broken = run(engine, victim, right, "textfooler", dataclasses.replace(resources, encoder=Breaking()))
    assert {outcome.status for outcome in broken.values()} > {"error"}
    for name, outcome in broken.items():
        if outcome.status == "error":
            assert "broken on purpose" in outcome.error and "plot" in outcome.original[0]
        else:
            assert outcome == expected[name]


def test_a_success_that_does_not_hold_is_not_counted(victim, right, resources, monkeypatch) -> None:
    won = {
        name
        for name, each in run(engine, victim, right, "textbugger", resources).items()
        if each.status == "successful"
    }
    ask = Victim.__call__
    label = {example.id: example.label for example in right}

    def forgetful(self, texts):
        rows = ask(self, texts)
        if len(texts) == 1 and len(asked) > 0:
            rows = np.roll(rows, 1, axis=1)
        asked.append(texts)
        return rows

    asked: list = []
    monkeypatch.setattr(Victim, "__call__", forgetful)
    name = sorted(won)[0]
    example = next(example for example in right if example.id == name)
    (outcome,) = run(engine, victim, [example], "textbugger", resources).values()
    assert outcome.status == "error" and "not confirmed" in outcome.error
    assert label[name] == outcome.label


def test_no_search_at_all_is_refused(victim, right, resources) -> None:
    with pytest.raises(ValueError, match="in_flight must be 1 or more"):
        run(engine, victim, right, "textfooler", resources, in_flight=0)


def test_bertattack_without_a_masked_model_is_refused_before_the_start(victim, right, resources) -> None:
    with pytest.raises(ValueError, match="earlyrobust prepare"):
        run(engine, victim, right, "bertattack", dataclasses.replace(resources, masked_model=None))


def times(victim, factor: float) -> Victim:
    """The same victim with larger logits."""
    model = copy.deepcopy(victim.model)
    with torch.no_grad():
        model.classifier.weight *= factor
        model.classifier.bias *= factor
    return Victim(model, victim.tokenizer, max_length=32)


@pytest.mark.parametrize("key", ["textfooler", "bertattack_official"])
def test_the_margin_finds_what_an_unsaturated_probability_finds_at_any_scale(victim, right, resources, key) -> None:
    expected = run(engine, victim, right, key, resources)
    assert starved_percent(list(expected.values())) == 0
    for factor in (1, 1000):
        assert run(engine, times(victim, factor), right, f"{key}+margin", resources) == expected
    masked = run(engine, times(victim, 1000), right, key, resources)
    assert masked != expected and starved_percent(list(masked.values())) > 50


@pytest.mark.parametrize("key", OFFLINE)
def test_a_wider_search_breaks_no_fewer_texts(victim, right, resources, key: str) -> None:
    narrow = run(engine, victim, right, key, resources)
    assert run(engine, victim, right, f"{key}+width1", resources) == narrow
    wide = run(engine, victim, right, f"{key}+width3", resources)
    assert aua_percent(list(wide.values())) <= aua_percent(list(narrow.values()))
    queries, most = (sum(outcome.queries for outcome in found.values()) for found in (wide, narrow))
    assert queries <= 3 * most
    assert run(engine, victim, right, f"{key}+width3", resources, in_flight=1) == wide


def test_restarts_start_where_the_ranked_order_failed(victim, right, resources) -> None:
    once = run(engine, victim, right, "textfooler", resources)
    again = run(engine, victim, right, "textfooler+restarts2", resources)
    assert run(engine, victim, right[::-1], "textfooler+restarts2", resources) == again
    for name, outcome in once.items():
        if outcome.status != "failed":
            assert again[name] == outcome
        else:
            assert again[name].queries >= outcome.queries


def test_a_budget_bounds_every_search(victim, right, resources) -> None:
    for mark in ("width3", "restarts5", "margin"):
        recipe = dataclasses.replace(find_recipe(f"textbugger+{mark}"), query_budget=9)
        found = run(engine, victim, right, recipe, resources)
        assert max(outcome.queries for outcome in found.values()) == 9


def test_textattacks_loop_refuses_a_search_that_it_does_not_have(victim, right, resources) -> None:
    with pytest.raises(ValueError, match="searches greedily by probability"):
        run(reference, victim, right, "textfooler+margin", resources)


def test_bad_characters_change_one_letter_in_at_most_five_words(victim, right, resources) -> None:
    found = run(engine, victim, right, "bad_characters", resources).values()
    assert {outcome.status for outcome in found} <= {"successful", "failed", "skipped"}
    assert 0 < max(outcome.words_changed for outcome in found) <= 5
    for outcome in found:
        before, after = outcome.original[0], outcome.perturbed[0]
        assert len(before) == len(after) and sum(a != b for a, b in zip(before, after, strict=True)) <= 5


@pytest.mark.parametrize("key", ["pwws", "deepwordbug", "charbug", "bae", "a2t"])
def test_odd_texts_are_no_trouble_to_the_other_recipes(victim, resources, key: str) -> None:
    texts = [(text,) for name, text in ODD_TEXTS.items() if name != "very long"]
    read = victim(texts).argmax(axis=1)
    examples = [Example(f"test-{n}", text, int(label)) for n, (text, label) in enumerate(zip(texts, read, strict=True))]
    theirs = run(reference, victim, examples, key, resources)
    mine = run(engine, victim, examples, key, resources)
    assert mine == theirs, agreement(mine, theirs)


def test_charbug_tries_every_edit(victim, right, resources) -> None:
    charbug = run(engine, victim, right, "charbug", resources)
    random_edits = run(engine, victim, right, "deepwordbug", resources)
    assert aua_percent(list(charbug.values())) <= aua_percent(list(random_edits.values()))
    assert all(outcome.error is None for outcome in charbug.values())


def test_the_papers_pwws_asks_once_for_each_candidate(victim, right, resources) -> None:
    """One query for the text, one for each word and each candidate, and one for each word that is then changed."""
    usual = run(engine, victim, right, "pwws", resources)
    for name, outcome in run(engine, victim, right, "pwws@paper", resources).items():
        assert outcome.error is None
        assert outcome.queries <= usual[name].queries or outcome.status == "failed"
        assert all(count <= 1 for count in (outcome.equal_ranking_share or 0, outcome.idle_step_share or 0))
    with pytest.raises(ValueError, match="has not all parts of 'pwws@paper'"):
        run(reference, victim, right, "pwws@paper", resources)


def test_a_function_has_no_gradient_to_rank_words_by(right, resources) -> None:
    function = CallableVictim(lambda texts: [[0.4, 0.6]] * len(texts), "mine", 2)
    with pytest.raises(ValueError, match="'a2t' needs a model"):
        run(engine, function, right, "a2t", resources)


def test_a_function_is_searched_by_the_margin_of_its_log_probabilities(victim, right, resources) -> None:
    function = CallableVictim(lambda texts: victim([(text,) for text in texts]), "mine", 2)
    expected = run(engine, victim, right, "textfooler", resources)
    assert run(engine, function, right, "textfooler+margin", resources) == expected


def test_as_many_words_change_as_the_rate_allows(victim, right, resources) -> None:
    recipe = dataclasses.replace(find_recipe("a2t"), modification_rate=ModificationRate(0.0, at_least=1), sentence=None)
    theirs = run(reference, victim, right, recipe, resources)
    assert run(engine, victim, right, recipe, resources) == theirs
    assert max(outcome.words_changed for outcome in theirs.values()) == 1
