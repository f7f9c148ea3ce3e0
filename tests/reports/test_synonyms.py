"""The page on the packaged synonyms, from made-up measurements."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.attacks.packed_synonyms import packaged_synonyms
from benchmarks.attacks.synonym_quality import Quality
from benchmarks.jobs.synonym_sources import SourceAttack
from benchmarks.results.records import Outcome
from reports.synonyms import NAMES, synonyms_page

QUALITY = Quality(words=4, neighbours=20, recall={8: 0.25, 50: 0.5}, antonyms=1, same_part=9, known_parts=10)
FELL = Outcome("a", "successful", 30, 1, ("a good film",), ("a decent film",), words=3, words_changed=1, similarity=0.9)
STOOD = replace(FELL, example_id="b", status="failed", queries=10, similarity=None)


def attacks(*outcomes: Outcome) -> list[SourceAttack]:
    return [SourceAttack("sst2", 4000, name, "k", list(outcomes)) for name in NAMES]


def page(with_tagger: list[SourceAttack]) -> str:
    return synonyms_page(
        packaged_synonyms(),
        {NAMES["packaged"]: QUALITY},
        attacks(FELL, STOOD),
        with_tagger,
        [("good", "decent", 0.8), ("film", "movie", None)],
    )


def test_every_measure_stands_on_the_page() -> None:
    text = page([])
    assert "| 4 | 25.0" in " ".join(text.split()) and "50.0" in text and "1 of 20" in text and "90.0" in text
    assert all(name in text for name in NAMES.values())
    row = next(line for line in text.splitlines() if line.startswith("| sst2") and "(d)" in line)
    assert [cell.strip() for cell in row.split("|")[3:8]] == ["100.0", "50.0", "20.0", "33.3", "0.900"]
    assert "sst2 2 texts, victim trained on 4000" in text and "tagger, which" not in text


def test_the_tagger_is_held_against_the_dictionary() -> None:
    text = page(attacks(STOOD, STOOD)[:1])
    row = next(line for line in text.splitlines() if "+50.0" in line)
    assert "50.0" in row and "100.0" in row


def test_pairs_are_shown_with_the_cosine_that_is_known() -> None:
    assert "good – decent (0.80)" in page([]) and "film – movie " in page([])
