"""WordNet's synonyms: what a word gets, the packaged file, and what it is made from."""

from __future__ import annotations

import lzma
from importlib.resources import files
from pathlib import Path

import pytest
from tiny_wordnet import write_tiny_wordnet

from benchmarks.attacks import wordnet_synonyms
from benchmarks.attacks.wordnet_synonyms import WordNetSynonyms, pack, packaged_wordnet

DEBIANS = Path("/usr/share/wordnet")


@pytest.fixture
def tiny(tmp_path: Path) -> WordNetSynonyms:
    """A tiny WordNet with one irregular verb."""
    folder = write_tiny_wordnet(tmp_path / "wordnet")
    (folder / "verb.exc").write_text("went go\n")
    return WordNetSynonyms(pack(folder), "a test")


def test_synonyms_are_those_of_all_meanings_in_alphabetical_order(tiny: WordNetSynonyms) -> None:
    assert tiny.of("good") == ("full", "well")
    assert tiny.of("film") == ("movie",)  # less the phrase "moving_picture"
    assert tiny.of("execution") == ("hanging", "performance")
    assert tiny.of("nothing") == ()


def test_the_base_form_is_a_synonym_and_so_is_another_case(tiny: WordNetSynonyms) -> None:
    assert tiny.of("films") == tiny.of("Film") == tiny.of("FILMS") == ("film", "movie")
    assert tiny.of("paris") == ("Paris",) and tiny.of("Paris") == ()
    assert tiny.of("went") == tiny.of("going") == ("go", "travel")
    assert tiny.of("travels") == ("go", "travel")


def test_another_content_is_refused() -> None:
    for content in (b"", b"no xz", lzma.compress(b"{}"), lzma.compress(b"no json")):
        with pytest.raises(ValueError, match="it is no file that 'pack' made"):
            WordNetSynonyms(content, "a test")


def test_the_packaged_file_gives_the_synonyms_of_nltks_reader() -> None:
    """As NLTK 3.10 finds them in WordNet 3.0, less phrases."""
    found = packaged_wordnet()
    assert found.of("movie") == ("film", "flick", "pic", "picture")
    assert found.of("Geese")[-2:] == ("twat", "zany") and "goose" in found.of("Geese")


def test_a_changed_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordnet_synonyms, "PACKAGED_SHA256", "0")
    with pytest.raises(RuntimeError, match="install the package again"):
        packaged_wordnet.__wrapped__()


@pytest.mark.slow
def test_the_packaged_file_is_what_debians_files_give() -> None:
    if not DEBIANS.is_dir():
        pytest.skip(f"{DEBIANS} is absent: it holds WordNet 3.0 where Debian's package wordnet-base is installed")
    packaged = files("benchmarks").joinpath("attacks", "packaged", wordnet_synonyms.PACKAGED).read_bytes()
    assert lzma.decompress(pack(DEBIANS)) == lzma.decompress(packaged)
