"""The verdict card on the screen and in files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from made_up_victims import Made
from rich.console import Console

from reports.card import card_table, parts_table, print_card, write_card
from reports.claims import Card, judge
from reports.measured import measure
from reports.task_results import task_results


def card() -> Card:
    made = Made().add("early_robust", aua=120).add("fine_tune").add("early_bert", surroundings={"data": "other"})
    return judge(task_results(measure(made.trainings, made.results)))


def shown(found: Card) -> str:
    output = io.StringIO()
    print_card(found, Console(file=output, width=80))
    return output.getvalue()


def test_a_row_per_claim_has_verdict_quantity_and_interval() -> None:
    rows = {row["claim"]: row for row in card_table(card()).records()}
    assert list(rows) == [f"C{number}" for number in range(1, 15)]
    row = rows["C3"]
    assert (row["verdict"], row["quantity"]) == ("inconclusive", "SST-2: Aua %, EarlyRobust less Fine-tune")
    assert (row["value"], row["unit"], row["runs"], row["texts"]) == (10, "points", 3, 200)
    assert 0 < row["low"] < 10 < row["high"]
    assert row["note"] == "not measured: SST-2: Aua %, EarlyRobust less EarlyBERT, IMDB: Aua %, AG News: Aua %"
    unmeasured = rows["C9"]
    assert (unmeasured["verdict"], unmeasured["value"], unmeasured["low"]) == ("not measured", None, None)
    assert unmeasured["note"] == "to measure it: earlyrobust reproduce figure3 --preset small, or paper"


def test_every_part_of_a_claim_has_a_row() -> None:
    rows = [row for row in parts_table(card()).records() if row["claim"] == "C3"]
    assert [(row["verdict"], row["value"]) for row in rows] == [("supported", 10)] + 3 * [("not measured", None)]
    assert rows[1]["note"] == "no such run"


def test_the_screen_shows_what_decided_and_what_would() -> None:
    lines = shown(card()).splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("C3 "))
    assert lines[place].split("  ")[1].strip() == "inconclusive"
    assert lines[place + 1].startswith("    SST-2: Aua %, EarlyRobust less Fine-tune: 10.0 points [")
    assert lines[place + 1].endswith("], 3 runs, 200 texts")
    assert "    to measure it: earlyrobust reproduce figure3 --preset small, or paper" in lines


def test_generated_data_gets_a_sentence_and_no_verdict() -> None:
    made = Made().add("early_robust", task="demo", aua=20, seconds=99.0).add("fine_tune", task="demo")
    found = judge(task_results(measure(made.trainings, made.results)))
    text = shown(found)
    assert "Demo: not judged on generated data." in text and "earlyrobust reproduce all --preset small" in text
    assert "C1" not in text and not any(verdict in text for verdict in ("supported", "inconclusive"))
    assert card_table(found).caption[0] == "Demo: not judged on generated data."


def test_the_card_says_how_many_claims_are_judged_at_once() -> None:
    (line,) = (line for line in card_table(card()).caption if "judged at once" in line)
    assert line.startswith("14 claims") and " 30 % of such cards" in line


def test_what_may_not_stand_beside_the_paper_is_said_first() -> None:
    caption = card_table(card()).caption
    assert caption[0].startswith("NOT COMPARABLE WITH THE PAPER, SST-2: a backbone of 0 M parameters for BERT-base; ")
    assert caption[1].startswith("SST-2: 1 victims trained on other data, backbone or sizes were left out")
    assert caption[0] in shown(card())


def test_a_card_is_written_whole_and_the_same_again(tmp_path: Path) -> None:
    paths = write_card(card(), tmp_path, {})
    names = {path.name for path in paths}
    assert names == {
        f"{name}.{suffix}" for name in ("claims", "claims_parts") for suffix in ["md", "csv", "tex", "json", "html"]
    }
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_card(card(), tmp_path, {})] == before
    assert len(json.loads((tmp_path / "claims.json").read_text())["rows"]) == 14
    assert len(list(csv.DictReader((tmp_path / "claims.csv").open(encoding="utf-8")))) == 14
