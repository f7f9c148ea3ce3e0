"""Builds the packaged neighbour list from WordNet's synonyms and MiniLM's word vectors.

Each word is encoded by itself. Words that share a sense are then pulled together, and opposites pushed apart. The
neighbours of a word are those with the highest cosines, of at least 0.5, among words of the same part of speech and
inflection. The constants were chosen on the words for which `is_development_word` is true; docs/synonyms.md measures
the list on the others.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from itertools import product

import numpy as np
import torch

from benchmarks.attacks.counter_fitting import CounterFitting, near_pairs
from benchmarks.attacks.packed_synonyms import (
    LEAST_COSINE,
    SynonymTable,
    cosine_steps,
    kept_pairs,
    part_bits,
    sense_code,
)
from benchmarks.attacks.sentence_encoder import MeanPooledEncoder
from benchmarks.attacks.wordnet import WordNet

_SINGLE = re.compile("[a-z]{2,}")
_BASE_TAG = {"NOUN": "NN", "VERB": "VB", "ADJ": "JJ", "ADV": "RB"}
_WORDS_AT_ONCE = 4096
_LEFT_OUT = "VBP"  # the form of VB but for "be"

Pair = tuple[int, int]
Members = list[tuple[str, int]]


@dataclass(frozen=True)
class Build:
    """Constants of the list.

    Attributes:
        least_share: a sense is used if it is a word's first, or has at least this share of the word's counted uses. One
            use is added to every sense.
        least_part_share: a form keeps a part of speech that has at least this share of its uses, counted so.
        similar_weight: weight of adjectives that WordNet calls similar; synonyms have 1.
        most_pieces: longest verb, adjective or adverb in pieces, if lemminflect's dictionary lacks it.
        least_spelled: least cosine of neighbours that share no sense where one of them has several word pieces. The
            encoder knows such a word by its spelling: without this, "sedge" is a neighbour of "fudge".
        fitting: constants of the fit.
    """

    least_share: float = 0.05
    least_part_share: float = 0.05
    similar_weight: float = 0.7
    most_pieces: int = 2
    least_spelled: float = 0.7
    fitting: CounterFitting = field(default_factory=CounterFitting)


@dataclass(frozen=True)
class Vocabulary:
    """The words of the list.

    Attributes:
        forms: for each word, in alphabetical order, its tags of the Penn tag set (NNP and NNPS for names); for each
            tag the lemmas that it is this form of, with their part of speech.
        inflections: the forms of each lemma, by tag.
    """

    forms: dict[str, dict[str, set[tuple[str, str]]]]
    inflections: dict[tuple[str, str], dict[str, list[str]]]

    def forms_of(self, word: str, part: str) -> list[str]:
        """All forms of a lemma; empty for an unknown lemma."""
        return [form for those in self.inflections.get((word, part), {}).values() for form in those]

    def like_forms(self, word: str, other: str, part: str) -> list[tuple[str, str]]:
        """Pairs of forms of two lemmas with the same tag."""
        others = self.inflections[other, part]
        return [
            (form, like)
            for tag, those in self.inflections[word, part].items()
            for form, like in product(those, others.get(tag, ()))
        ]


def is_development_word(word: str) -> bool:
    """Whether the constants may be chosen on this word; its hash decides, for half of all words."""
    return hashlib.sha256(word.encode()).digest()[0] % 2 == 0


def build_synonyms(
    wordnet: WordNet,
    encoder: MeanPooledEncoder,
    build: Build = Build(),
    say: Callable[[str], None] = lambda line: None,
) -> SynonymTable:
    """Build the list; on one machine and one thread, the same inputs give the same list.

    Args:
        say: called with each step as it starts.
    """
    say("reading words and inflections")
    words = vocabulary(wordnet, encoder.count_pieces, build)
    names = list(words.forms)
    say(f"encoding {len(names)} words")
    vectors = torch.cat([torch.from_numpy(encoder.encode(part)) for part in _parts_of(names, _WORDS_AT_ONCE)])
    spelled = torch.tensor(encoder.count_pieces(names)) > 1
    table = fitted_table(wordnet, words, vectors, spelled, build, say)
    return replace(table, about=table.about | {"encoder": str(encoder.identity())})


def _parts_of(names: list[str], size: int) -> list[list[str]]:
    return [names[start : start + size] for start in range(0, len(names), size)]


def vocabulary(wordnet: WordNet, pieces: Callable[[list[str]], list[int]], build: Build) -> Vocabulary:
    """WordNet's single words that are in use, in small letters, with their inflections.

    A word is in use if lemminflect's dictionary has it, or if it was counted in tagged texts. A name, which WordNet
    always writes with a capital, is in use if the encoder knows it as one piece.

    Args:
        pieces: gives the numbers of word pieces of some words.
    """
    import lemminflect

    lemmas = sorted((word, part) for word, part in wordnet.words() if _SINGLE.fullmatch(word))
    written = {lemma: {name for sense in wordnet.senses(*lemma) for name in sense.synset.words} for lemma in lemmas}
    names = {lemma for lemma in lemmas if lemma[0] not in written[lemma]}
    singles = sorted({word for word, _ in lemmas})
    length = dict(zip(singles, pieces(singles), strict=True))
    compared = {
        form
        for word, part in lemmas
        if part == "ADJ"
        for tag, forms in lemminflect.getAllInflections(word, part).items()
        if tag in ("JJR", "JJS")
        for form in forms
    }
    forms: dict[str, dict[str, set[tuple[str, str]]]] = defaultdict(lambda: defaultdict(set))
    inflections = {}
    for word, part in lemmas:
        if part in ("ADJ", "ADV") and word in compared:
            continue  # "slower" is a form of "slow", also where WordNet has it as an adverb
        if (word, part) in names:
            in_use = length[word] == 1
            found = _forms_of_name(lemminflect.getAllInflections(word, "PROPN"), word, part)
        else:
            in_use = bool(
                lemminflect.getAllInflections(word)
                or any(sense.count for sense in wordnet.senses(word, part))
                or (part != "NOUN" and length[word] <= build.most_pieces)
            )
            found = _inflections(lemminflect.getAllInflections(word, part), word, part)
        if not in_use:
            continue
        inflections[word, part] = found
        for tag, those in found.items():
            for form in those:
                forms[form][tag].add((word, part))
    return Vocabulary({form: dict(forms[form]) for form in sorted(forms)}, inflections)


def _inflections(found: dict[str, tuple[str, ...]], word: str, part: str) -> dict[str, list[str]]:
    """The forms of a lemma by tag; if the dictionary lacks it, the lemma alone."""
    forms: dict[str, list[str]] = {}
    for tag, those in found.items():
        single = [form for form in dict.fromkeys(those) if _SINGLE.fullmatch(form)]
        if tag == "NNS" and len(single) > 1:
            single = [form for form in single if form != word]
        if single and tag != _LEFT_OUT:
            forms[tag] = single
    return forms or {_BASE_TAG[part]: [word]}


def _forms_of_name(found: dict[str, tuple[str, ...]], word: str, part: str) -> dict[str, list[str]]:
    """A name with its plurals, apart from common nouns; an adjective, such as "american", is one of the others."""
    if part != "NOUN":
        return {_BASE_TAG[part]: [word]}
    plurals = [form for form in dict.fromkeys(found.get("NNS", ())) if _SINGLE.fullmatch(form) and form != word]
    return {"NNP": [word]} | ({"NNPS": plurals} if plurals else {})


def fitted_table(
    wordnet: WordNet,
    words: Vocabulary,
    vectors: torch.Tensor,
    spelled: torch.Tensor,
    build: Build,
    say: Callable[[str], None],
) -> SynonymTable:
    """The list from the words' vectors, (W, D), and whether each has several pieces, (W,) bool."""
    names = list(words.forms)
    say("collecting synonyms and antonyms")
    synonyms, opposites, antonyms = _relations(wordnet, words, build)
    apart = opposites | antonyms
    synonyms = {pair: value for pair, value in sorted(synonyms.items()) if pair not in apart}
    tags = _kept_tags(wordnet, words, build)
    # Single words lie in one corner of the encoder's space.
    vectors = torch.nn.functional.normalize(vectors - vectors.mean(dim=0), dim=1)
    say(f"fitting {len(synonyms)} pairs of synonyms and {len(apart)} of antonyms")
    near, _ = _near_with_a_shared_tag(vectors, tags, 1 - build.fitting.radius)
    fitted = build.fitting.fit(
        vectors,
        torch.tensor(list(synonyms)).reshape(-1, 2),
        torch.tensor([weight for weight, _ in synonyms.values()]),
        torch.tensor(sorted(apart)).reshape(-1, 2),
        near,
    )
    say("looking for neighbours")
    found, cosines = _near_with_a_shared_tag(fitted, tags, LEAST_COSINE)
    uncertain = ((cosines < build.least_spelled) & spelled[found].any(dim=1)).tolist()
    pairs, steps = found.numpy(), cosine_steps(cosines.numpy())
    allowed = np.array(
        [
            pair not in apart and (pair in synonyms or not unsure)
            for pair, unsure in zip(map(tuple, pairs.tolist()), uncertain, strict=True)
        ],
        bool,
    )
    pairs, steps = pairs[allowed], steps[allowed]
    kept = kept_pairs(pairs, steps, len(names))
    pairs, steps = pairs[kept], steps[kept]
    senses = [synonyms[pair][1] if pair in synonyms else (0, 0) for pair in map(tuple, pairs.tolist())]
    parts = [{part for tag in tags[place] for _, part in words.forms[name][tag]} for place, name in enumerate(names)]
    return SynonymTable(
        words=tuple(names),
        parts=np.array([part_bits(those) for those in parts], np.uint8),
        pairs=pairs.astype(np.int32),
        cosines=steps,
        senses=np.array(senses, np.uint8).reshape(-1, 2),
        antonyms=np.array(sorted(antonyms), np.int32).reshape(-1, 2),
        about={"wordnet": wordnet.sha256, "lemminflect": version("lemminflect"), "build": str(asdict(build))},
    )


