"""Blocks of documents that hold tables: filled from records, and told from what was typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.documents import blocks, write_into

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / "tests" / "data" / "small_store"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EMPTY = "# Notes\n\n<!-- earlyrobust table3 -->\n<!-- end of table3 -->\n\nBetween.\n\n{more}\n"


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """Two blocks with prose around them."""
    path = tmp_path / "notes.md"
    path.write_text(EMPTY.format(more="<!-- earlyrobust claims -->\n<!-- end of claims -->"))
    return path


def test_blocks_are_filled_with_the_folder_s_tables_and_the_prose_stays(document: Path) -> None:
    assert [block.is_as_written for block in blocks(document.read_text())] == [True, True], "they wait"
    assert write_into(document, STORE) == ["table3", "claims"]
    text = document.read_text("utf-8")
    table, claims = blocks(text)
    markdown = (STORE / "table3.md").read_text("utf-8")
    assert table.text.count("\n|") == markdown.count("\n|") and markdown.splitlines()[2] in table.text
    assert "**Verdicts on the paper's claims**" in claims.text
    assert text.startswith("# Notes\n\n<!--") and "\n\nBetween.\n\n" in text
    write_into(document, STORE)
    assert document.read_text("utf-8") == text, "filled again, it is the same"


def test_a_typed_number_is_found(document: Path) -> None:
    write_into(document, STORE)
    text = document.read_text("utf-8")
    assert all(block.is_as_written for block in blocks(text))
    number = next(word for word in text.split() if word.replace(".", "").isdigit() and "." in word)
    assert not all(block.is_as_written for block in blocks(text.replace(number, "99.9", 1)))
    typed = "<!-- earlyrobust a -->\nClean 91.2\n<!-- end of a -->"
    assert not next(blocks(typed)).is_as_written


def test_what_cannot_be_filled_is_refused(document: Path, tmp_path: Path) -> None:
    before = document.read_text()
    with pytest.raises(ValueError, match=r"there is no table .*table3\.json that names its sources"):
        write_into(document, tmp_path)
    (tmp_path / "table3.json").write_text((STORE / "table3.json").read_text("utf-8"), "utf-8")
    with pytest.raises(ValueError, match="cannot be made again"):
        write_into(document, tmp_path)
    assert document.read_text() == before
    with pytest.raises(ValueError, match="has no block to write into"):
        write_into(tmp_path / "absent.md", STORE)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_suite_s_own_documents_hold_their_tables_as_written(path: Path) -> None:
    assert all(block.is_as_written for block in blocks(path.read_text("utf-8")))
