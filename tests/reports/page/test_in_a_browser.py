"""The page in headless Chromium: sorting, filters, texts, records, figures, keys, a phone, the dark, hostile words.

Skipped where Chromium, its driver or selenium is not at hand.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up_results import stored

from reports.overview import overview
from reports.page.page import write_page

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (extra test)")
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

FLAGS = ("headless=new", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking", "disable-sync")
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
CALM = {"name": "prefers-reduced-motion", "value": "reduce"}  # what slides is not where a click is aimed at
PATIENCE_SECONDS = 10  # a busy machine
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    programs = [shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")]
    if None in programs:
        pytest.skip("Chromium and its driver are not at hand (Debian: chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, "window-size=1280,900", f"user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(f"--{flag}")
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs[1]))
    yield found
    found.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = stored(Path(tmp_path_factory.mktemp("results")))
    return write_page(overview(folder), folder).as_uri()


@pytest.fixture
def page(driver, address: str) -> Iterator[webdriver.Chrome]:
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [CALM]})
    driver.get(address)
    yield driver
    complaints = [entry["message"] for entry in driver.get_log("browser")]
    assert complaints == [], "the page raised no error and asked for nothing that its policy refuses"


def one(page, selector: str):
    return page.find_element("css selector", selector)


def all_of(page, selector: str) -> list:
    return page.find_elements("css selector", selector)


def cells(page, column: int) -> list[str]:
    """Texts of a column of the results table, rows that are filtered out left out."""
    rows = "document.querySelectorAll('#results-table tbody tr:not([hidden])')"
    return page.execute_script(f"return [...{rows}].map(row => row.cells[arguments[0]].innerText)", column)


def choose(page, form: str, label: str, value: str) -> None:
    for each in all_of(page, f"{form} label"):
        if each.text.startswith(label):
            webdriver.support.select.Select(each.find_element("css selector", "select")).select_by_visible_text(value)
            return
    raise AssertionError(f"no choice {label}")


def settle(page, condition) -> None:
    WebDriverWait(page, PATIENCE_SECONDS).until(lambda _: condition())


def test_a_heading_sorts_its_column_and_blanks_stay_last(page) -> None:
    heading = all_of(page, "#results-table thead th")[4]
    assert heading.text.startswith("Aua %") and heading.get_attribute("aria-sort") == "none"
    before = cells(page, 4)
    button = heading.find_element("css selector", "button")
    for direction, ordered in (("ascending", sorted), ("descending", lambda found: sorted(found, reverse=True))):
        button.send_keys(Keys.ENTER)
        shown = cells(page, 4)
        numbers = [float(each.split()[0]) for each in shown if each != "–"]
        assert heading.get_attribute("aria-sort") == direction
        assert numbers == ordered(numbers) and shown[len(numbers) :] == ["–"] * 3
        assert sorted(shown) == sorted(before)


def test_rows_are_filtered_by_choice_and_word(page) -> None:
    choose(page, "#results .filters", "Method", "FreeLB")
    assert set(cells(page, 1)) == {"FreeLB"} and len(cells(page, 1)) == 3
    choose(page, "#results .filters", "Attack", "Textbugger")
    assert cells(page, 2) == ["Textbugger"]
    assert one(page, "#results .filters output").text == "1 of 7 rows"
    choose(page, "#results .filters", "Method", "all")
    choose(page, "#results .filters", "Attack", "all")
    one(page, "#results .filters input").send_keys("diverged")
    assert cells(page, 1) == ["PGD"]


def test_more_columns_come_at_a_press(page) -> None:
    hidden = next(each for each in all_of(page, "#results-table th") if "more" in each.get_attribute("class"))
    assert not hidden.is_displayed()
    button = next(each for each in all_of(page, "#results .filters button") if each.text == "All columns")
    button.click()
    assert hidden.is_displayed() and button.get_attribute("aria-pressed") == "true"


def test_a_method_opens_its_records_and_escape_gives_the_focus_back(page) -> None:
    button = one(page, "#results-table button.open")
    button.send_keys(Keys.ENTER)
    dialog = one(page, "#provenance")
    assert dialog.is_displayed() and "Fine-tune · Textfooler · SST-2" in dialog.text
    for words in ("trainings/", "attacks/", "2026-01-01", "offline profile", "seed 43", "threads: 2"):
        assert words in dialog.text, words
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not dialog.is_displayed() and page.switch_to.active_element == button


def test_a_number_opens_them_too(page) -> None:
    one(page, "#results-table tbody tr:nth-child(3) td.number").click()
    assert "FreeLB · Textfooler" in one(page, "#provenance-title").text
    one(page, "#provenance-close").click()
    assert not one(page, "#provenance").is_displayed()


def test_hostile_words_are_shown_and_do_nothing(page) -> None:
    one(page, "#text-filters input").send_keys("document.title")
    settle(page, lambda: one(page, "#text-count").text.startswith("10 of"))
    one(page, "#text-list summary").send_keys(Keys.ENTER)
    settle(page, lambda: all_of(page, "#text-list .side"))
    original, adversarial = (each.text for each in all_of(page, "#text-list .side"))
    assert "<script>document.title='run'</script><img src=x" in original and "⟨U+202E⟩" in original
    assert "good" in original and "fine" in adversarial
    assert page.title == "Robustness results" and not all_of(page, "img")
    page.execute_script("[...document.querySelectorAll('button.open')].find(b => b.innerText === 'PGD').click()")
    assert "<img src=x onerror=" in one(page, "#provenance-body").text and not all_of(page, "img")


def test_a_text_opens_with_its_changed_words_and_stands_beside_other_methods(page) -> None:
    choose(page, "#text-filters", "Method", "FreeLB")
    choose(page, "#text-filters", "Attack", "Textfooler")
    choose(page, "#text-filters", "Outcome", "misled")
    count = one(page, "#text-count").text
    assert count.startswith("2 of ")
    entry = one(page, "#text-list .text")
    assert "40 queries" in entry.text and [each.text for each in entry.find_elements("css selector", "del, ins")] == [
        "good",
        "fine",
    ]
    entry.find_element("css selector", "summary").click()
    settle(page, lambda: entry.find_elements("css selector", ".side"))
    assert [each.text for each in entry.find_elements("css selector", ".side del, .side ins")] == ["good", "fine"]
    shown = entry.find_element("css selector", "table").text
    assert "Fine-tune" in shown and "withstood, 40 queries" in shown and "misled, 40 queries" in shown


def test_texts_are_ordered_and_turned_page_by_page(page) -> None:
    assert len(all_of(page, "#text-list .text")) == 20
    back, forth = all_of(page, "#text-pages button")
    assert not back.is_enabled()
    forth.send_keys(Keys.ENTER)
    assert "Page 2 of 2" in one(page, "#text-pages").text and not forth.is_enabled()
    assert page.switch_to.active_element == one(page, "#text-list summary")
    choose(page, "#text-filters", "Order", "most queries")
    assert "40 queries" in one(page, "#text-list .text").text and "Page 1" in one(page, "#text-pages").text


def test_a_point_is_reached_by_tab_named_and_opened(page) -> None:
    point = one(page, "#drawing-pareto .point")
    assert point.get_attribute("aria-label") == "Fine-tune, Training, seconds: 10, Aua, %: 50"
    one(page, "#legend button:last-child").send_keys(Keys.TAB)
    assert page.switch_to.active_element == point
    assert "Fine-tune" in one(page, "#tip").text
    point.send_keys(Keys.ENTER)
    assert "Fine-tune · Textfooler" in one(page, "#provenance-title").text


def test_a_curve_and_a_map_are_read_off_by_arrow_keys(page) -> None:
    curve = one(page, "#drawing-budgets svg.chart")
    curve.send_keys(Keys.ARROW_RIGHT)
    assert one(page, "#tip").text.splitlines()[0].startswith("Queries allowed per text: ")
    map_ = one(page, "#drawing-maps svg.chart")
    map_.send_keys(Keys.ARROW_RIGHT)
    assert one(page, "#tip").text == "Mini-epochs 1 and 2: 0.25"


def test_the_legend_takes_a_method_out_of_the_figures(page) -> None:
    count = len(all_of(page, "#drawing-pareto .point"))
    button = one(page, "#legend button")
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert len(all_of(page, "#drawing-pareto .point")) == count - 2


def test_the_skip_link_comes_first(page) -> None:
    one(page, "body").send_keys(Keys.TAB)
    first = page.switch_to.active_element
    assert first.text == "Skip to the results" and first.get_attribute("href").endswith("#results")


def test_a_phone_scrolls_no_page_sideways(page) -> None:
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    page.refresh()
    page.execute_script("document.querySelectorAll('main details').forEach(each => { each.open = true; })")
    settle(page, lambda: all_of(page, "#text-list .side"))
    assert page.execute_script("return document.documentElement.scrollWidth") == PHONE["width"]
    assert page.execute_script(
        "const box = document.querySelector('#results .scroll'); return box.scrollWidth > box.clientWidth"
    )


def test_the_dark_is_the_system_s_or_the_button_s(page) -> None:
    def background() -> int:
        colour = page.execute_script("return getComputedStyle(document.body).backgroundColor")
        return sum(int(each) for each in colour.removeprefix("rgb(").removesuffix(")").split(","))

    light = background()
    one(page, "#theme").click()
    dark = background()
    assert light > 3 * 230 and dark < 3 * 40
    page.refresh()
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    settle(page, lambda: background() == dark)
    assert one(page, "#theme").text == "Light theme"