def _relations(
    wordnet: WordNet, words: Vocabulary, build: Build
) -> tuple[dict[Pair, tuple[float, Pair]], set[Pair], set[Pair]]:
    """Relations of pairs of forms in WordNet. A pair is two positions in the list of words, the smaller first.

    Returns:
        Synonyms, with their weight and the codes of their shared senses; pairs of words with used senses that contain
        antonyms, or are similar to senses that do; and all forms of words that are antonyms in any sense.
    """
    place = {name: number for number, name in enumerate(words.forms)}
    members: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    synsets = {}
    antonyms: set[Pair] = set()
    for word, part in words.inflections:
        senses = wordnet.senses(word, part)
        uses = sum(sense.count + 1 for sense in senses)
        for sense in senses:
            for at, other, _ in sense.synset.antonyms:
                if sense.synset.words[at].lower() == word:
                    antonyms.update(_sorted_places(place, words.forms_of(word, part), words.forms_of(other, part)))
            if sense.number == 1 or sense.count + 1 >= build.least_share * uses:
                key = (part, sense.synset.offset)
                synsets[key] = sense.synset
                members[key].append((word, sense.number))

    synonyms: dict[Pair, tuple[float, Pair]] = {}
    opposites: set[Pair] = set()

    def attract(part: str, ones: Members, others: Members, weight: float) -> None:
        for (one, number), (other, other_number) in product(ones, others):
            codes = sense_code(part, number), sense_code(part, other_number)
            for form, like in words.like_forms(one, other, part):
                first, second = place[form], place[like]
                if first < second:
                    synonyms.setdefault((first, second), (weight, codes))
                elif second < first:
                    synonyms.setdefault((second, first), (weight, codes[::-1]))

    def cluster(part: str, offset: int) -> Members:
        around = synsets[part, offset].similar if (part, offset) in synsets else ()
        return [member for each in (offset, *around) for member in members.get((part, each), ())]

    for (part, _), those in members.items():
        attract(part, those, those, 1.0)
    for (part, offset), synset in synsets.items():
        for other in synset.similar:
            attract(part, members[part, offset], members.get((part, other), []), build.similar_weight)
        for other in {target for *_, target in synset.antonyms}:
            for (one, _), (opposite, _) in product(cluster(part, offset), cluster(part, other)):
                pairs = words.like_forms(one, opposite, part)
                opposites.update(pair for form, like in pairs for pair in _sorted_places(place, [form], [like]))
    return synonyms, opposites, antonyms


