"""Which words may change and which replacements pass, against TextAttack's constraints."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict

import pytest

from benchmarks.attacks.constraints import Constraints
from benchmarks.attacks.recipes import TEXTFOOLER, find_recipe
from benchmarks.attacks.textattack_import import import_textattack
from benchmarks.attacks.words import Text

PAIR = ("the film was good", "food and film")


def indices_of(recipe, resources, columns, names) -> list[int]:
    """The places that TextAttack would rank, in its order."""
    import_textattack()
    from textattack.shared import AttackedText

    from benchmarks.attacks.textattack_parts import _constraints, _transformation

    pre = [each for each in _constraints(recipe, resources) if not hasattr(each, "compare_against_original")]
    text = AttackedText(OrderedDict(zip(names, columns, strict=True)))
    transformation = _transformation(recipe.transformations[0], resources)
    return list(transformation(text, pre_transformation_constraints=pre, return_indices=True))


@pytest.mark.parametrize("names", [("premise", "hypothesis"), ("sentence1", "sentence2"), ("question", "sentence")])
@pytest.mark.parametrize("key", ["textfooler", "bertattack_official"])
def test_the_places_to_rank_are_textattacks_in_its_order(resources, key: str, names: tuple[str, str]) -> None:
    recipe = find_recipe(key)
    for columns in (PAIR, ("good film " * 40, "bad food, the plot " * 30)):  # large sets are not walked in order
        expected = indices_of(recipe, resources, columns, names)
        found = Constraints(recipe, resources, names).modifiable(Text(columns))
        assert found == expected and len(found) > 1


def test_a_changed_word_a_stop_word_and_a_kept_column_stay(resources) -> None:
    constraints = Constraints(TEXTFOOLER, resources, ("premise", "hypothesis"))
    text = Text(PAIR)
    assert [index for index in range(9) if constraints.may_modify(text, index)] == [4, 6]
    assert [index for index in range(9) if constraints.may_modify(text.after(4, "meal"), index)] == [6]


def test_too_many_changed_words_do_not_pass(resources) -> None:
    recipe = dataclasses.replace(TEXTFOOLER, max_words_changed=0.4, min_word_similarity=None, part_of_speech=False)
    constraints = Constraints(recipe, resources, ("text",))
    original = Text(("good film bad plot",))
    changed = original.after(0, "great").after(1, "movie")  # ceil(0.4 * 4) = 2 words
    assert constraints.passing(original.after(0, "great"), original, 1, ["movie"]) == ["movie"]
    assert constraints.passing(changed, original, 2, ["poor"]) == []


def test_words_must_be_near_where_their_cosine_is_known(resources) -> None:
    class Cosines:
        def similarities(self, word, others):
            return [{"great": 0.9, "cold": 0.1}.get(other) for other in others]

    recipe = dataclasses.replace(TEXTFOOLER, part_of_speech=False)
    constraints = Constraints(recipe, dataclasses.replace(resources, synonyms=Cosines()), ("text",))
    text = Text(("good film",))
    assert constraints.passing(text, text, 0, ["Great", "cold", "unheard"]) == ["Great", "unheard"]
    assert constraints.passing(text, text, 0, ["great cold", "cold great"]) == []


def test_antonyms_pass_unless_a_recipe_excludes_them(resources) -> None:
    free = dataclasses.replace(TEXTFOOLER, part_of_speech=False, min_word_similarity=None)
    text = Text(("a Slow film",))
    proposed = ["Fast", "great", "quick fast", "goes"]
    assert Constraints(free, resources, ("text",)).passing(text, text, 1, proposed) == proposed
    excluding = Constraints(dataclasses.replace(free, exclude_antonyms=True), resources, ("text",))
    assert excluding.passing(text, text, 1, proposed) == ["great", "goes"]
    assert excluding.passing(text, text, 0, proposed) == proposed  # "a" has no antonyms


def test_a_place_behind_the_original_is_not_near_and_has_no_class(resources) -> None:
    original = Text(("good film",))
    longer = original.after(0, "go od")
    near = Constraints(dataclasses.replace(TEXTFOOLER, part_of_speech=False), resources, ("text",))
    assert near.passing(longer, original, 2, ["movie"]) == []
    tagged = Constraints(dataclasses.replace(TEXTFOOLER, min_word_similarity=None), resources, ("text",))
    with pytest.raises(IndexError):
        tagged.passing(longer, original, 2, ["movie"])
