"""The page as a file: one piece, hostile text as text, no characters that steer, the same bytes again."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_up import training
from made_up_results import HOSTILE, made_up_overview, put_attack, stored, texts
from made_up_victims import Made

from benchmarks.results.seals import broken_seals
from benchmarks.results.store import Store
from reports.overview import Overview, overview
from reports.page.page import FIRST_COLUMNS, NAME, harmless, to_html, visible, write_page


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Overview:
    return made_up_overview(Path(tmp_path_factory.mktemp("results")))


@pytest.fixture(scope="module")
def text(found: Overview) -> str:
    return to_html(found)


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.inside: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data) -> None:
        if self.inside and self.inside[-1] == "script":
            self.scripts[-1] += data

    def handle_endtag(self, tag) -> None:
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()


def test_the_page_is_one_piece_that_asks_for_nothing(text: str) -> None:
    page = Page(text)
    assert not {"link", "img", "iframe", "object"} & {tag for tag, _ in page.tags}
    links = [attributes["href"] for _, attributes in page.tags if "href" in attributes]
    assert links and all(link.startswith("#") for link in links)
    assert not any(
        "src" in attributes or any(name.startswith("on") for name in attributes) for _, attributes in page.tags
    )
    assert all(f'id="{link[1:]}"' in text for link in links)


def test_its_policy_runs_its_own_script_and_no_other(text: str) -> None:
    data, script = Page(text).scripts
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    own = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode().replace("+", "&#43;")
    assert "default-src 'none'" in policy.replace("&#39;", "'")
    assert f"sha256-{own}" in policy.replace("+", "&#43;")
    assert json.loads(data)["names"][:2] == ["Fine-tune", "FreeLB"]


def test_hostile_text_is_data_and_steers_nothing(text: str) -> None:
    for raw in ("<img src=x", "<script>document", "\u202e", "\u2066", "\x1b", "\u2028"):
        assert raw not in text, raw
    data = json.loads(Page(text).scripts[0])
    words = "".join(next(parts for _, _, (parts,) in data["examples"]["texts"] if "script" in "".join(parts)))
    assert words.startswith("<script>document.title='run'</script><img src=x")
    assert "⟨U+202E⟩" in words and "⟨U+2066⟩" in words
    (diverged,) = [each for each in data["records"].values() if each.get("Status") == "diverged"]
    assert diverged["Error"] == visible(HOSTILE)


def test_what_does_not_show_is_written_as_its_code() -> None:
    assert visible("plain, é 中") == "plain, é 中"
    assert visible("a\u202eb\u200bc\x1b\ud800") == "a⟨U+202E⟩b⟨U+200B⟩c⟨U+001B⟩⟨U+D800⟩"
    assert visible("two\nlines") == "two\nlines"
    assert harmless({"\u202ea": ["\x07", 1, None, ("b",)]}) == {"⟨U+202E⟩a": ["⟨U+0007⟩", 1, None, ["b"]]}


def test_numbers_verdicts_and_grounds_stand_there_without_the_script(text: str) -> None:
    start = text.index("<main>")
    static = text[start : text.index("<noscript>")] + text[text.index("</noscript>") : text.index('<script type="app')]
    for words in ("Fine-tune", "Textfooler", "50.0", "seed 44 partial: 2 of 4 texts", "seed 42 diverged", "C14"):
        assert words in static, words
    assert "Not comparable with the paper" in static and "x, 2 threads" in static
    assert "earlyrobust reproduce table2" in static


def test_the_columns_shown_first_are_columns(found: Overview) -> None:
    from reports.page.results import results_table, rows_of

    rows = rows_of(found)
    assert set(FIRST_COLUMNS) <= {column.key for column in results_table(rows, found).columns}


def test_generated_data_has_a_sentence_below_the_results_and_no_verdict(tmp_path: Path) -> None:
    made = Made().add("early_robust", task="demo", aua=20, seconds=99.0).add("fine_tune", task="demo")
    text = to_html(overview(made.store(tmp_path)))
    body = text.split("<body>")[1].split("<script")[0]
    assert "data-verdict" not in body and "supported" not in body
    assert text.index('id="results"') < text.index('id="texts"') < text.index("Demo: not judged on generated data.")


def test_the_page_is_written_sealed_and_the_same_again(tmp_path: Path) -> None:
    folder = stored(tmp_path)
    path = write_page(overview(folder), folder)
    before = path.read_bytes()
    assert path == folder / NAME and list(broken_seals(folder)) == []
    assert write_page(overview(folder), folder).read_bytes() == before
    path.write_text("changed")
    assert [name for name, _ in broken_seals(folder)] == [NAME]


def test_a_defense_and_a_task_that_the_suite_does_not_know_have_their_rows(tmp_path: Path) -> None:
    store = Store(stored(tmp_path))
    mine, theirs = training("mine", title="Mine"), training("pgd", task="reviews", settings={"steps": 9})
    for record in (mine, theirs):
        store.put_training(record)
        put_attack(store, record, "textfooler", texts(("failed", "failed", "skipped", "failed")))
    shown = [(row["task"], row["method"]) for row in json.loads(Page(to_html(overview(tmp_path))).scripts[0])["rows"]]
    assert ("SST-2", "Mine") in shown and ("reviews", "Pgd") in shown


def test_without_examples_the_page_holds_no_text(found: Overview) -> None:
    data = json.loads(Page(to_html(found, 0)).scripts[0])
    assert data["examples"]["texts"] == [] and data["examples"]["attacked"][0]["total"] == 4