def _sorted_places(place: dict[str, int], ones: Iterable[str], others: Iterable[str]) -> Iterator[Pair]:
    for one, other in product(ones, others):
        if one != other:
            yield min(place[one], place[other]), max(place[one], place[other])


def _kept_tags(wordnet: WordNet, words: Vocabulary, build: Build) -> list[set[str]]:
    """The tags of each word, without those of parts of speech in which it is hardly used."""
    uses = {lemma: sum(sense.count + 1 for sense in wordnet.senses(*lemma)) for lemma in words.inflections}
    kept = []
    for tags in words.forms.values():
        of_part: dict[str, int] = defaultdict(int)
        for lemma in set().union(*tags.values()):
            of_part[lemma[1]] += uses[lemma]
        least = build.least_part_share * sum(of_part.values())
        kept.append({tag for tag, lemmas in tags.items() if any(of_part[part] >= least for _, part in lemmas)})
    return kept


def _near_with_a_shared_tag(
    vectors: torch.Tensor, tags: list[set[str]], cosine: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The pairs of words with a shared tag and at least this cosine, in ascending order, and their cosines."""
    of_tag = defaultdict(list)
    for place, those in enumerate(tags):
        for tag in those:
            of_tag[tag].append(place)
    found = [near_pairs(vectors, torch.tensor(places), cosine) for _, places in sorted(of_tag.items())]
    pairs, cosines = torch.cat([pairs for pairs, _ in found]), torch.cat([cosines for _, cosines in found])
    _, first = np.unique((pairs[:, 0] * len(tags) + pairs[:, 1]).numpy(), return_index=True)
    return pairs[first], cosines[first]
