"""Our recipes beside TextAttack's own: same parts, same settings, same order."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import pytest

from benchmarks.attacks.homoglyphs import HOMOGLYPHS
from benchmarks.attacks.recipes import find_recipe
from benchmarks.attacks.stop_words import StopWords
from benchmarks.attacks.textattack_import import import_textattack

SETTINGS = (
    "stopwords",
    "matching_column_labels",
    "columns_to_ignore",
    "compare_against_original",
    "min_cos_sim",
    "include_unknown_words",
    "cased",
    "allow_verb_noun_swap",
    "metric",
    "threshold",
    "window_size",
    "skip_text_shorter_than_window",
    "max_percent",
    "max_candidates",
    "random_one",
    "skip_first_char",
    "skip_last_char",
    "letters_to_insert",
    "homos",
    "method",
)


@pytest.fixture(scope="module")
def parts() -> Any:
    """Our module on TextAttack's classes."""
    import_textattack()
    from benchmarks.attacks import textattack_parts

    return textattack_parts


def settings(part: Any) -> dict[str, Any]:
    """What decides a part's behaviour."""
    return {name: getattr(part, name) for name in SETTINGS if hasattr(part, name)}


def outline(attack: Any) -> tuple[Any, ...]:
    """An attack as lists of settings, in order."""
    transformations = getattr(attack.transformation, "transformations", [attack.transformation])
    return (
        [settings(part) for part in attack.pre_transformation_constraints],
        [settings(part) for part in attack.constraints],
        [settings(part) for part in transformations],
        attack.search_method.wir_method,
        attack.goal_function.target_max_score,
    )


@pytest.mark.parametrize(("key", "theirs"), [("textfooler", "TextFoolerJin2019"), ("textbugger", "TextBuggerLi2018")])
def test_a_recipe_has_the_parts_of_textattacks_own(
    parts, resources, victim, monkeypatch, key: str, theirs: str
) -> None:
    from nltk.corpus import stopwords
    from textattack import attack_recipes
    from textattack.attack_recipes import textbugger_li_2018
    from textattack.shared import WordEmbedding

    from benchmarks.attacks.stop_words import textfooler_stop_words

    embedding = parts.SynonymEmbedding(resources.synonyms)
    monkeypatch.setattr(WordEmbedding, "counterfitted_GLOVE_embedding", staticmethod(lambda: embedding))
    monkeypatch.setattr(textbugger_li_2018, "WordSwapHomoglyphSwap", parts.HomoglyphSwap)
    resources = dataclasses.replace(
        resources,
        textfooler_stop_words=textfooler_stop_words(),
        nltk_stop_words=StopWords(frozenset(stopwords.words("english")), "NLTK"),
    )
    ours = parts.build_attack(find_recipe(key), resources, victim)
    reference = getattr(attack_recipes, theirs).build(parts.VictimWrapper(victim))
    assert outline(ours) == outline(reference)


def test_bertattack_has_the_parts_of_textattacks_own(parts, resources, victim, monkeypatch) -> None:
    from nltk.corpus import stopwords
    from textattack.attack_recipes import BERTAttackLi2020, bert_attack_li_2020

    model = victim.model  # a stand-in: no forward is made
    resources = dataclasses.replace(
        resources,
        nltk_stop_words=StopWords(frozenset(stopwords.words("english")), "NLTK"),
        masked_model=type("Masked", (), {"model": model, "tokenizer": victim.tokenizer})(),
    )
    given = parts.WordSwapMaskedLM
    monkeypatch.setattr(
        bert_attack_li_2020,
        "WordSwapMaskedLM",
        lambda **options: given(**options, masked_language_model=model, tokenizer=victim.tokenizer),
    )
    reference = BERTAttackLi2020.build(parts.VictimWrapper(victim))
    assert outline(parts.build_attack(find_recipe("bertattack@0.3.11"), resources, victim)) == outline(reference)
    wider = parts.build_attack(find_recipe("bertattack"), resources, victim)
    assert wider.transformation.max_candidates == 48


def test_the_look_alikes_are_textattacks(parts, monkeypatch) -> None:
    from textattack.transformations.word_swaps import word_swap_homoglyph_swap

    # The wheel lacks the file that the stock class reads after filling the table compared here.
    monkeypatch.setattr(word_swap_homoglyph_swap, "open", lambda *args, **options: io.StringIO(), raising=False)
    assert word_swap_homoglyph_swap.WordSwapHomoglyphSwap().homos == HOMOGLYPHS


def test_an_unknown_cosine_passes_and_a_known_low_one_does_not(parts, resources) -> None:
    import numpy as np

    from benchmarks.attacks.synonyms import WordVectors

    assert parts.SynonymEmbedding(resources.synonyms).get_cos_sim("good", "great") == 1
    vectors = WordVectors(["a", "b"], np.array([[1.0, 0.0], [-1.0, 0.0]]), "a test")
    assert parts.SynonymEmbedding(vectors).get_cos_sim("a", "b") == pytest.approx(-1, abs=1e-6)  # rounding
    assert parts.SynonymEmbedding(vectors).get_mse_dist("a", "b") == pytest.approx(4, abs=1e-6)  # rounding
