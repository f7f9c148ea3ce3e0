"""The constraints of an attack: which words it may change, and which replacements are allowed.

Source: TextAttack 0.3.11, `RepeatModification`, `StopwordModification`, `InputColumnModification`,
`MaxModificationRate`, `MaxWordsPerturbed`, `LevenshteinEditDistance`, `WordEmbeddingDistance` and `PartOfSpeech`. The
bound on sentence similarity needs an encoder and is part of the search.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from benchmarks.attacks.packed_synonyms import packaged_synonyms
from benchmarks.attacks.part_of_speech import may_replace
from benchmarks.attacks.recipe import Recipe
from benchmarks.attacks.resources import Resources
from benchmarks.attacks.words import Text, changed_words, words_in


class Constraints:
    """The recipe's constraints on words.

    Args:
        columns: names of the text columns.
    """

    def __init__(self, recipe: Recipe, resources: Resources, columns: Sequence[str]) -> None:
        self._recipe = recipe
        self._resources = resources
        self._stop_words = resources.stop_words_for(recipe)
        rules = [rule for rule in recipe.column_rules if rule.columns == tuple(columns)]
        self._kept_columns = {place for rule in rules for place, name in enumerate(columns) if name in rule.kept}

    def modifiable(self, text: Text) -> list[int]:
        """Places of the words that may be changed, in TextAttack's order of ranking.

        This is the order in which Python iterates over its sets' intersection: ascending, except for large places.
        """
        places = set(range(len(text.words)))
        places &= set(range(len(text.words))) - text.modified
        ordinary = set()
        for place, word in enumerate(text.words):
            if word not in self._stop_words:
                ordinary.add(place)
        places &= ordinary
        if self._recipe.column_rules:
            open_places: set[int] = set()
            open_places |= {place for place in range(len(text.words)) if self._column_is_open(text, place)}
            places &= open_places
        return [] if self._is_exhausted(text) else list(places)

    def may_modify(self, text: Text, index: int) -> bool:
        """Whether the word at `index` may be changed; False if there is no such word any more."""
        return (
            index < len(text.words)
            and index not in text.modified
            and text.words[index] not in self._stop_words
            and self._column_is_open(text, index)
            and not self._is_exhausted(text)
        )

    def _is_exhausted(self, text: Text) -> bool:
        """Whether as many words are changed as may be."""
        rate = self._recipe.modification_rate
        return rate is not None and len(text.modified) >= max(math.ceil(len(text.words) * rate.share), rate.at_least)

    def _column_is_open(self, text: Text, index: int) -> bool:
        return not self._kept_columns or text.places[index][0] not in self._kept_columns

    def passing(self, text: Text, original: Text, index: int, replacements: Sequence[str]) -> list[str]:
        """The allowed replacements of the word at `index`, in order; all are compared with the original text.

        Raises:
            IndexError: if an inserted word has moved the place beyond the original text, as in TextAttack.
        """
        passed = list(replacements)
        most = self._recipe.most_words_changed
        if most is not None and len(text.modified) >= most:
            return []
        if self._recipe.max_edits is not None:
            passed = self._close_enough(text, original, index, passed)
        if self._recipe.max_words_changed is not None:
            passed = self._few_enough(text, original, index, passed)
        if self._recipe.min_word_similarity is not None:
            passed = self._near_enough(text, original, index, passed)
        if self._recipe.exclude_antonyms:
            passed = self._not_opposite(original, index, passed)
        if self._recipe.part_of_speech and passed:
            passed = self._of_the_same_class(text, original, index, passed)
        return passed

    def _few_enough(self, text: Text, original: Text, index: int, replacements: list[str]) -> list[str]:
        passed = []
        for new in replacements:
            words = text.words_with(index, new)
            most = math.ceil(min(len(words), len(original.words)) * self._recipe.max_words_changed)
            if changed_words(words, original.words) <= most:
                passed.append(new)
        return passed

    def _close_enough(self, text: Text, original: Text, index: int, replacements: list[str]) -> list[str]:
        most, before = self._recipe.max_edits, original.joined
        after = ["\n".join(text.replaced(index, new)) for new in replacements]
        near = [Levenshtein.distance(before, each, score_cutoff=most) <= most for each in after]
        return [new for new, is_near in zip(replacements, near, strict=True) if is_near]

    def _near_enough(self, text: Text, original: Text, index: int, replacements: list[str]) -> list[str]:
        if _stands_alone(text, replacements):
            if index >= len(original.words):
                return []
            near = self._are_near(original.words[index], [words_in(new)[0] for new in replacements])
            return [new for new, is_near in zip(replacements, near, strict=True) if is_near]
        return [new for new in replacements if self._is_near(text, original, index, new)]

    def _is_near(self, text: Text, original: Text, index: int, new: str) -> bool:
        words = text.words_with(index, new)
        return all(
            place < len(original.words)
            and place < len(words)
            and self._are_near(original.words[place], [words[place]])[0]
            for place in text.newly_modified(index, new)
        )

    def _are_near(self, word: str, others: list[str]) -> list[bool]:
        bound = self._recipe.min_word_similarity
        found = self._resources.synonyms.similarities(word.lower(), [other.lower() for other in others])
        return [similarity is None or similarity >= bound for similarity in found]

    def _not_opposite(self, original: Text, index: int, replacements: list[str]) -> list[str]:
        if index >= len(original.words):
            return replacements
        return [new for new in replacements if not is_antonym(original.words[index], new)]

    def _of_the_same_class(self, text: Text, original: Text, index: int, replacements: list[str]) -> list[str]:
        if _stands_alone(text, replacements):
            return self._keeping_class(original, index, replacements, [words_in(new)[0] for new in replacements])
        return [new for new in replacements if self._keeps_classes(text, original, index, new)]

    def _keeps_classes(self, text: Text, original: Text, index: int, new: str) -> bool:
        words = text.words_with(index, new)
        return all(
            self._keeping_class(original, place, [new], [words[place]]) for place in text.newly_modified(index, new)
        )

    def _keeping_class(self, original: Text, index: int, replacements: list[str], words: list[str]) -> list[str]:
        word = original.words[index]
        before, after = original.words[max(index - 4, 0) : index], original.words[index + 1 : index + 4]
        own, *others = self._resources.part_of_speech.tags_of(before, [word, *words], after)
        return [
            new
            for new, tags in zip(replacements, others, strict=True)
            if may_replace(own, tags, self._recipe.noun_for_verb)
        ]


def is_antonym(word: str, new: str) -> bool:
    """Whether one word of `new` is an antonym of `word` in WordNet."""
    opposites = packaged_synonyms().antonyms.get(word.lower(), frozenset())
    return any(each.lower() in opposites for each in words_in(new))


def _stands_alone(text: Text, replacements: Sequence[str]) -> bool:
    """Whether each replacement is one word and replaces exactly one word."""
    return not text.has_chinese and all(len(words_in(new)) == 1 for new in replacements)
