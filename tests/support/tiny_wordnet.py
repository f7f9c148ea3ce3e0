"""A WordNet of a few words in the layout of its own database files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_NUMBERS = {"n": "1", "v": "2", "a": "3", "s": "5", "r": "4"}
_FILES = {"n": "noun", "v": "verb", "a": "adj", "s": "adj", "r": "adv"}


@dataclass(frozen=True)
class TinySynset:
    """A synset to write: the letter of its part of speech, its words, and for some of them a count.

    `antonyms` are (own word, other synset, its word), `similar` other synsets, both by number in the list.
    """

    letter: str
    words: tuple[str, ...]
    counts: tuple[int, ...] = ()
    antonyms: tuple[tuple[int, int, int], ...] = ()
    similar: tuple[int, ...] = ()


TINY = (
    TinySynset("a", ("good",), (20,), ((0, 1, 0),), (2, 3)),
    TinySynset("a", ("bad",), (20,), ((0, 0, 0),), (4,)),
    TinySynset("s", ("great", "superb(p)"), (9, 2), (), (0,)),
    TinySynset("s", ("full", "good"), (1, 1), (), (0,)),
    TinySynset("s", ("awful", "dreadful"), (3, 1), (), (1,)),
    TinySynset("n", ("film", "movie", "moving_picture"), (8, 6)),
    TinySynset("n", ("performance", "execution"), (9, 1)),
    TinySynset("n", ("execution", "hanging"), (60, 0)),
    TinySynset("n", ("Paris", "City_of_Light"), (5,)),
    TinySynset("v", ("go", "travel"), (50, 9), ((0, 10, 0),)),
    TinySynset("v", ("come",), (40,), ((0, 9, 0),)),
    TinySynset("r", ("well", "good"), (9, 0)),
    TinySynset("n", ("Monday", "Mon"), (3, 1)),
    TinySynset("a", ("Parisian",), (1,)),
)


def tiny_wordnet_files(synsets: tuple[TinySynset, ...] = TINY) -> dict[str, bytes]:
    """The files' contents by name."""
    offsets = [1000 + 100 * number for number in range(len(synsets))]
    lines: dict[str, list[str]] = {f"{kind}.{part}": [] for kind in ("data", "index") for part in set(_FILES.values())}
    senses: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    for synset, offset in zip(synsets, offsets, strict=True):
        pointers = [
            f"! {offsets[other]:08d} {synsets[other].letter} {one + 1:02x}{place + 1:02x}"
            for one, other, place in synset.antonyms
        ]
        pointers += [f"& {offsets[other]:08d} {synsets[other].letter} 0000" for other in synset.similar]
        words = " ".join(f"{word} 0" for word in synset.words)
        lines[f"data.{_FILES[synset.letter]}"].append(
            f"{offset:08d} 00 {synset.letter} {len(synset.words):02x} {words} {len(pointers):03d} "
            f'{" ".join([*pointers, ""])}| the meaning of {synset.words[0]}; "an example"  '
        )
        for place, word in enumerate(synset.words):
            count = synset.counts[place] if place < len(synset.counts) else 0
            plain = word.partition("(")[0].lower()
            senses.setdefault((plain, _FILES[synset.letter]), []).append((-count, offset, _NUMBERS[synset.letter]))
    counts = []
    for (word, part), those in sorted(senses.items()):
        those.sort()
        places = " ".join(f"{offset:08d}" for _, offset, _ in those)
        lines[f"index.{part}"].append(f"{word} {part[0]} {len(those)} 1 ! {len(those)} 1 {places}  ")
        counts += [
            f"{word}%{number}:00:00:: {offset:08d} {rank} {-count}"
            for rank, (count, offset, number) in enumerate(those, start=1)
        ]
    licence = "  1 This software and database is being provided to you  "
    files = {name: "\n".join([licence, *those, ""]).encode() for name, those in lines.items()}
    return files | {"index.sense": "\n".join([*sorted(counts), ""]).encode()}


def write_tiny_wordnet(folder: Path) -> Path:
    """Writes the files; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tiny_wordnet_files().items():
        (folder / name).write_bytes(content)
    return folder
