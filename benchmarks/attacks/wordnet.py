"""WordNet, read from its database files: words, their senses with counts, and antonyms.

Source: Miller 1995; the format is that of the manual pages wndb(5WN), senseidx(5WN) and cntlist(5WN). Versions 3.0 and
3.1 have the same format.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from baselines.validation import UserError

PARTS = {"noun": "NOUN", "verb": "VERB", "adj": "ADJ", "adv": "ADV"}

# The numbers of the parts of speech in a sense key; adjectives are heads (3) or satellites (5) of a cluster.
_PART_OF_KEY = {"1": "NOUN", "2": "VERB", "3": "ADJ", "4": "ADV", "5": "ADJ"}
_PART_OF_LETTER = {"n": "NOUN", "v": "VERB", "a": "ADJ", "s": "ADJ", "r": "ADV"}
_COUNTS = ("cntlist.rev", "index.sense")
_ANTONYM, _SIMILAR = "!", "&"


@dataclass(frozen=True)
class Synset:
    """A meaning, with the words that have it.

    Attributes:
        part: universal part of speech.
        offset: its position in the data file, by which other files name it.
        words: its words as written, spaces as underscores.
        antonyms: position in `words`, the opposite word in lower case, and the synset of that word.
        similar: offsets of the synsets with a similar meaning; only adjectives have them.
        gloss: definition and examples.
    """

    part: str
    offset: int
    words: tuple[str, ...]
    antonyms: tuple[tuple[int, str, int], ...]
    similar: tuple[int, ...]
    gloss: str


@dataclass(frozen=True)
class Sense:
    """One meaning of one word.

    Attributes:
        number: its position among the word's senses of that part of speech, from 1; the most frequent is first.
        count: how often the word has this meaning in texts that were tagged by hand.
        synset: the meaning.
    """

    number: int
    count: int
    synset: Synset


class WordNet:
    """The database in one folder.

    Args:
        folder: the folder with data.noun, index.noun and so on, and cntlist.rev or index.sense.
    Raises:
        UserError: if a file is missing or has another format.
    """

    def __init__(self, folder: Path) -> None:
        wanted = [f"{kind}.{part}" for kind in ("data", "index") for part in PARTS]
        missing = [name for name in wanted if not (folder / name).is_file()]
        counts = [name for name in _COUNTS if (folder / name).is_file()]
        if missing or not counts:
            raise UserError(
                f"the folder {str(folder)!r} lacks {', '.join(missing) or ' and '.join(_COUNTS)}; give the folder of "
                f"WordNet's database files, for example /usr/share/wordnet of Debian's package wordnet-base, or fetch "
                f"them with 'earlyrobust prepare --assets DIR --only wordnet' and give DIR/wordnet"
            )
        self.folder = folder
        self._files = (*wanted, counts[0])
        try:
            raw = {part: list(_records(folder / f"data.{name}")) for name, part in PARTS.items()}
            self._synsets = {part: _synsets(part, records, raw) for part, records in raw.items()}
            self._counts = _counts(folder / counts[0])
            self._offsets = {
                (word, part): offsets for name, part in PARTS.items() for word, offsets in _index(folder, name)
            }
            self._check()
        except (IndexError, KeyError, ValueError) as error:
            raise UserError(f"the files in {str(folder)!r} do not have the format of WordNet's: {error!r}") from error

    def _check(self) -> None:
        for (_, part), offsets in self._offsets.items():
            for offset in offsets:
                self._synsets[part][offset]

    def words(self) -> Iterator[tuple[str, str]]:
        """Every word, lower-cased, with each of its parts of speech."""
        return iter(self._offsets)

    def senses(self, word: str, part: str) -> list[Sense]:
        """The senses of a lower-cased word, the most frequent first; empty for an unknown word."""
        return [
            Sense(number, self._counts.get((word, part, number), 0), self._synsets[part][offset])
            for number, offset in enumerate(self._offsets.get((word, part), ()), start=1)
        ]

    def synsets(self, part: str) -> Iterator[Synset]:
        """The meanings of a part of speech, in the order of its data file."""
        return iter(self._synsets[part].values())

    def irregular(self, part: str) -> dict[str, list[str]]:
        """Base forms of the irregular forms of a part of speech; empty where the folder has no such list."""
        (name,) = (name for name, each in PARTS.items() if each == part)
        path = self.folder / f"{name}.exc"
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        return {form: bases for form, *bases in map(str.split, filter(str.strip, lines))}

    @cached_property
    def sha256(self) -> str:
        """Hash of the files that were read."""
        digest = hashlib.sha256()
        for name in self._files:
            digest.update((self.folder / name).read_bytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class _Record:
    offset: int
    words: tuple[str, ...]
    pointers: tuple[tuple[str, int, str, str], ...]
    gloss: str


def _records(path: Path) -> Iterator[_Record]:
    """The lines of a data file, without the lines of the licence, which start with two spaces."""
    for line in path.read_text("utf-8").split("\n"):
        if line.startswith("  ") or not line:
            continue
        fields, _, gloss = line.partition(" | ")
        offset, _, _, count, *rest = fields.split()
        size = 2 * int(count, 16)
        words = tuple(word.partition("(")[0] for word in rest[:size:2])  # less a mark such as "(a)"
        rest = rest[size + 1 : size + 1 + 4 * int(rest[size])]
        pointers = tuple((rest[at], int(rest[at + 1]), rest[at + 2], rest[at + 3]) for at in range(0, len(rest), 4))
        yield _Record(int(offset), words, pointers, gloss.strip())


def _synsets(part: str, records: list[_Record], all_records: dict[str, list[_Record]]) -> dict[int, Synset]:
    words = {(part, record.offset): record.words for part, others in all_records.items() for record in others}
    found = {}
    for record in records:
        antonyms = []
        for symbol, offset, letter, places in record.pointers:
            if symbol == _ANTONYM:
                source, target = int(places[:2], 16), int(places[2:], 16)
                antonyms.append((source - 1, words[_PART_OF_LETTER[letter], offset][target - 1].lower(), offset))
        similar = tuple(offset for symbol, offset, *_ in record.pointers if symbol == _SIMILAR)
        found[record.offset] = Synset(part, record.offset, record.words, tuple(antonyms), similar, record.gloss)
    return found


def _index(folder: Path, name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    for line in (folder / f"index.{name}").read_text("utf-8").split("\n"):
        if line.startswith("  ") or not line:
            continue
        fields = line.split()
        yield fields[0], tuple(map(int, fields[-int(fields[2]) :]))


def _counts(path: Path) -> dict[tuple[str, str, int], int]:
    """Counts by (word, part, sense number); the counts of two keys with the same number are added."""
    found: dict[tuple[str, str, int], int] = defaultdict(int)
    for line in path.read_text("utf-8").split("\n"):
        if line:
            key, *_, number, count = line.split()
            word, _, rest = key.partition("%")
            found[word, _PART_OF_KEY[rest[0]], int(number)] += int(count)
    return dict(found)
