"""WordNet read from its database files."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_wordnet import write_tiny_wordnet

from benchmarks.attacks.wordnet import WordNet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_wordnet(tmp_path / "wordnet")


def test_senses_come_with_numbers_counts_and_words(folder: Path) -> None:
    wordnet = WordNet(folder)
    senses = wordnet.senses("good", "ADJ")
    assert [(sense.number, sense.count, sense.synset.words) for sense in senses] == [
        (1, 20, ("good",)),
        (2, 1, ("full", "good")),
    ]
    assert senses[0].synset.gloss.startswith("the meaning of good")
    assert wordnet.senses("nothing", "ADJ") == [] and wordnet.senses("good", "VERB") == []
    assert ("paris", "NOUN") in set(wordnet.words())
    assert wordnet.senses("great", "ADJ")[0].synset.words == ("great", "superb")  # less the mark of its place


def test_antonyms_are_of_words_and_similarity_of_synsets(folder: Path) -> None:
    (good,), (great,) = (
        [sense.synset for sense in WordNet(folder).senses(word, "ADJ")][:1] for word in ("good", "great")
    )
    assert [(place, word) for place, word, _ in good.antonyms] == [(0, "bad")]
    assert great.offset in good.similar and great.similar == (good.offset,)
    assert WordNet(folder).senses("film", "NOUN")[0].synset.antonyms == ()


def test_counts_are_read_from_either_file(folder: Path) -> None:
    before = WordNet(folder)
    assert len(before.sha256) == 64
    rows = [line.split() for line in (folder / "index.sense").read_text().splitlines()]
    (folder / "cntlist.rev").write_text("".join(f"{key} {number} {count}\n" for key, _, number, count in rows))
    (folder / "index.sense").unlink()
    after = WordNet(folder)
    assert after.senses("go", "VERB") == before.senses("go", "VERB") and after.senses("go", "VERB")[0].count == 50
    assert after.sha256 != before.sha256


@pytest.mark.parametrize("name", ["data.adj", "index.noun", "index.sense"])
def test_a_missing_file_is_named_with_the_next_step(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ValueError, match=rf"lacks .*{name}.*prepare"):
        WordNet(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.adj", b"no synset\n"),
        ("index.verb", b"go v 1 1 ! 1 1 00099999\n"),
        ("index.sense", b"good%9:00:00:: 1 1 1\n"),
        ("data.noun", b"\xff\xfe\n"),
    ],
)
def test_a_file_of_another_layout_is_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match="do not have the format of WordNet's"):
        WordNet(folder)


def test_debians_files_are_read() -> None:
    folder = Path("/usr/share/wordnet")
    if not folder.is_dir():
        pytest.skip("Debian's package wordnet-base is not installed")
    wordnet = WordNet(folder)
    assert [sense.count for sense in wordnet.senses("performance", "NOUN")][:3] == [27, 19, 13]
    assert ("fast", "ADJ") in set(wordnet.words())
