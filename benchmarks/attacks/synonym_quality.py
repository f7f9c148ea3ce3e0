"""Measure a neighbour list against another list, and against WordNet's antonyms and parts of speech."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.attacks.synonyms import Synonyms
from benchmarks.attacks.wordnet import WordNet


class FirstNeighbours:
    """A list cut to each word's first neighbours.

    Args:
        source: the list.
        count: number of neighbours that are kept.
    """

    def __init__(self, source: Synonyms, count: int) -> None:
        self._source = source
        self._count = count

    def neighbours(self, word: str, k: int) -> list[str]:
        """At most `k` of the kept neighbours."""
        return self._source.neighbours(word, min(k, self._count))

    def similarities(self, word: str, others: Sequence[str]) -> list[float | None]:
        """The cosines of the source."""
        return self._source.similarities(word, others)

    def describe(self) -> str:
        """The source and the cut, in words for captions."""
        return f"{self._source.describe()}, cut to {self._count} a word"

    def identity(self) -> dict[str, object]:
        """The source's identity and the cut."""
        return {"kind": "first", "count": self._count, "source": self._source.identity()}


@dataclass(frozen=True)
class Quality:
    """The quality of a list on some words.

    Attributes:
        words: number of words.
        neighbours: number of their neighbours.
        recall: by k, the mean share of the other list's neighbours of a word that are among the first k here.
        antonyms: number of neighbours that WordNet calls an antonym of the word in some form and sense.
        same_part: number of neighbours that share a part of speech with the word in WordNet.
        known_parts: number of neighbours for which WordNet has parts of speech, as it has for the word.
    """

    words: int
    neighbours: int
    recall: dict[int, float]
    antonyms: int
    same_part: int
    known_parts: int


def quality(
    source: Synonyms,
    listed: dict[str, list[str]],
    words: Sequence[str],
    wordnet: WordNet,
    cuts: Sequence[int] = (8, 50),
) -> Quality:
    """Measure a list on some words.

    Args:
        listed: the other list: word to neighbours, at least one for each of `words`.
        cuts: numbers of neighbours at which recall is measured.
    """
    lemmas = _Lemmas(wordnet)
    recall = dict.fromkeys(cuts, 0.0)
    neighbours = antonyms = same_part = known_parts = 0
    for word in words:
        found = source.neighbours(word, max(cuts))
        for cut in cuts:
            recall[cut] += len({*found[:cut]} & {*listed[word]}) / len({*listed[word]}) / len(words)
        neighbours += len(found)
        for other in found:
            antonyms += lemmas.are_antonyms(word, other)
            parts, other_parts = lemmas.parts(word), lemmas.parts(other)
            known_parts += bool(parts and other_parts)
            same_part += bool(parts & other_parts)
    return Quality(len(words), neighbours, recall, antonyms, same_part, known_parts)


def random_pairs(
    source: Synonyms, words: Sequence[str], count: int, seed: int = 0
) -> list[tuple[str, str, float | None]]:
    """Random words, each with a random neighbour and their cosine."""
    draw = random.Random(seed)
    having = [word for word in words if source.neighbours(word, 1)]
    pairs = []
    for word in sorted(draw.sample(having, min(count, len(having)))):
        other = draw.choice(source.neighbours(word, 50))
        pairs.append((word, other, source.similarities(word, [other])[0]))
    return pairs


class _Lemmas:
    """WordNet's lemmas of inflected words, each looked up once."""

    def __init__(self, wordnet: WordNet) -> None:
        import lemminflect

        self._wordnet = wordnet
        self._all_lemmas: Callable[[str], dict[str, tuple[str, ...]]] = lemminflect.getAllLemmas
        self._known: dict[str, frozenset[tuple[str, str]]] = {}
        self._opposites: dict[tuple[str, str], frozenset[str]] = {}

    def of(self, word: str) -> frozenset[tuple[str, str]]:
        """The lemmas of a word in WordNet, with their parts of speech."""
        if word not in self._known:
            possible = {(word, part) for part in ("NOUN", "VERB", "ADJ", "ADV")}
            possible |= {(lemma, part) for part, those in self._all_lemmas(word).items() for lemma in those}
            self._known[word] = frozenset(each for each in possible if self._wordnet.senses(*each))
        return self._known[word]

    def parts(self, word: str) -> frozenset[str]:
        """The parts of speech of a word's lemmas."""
        return frozenset(part for _, part in self.of(word))

    def are_antonyms(self, word: str, other: str) -> bool:
        """Whether two lemmas of the words have the same part of speech and are antonyms in some sense."""
        others = self.of(other)
        return any((opposite, part) in others for lemma, part in self.of(word) for opposite in self._of(lemma, part))

    def _of(self, lemma: str, part: str) -> frozenset[str]:
        if (lemma, part) not in self._opposites:
            self._opposites[lemma, part] = frozenset(
                opposite
                for sense in self._wordnet.senses(lemma, part)
                for at, opposite, _ in sense.synset.antonyms
                if sense.synset.words[at].lower() == lemma
            )
        return self._opposites[lemma, part]
