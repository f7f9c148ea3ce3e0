"""Pages say what the board says; the suite's own documents and its own board are held together."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from made_up_victims import WITH_WEIGHTS, Made

from reports import board_page
from reports.board import publish
from reports.board_files import MANIFEST, manifest, path_of, read_claims, read_rows, write_row
from reports.board_page import DOCUMENTS, drawn_from, front, groups, pages, results_page, write_pages
from reports.documents import blocks
from reports.measured import measure
from reports.row import Row, row_of

ROOT = Path(__file__).resolve().parents[2]
BLOCK = "# Title\n\n<!-- earlyrobust board -->\n<!-- end of board -->\n\nAfter.\n"


def rows_of(made: Made) -> list[Row]:
    return [row_of(cell) for cell in measure(made.trainings, made.results)]


def front_of(rows: list[Row], claims: dict[str, Any] | None = None) -> str:
    return front("board", rows, claims or {}, "docs/")


def cells(text: str, method: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if re.match(rf"\| {method} +\|", line)]
    return [cell.strip() for cell in line.split("|")[1:-1]]


@pytest.fixture
def made() -> Made:
    both = {"recipes": ("textfooler", "textbugger")}
    made = Made().add("fine_tune", aua=20, seconds=5.0, **both).add("freelb", aua=100, **both)
    return made.add("pgd", aua=80, seconds=20.0, **both).add("freelb", settings={"steps": 2}, aua=80)


def test_an_empty_board_says_so_in_one_sentence() -> None:
    expected = "Nothing is measured on SST-2 yet: `board/` holds no row of it."
    assert front_of([]).strip() == expected
    assert results_page("board", [], {}).strip() == "Nothing is measured yet: `board/` holds no row."
    elsewhere = front_of(rows_of(Made().add("freelb", task="imdb")))
    assert elsewhere.strip() == f"{expected} [All results](docs/results.md) has what was measured on other tasks."


def test_one_sentence_says_what_is_most_robust_and_cheapest_and_how_sure_that_is(made: Made) -> None:
    text = front_of(rows_of(made))
    sentence = next(line for line in text.splitlines() if line.startswith("On SST-2"))
    assert sentence.startswith(
        "On SST-2, **FreeLB** was the most robust of 3 methods: under Textfooler and Textbugger "
    )
    share = (
        r"it still read 50\.2 \[\d+\.\d, \d+\.\d\] % of 200 attacked texts rightly \(mean over attacks and 3 runs\);"
    )
    assert re.search(share, sentence), sentence
    assert "points above PGD, the next, more than chance explains" in sentence
    assert "the cheapest to train was **Fine-tune**, with 5 s." in sentence
    level = rows_of(Made().add("freelb", aua=100).add("pgd", aua=100))
    assert "0.0 [0.0, 0.0] points above" in front_of(level) and "which may be chance" in front_of(level)


def test_the_table_has_a_row_per_method_and_an_interval_per_number(made: Made) -> None:
    text = front_of(rows_of(made))
    row = cells(text, "FreeLB")
    number = r"\d+\.\d \\\[\d+\.\d, \d+\.\d\\\]"
    assert [bool(re.fullmatch(number, cell)) for cell in row[1:6]] == [True] * 5, row
    assert re.fullmatch(r"1\.9\d× \\\[.*", row[6]) and row[7:] == ["3", "reported"]
    assert cells(text, "Fine-tune")[6] == "–"
    assert "steps" not in text, "a variant is not in the table of methods"
    page = results_page("board", rows_of(made), {})
    assert re.search(r"\| FreeLB +\| steps=2 +\|", page) and "Change of Aua" in page
    assert re.search(r"\d of 3 pairs of methods differ in mean Aua", page)


def test_conditions_are_never_mixed(made: Made) -> None:
    made.add("info_bert", surroundings={"data": "other"}, aua=150)
    text = front_of(rows_of(made))
    assert "InfoBERT" not in text
    page = results_page("board", rows_of(made), {})
    assert "## SST-2, under other conditions" in page and page.index("PGD") < page.index("InfoBERT")


def test_an_attack_that_one_method_met_beside_is_no_column(made: Made) -> None:
    made.add("pgd", aua=1, seconds=20.0, recipes=("textfooler",), attack_settings={"examples": "development"})
    assert front_of(rows_of(made)).count("Textfooler Aua %") == 1
    made.add("fine_tune", aua=20, seconds=5.0, recipes=("pwws",))
    text = front_of(rows_of(made))
    assert "Pwws Aua %" in text and "Mean Aua % is over Textfooler and Textbugger." in text, "one of three met it"
    assert "most robust of 3 methods: under Textfooler and Textbugger it" in text


def test_verdicts_are_a_line_each_with_their_number(tmp_path: Path) -> None:
    made = Made()
    for defense, aua in (("fine_tune", 20), ("early_bert", 30), ("early_robust", 120)):
        made.add(defense, aua=aua, **WITH_WEIGHTS)
    publish(made.store(tmp_path / "results", weights=True), tmp_path / "board")
    rows, claims = read_rows(tmp_path / "board"), read_claims(tmp_path / "board")
    lines = [line for line in front_of(rows, claims).splitlines() if line.startswith("- C")]
    assert [line.split()[1] for line in lines] == [f"C{number}" for number in range(1, 15)]
    assert re.match(r"- C5 supported: Little clean accuracy .*\(0\.0 \[0\.0, 0\.0\] points, 3 runs\)$", lines[4]), (
        lines[4]
    )
    assert lines[5].startswith("- C6 not measured: ")
    assert "The setting is not the paper's. SST-2: " in front_of(rows, claims)
    page = results_page("board", rows, claims)
    assert "**C5, supported.**" in page and "To be surer, it takes the paper's own setting." in page
    assert "**C3, inconclusive.**" in page and "To be surer, it takes the parts that are not measured." in page
    claims["C5"] |= {"verdict": "not supported"}
    assert "This contradicts the paper." in results_page("board", rows, claims)
    claims["C5"] |= {"verdict": "inconclusive", "deciding": "inconclusive"}
    assert "since the interval holds both answers" in results_page("board", rows, claims)
    claims["C5"] |= {"runs": 1.0}
    assert "since one run decides nothing" in results_page("board", rows, claims)


def test_names_of_others_are_text(made: Made) -> None:
    made.add("info_bert", aua=10, title="<b>[x](y)", recipes=("textfooler", "textbugger"))
    for text in (front_of(rows_of(made)), results_page("board", rows_of(made), {})):
        assert "<b>" not in text and "[x](y)" not in text


def test_documents_beside_the_board_are_filled_and_others_are_not(made: Made, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in DOCUMENTS[:2]:
        (tmp_path / name).write_text(BLOCK)
    for row in rows_of(made):
        write_row(tmp_path / "board", row)
        write_row(tmp_path / "derived", row)
    assert write_pages(tmp_path / "derived") == [], "no document has a block of its name"
    written = [path.relative_to(tmp_path.resolve()).as_posix() for path in write_pages(tmp_path / "board")]
    assert written == ["README.md", "docs/index.md", "docs/board_sst2.svg"]
    readme, index = ((tmp_path / name).read_text("utf-8") for name in DOCUMENTS[:2])
    assert "(docs/board_sst2.svg)" in readme and "(board_sst2.svg)" in index
    assert readme.startswith("# Title") and readme.endswith("After.\n") and next(blocks(readme)).is_as_written
    assert drawn_from(groups(read_rows(tmp_path / "board"))[0]) in (tmp_path / "docs" / "board_sst2.svg").read_text()
    before = readme
    write_pages(tmp_path / "board")
    assert (tmp_path / "README.md").read_text("utf-8") == before


def test_a_missing_library_is_named(monkeypatch) -> None:
    monkeypatch.setattr(board_page, "missing_library", lambda: "none")
    with pytest.raises(RuntimeError, match=r"pip install 'earlyrobust\[report\]'"):
        board_page.require_pictures()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_suite_s_own_documents_say_what_its_board_says(name: str) -> None:
    shown = {block.name: block.text for block in blocks((ROOT / name).read_text("utf-8"))}
    for block, text in pages(ROOT / "board")[name].items():
        assert shown[block] == text, f"{name} is not what board/ says; repeat 'earlyrobust publish'"


def test_the_suite_s_own_rows_hold_the_numbers_of_their_bits() -> None:
    rows = read_rows(ROOT / "board")
    for row in rows:
        stored = json.loads(path_of(ROOT / "board", row).read_text("utf-8"))
        again = json.loads(json.dumps(row.to_json()))
        for written, derived in zip([stored, *stored["attacks"]], [again, *again["attacks"]], strict=True):
            assert written["numbers"].keys() == derived["numbers"].keys()
            for number, found in derived["numbers"].items():
                assert written["numbers"][number] == pytest.approx(found, rel=1e-6, abs=1e-6, nan_ok=True), row.name
    if rows:
        assert (ROOT / "board" / MANIFEST).read_text("utf-8") == manifest(rows)
    for group in {group.task: group for group in reversed(groups(rows))}.values():
        picture = ROOT / "docs" / f"board_{group.task}.svg"
        assert not picture.exists() or drawn_from(group) in picture.read_text("utf-8")
