"""Two folders of results: differences, pairing, what is refused, what is only in one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import attack, outcome, training
from made_up_victims import Made

from benchmarks.results.store import Store, content_key
from reports.board_files import write_row
from reports.compare import Comparison, compare
from reports.measured import measure
from reports.row import row_of


def folders(tmp_path: Path, first: Made, second: Made) -> Comparison:
    return compare(first.store(tmp_path / "a"), second.store(tmp_path / "b"))


def row(found: Comparison, quantity: str, method: str = "FreeLB") -> dict:
    (one,) = [each for each in found.table.records() if (each["method"], each["quantity"]) == (method, quantity)]
    return one


def test_a_folder_differs_in_nothing_from_itself(tmp_path: Path) -> None:
    folder = Made().add("freelb", texts=50, aua=25, clean=40).add("pgd", texts=50, aua=25, clean=40).store(tmp_path)
    found = compare(folder, folder)
    assert found.differing == 0
    for each in found.table.records():
        neutral = 1 if each["quantity"] == "Training s" else 0
        assert each["difference"] == each["difference_low"] == each["difference_high"] == pytest.approx(neutral)
        assert each["outside_interval"] == "no"
    assert [each["quantity"] for each in found.table.records()[:4]] == [
        "Clean %",
        "Textfooler Aua %",
        "Textfooler #Query",
        "Training s",
    ]


def test_a_difference_beyond_its_interval_is_counted_and_its_texts_too(tmp_path: Path) -> None:
    found = folders(tmp_path, Made().add("freelb", aua=100), Made().add("freelb", aua=120))
    aua = row(found, "Textfooler Aua %")
    assert (aua["difference"], aua["outside_interval"]) == (10, "yes")
    assert (aua["only_first_texts"], aua["only_second_texts"], aua["runs"]) == (0, 60, 3)
    assert aua["mcnemar_p"] is None, "texts met in several runs are not independent"
    assert row(found, "Clean %")["outside_interval"] == "no"
    assert found.differing == 1


def test_one_run_of_each_has_an_exact_test_and_an_interval_over_texts(tmp_path: Path) -> None:
    first, second = (Made().add("freelb", seeds=(42,), texts=20, clean=18, aua=aua) for aua in (10, 13))
    found = row(folders(tmp_path, first, second), "Textfooler Aua %")
    assert found["mcnemar_p"] == pytest.approx(2 / 2**3)
    assert (found["difference"], found["only_second_texts"], found["runs"]) == (15, 3, 1)


def test_other_texts_are_resampled_apart_and_it_is_said(tmp_path: Path) -> None:
    first = Made().add("freelb", aua=100)
    second = Made().add("freelb", aua=60, texts=150, clean=140, surroundings={"data": "other"})
    found = folders(tmp_path, first, second)
    aua = row(found, "Textfooler Aua %")
    assert aua["difference"] == pytest.approx(100 * (60 + 1 / 3) / 150 - 100 * (100 + 1 / 3) / 200)
    assert aua["difference_low"] < aua["difference"] < aua["difference_high"]
    assert aua["only_first_texts"] is None
    assert "SST-2, FreeLB, Textfooler: the attacks differ in their texts, which are not paired." in found.table.caption


def test_times_under_different_conditions_are_refused_and_the_rest_is_compared(tmp_path: Path) -> None:
    found = folders(tmp_path, Made().add("freelb"), Made().add("freelb", clock="cuda"))
    assert "Training s" not in {each["quantity"] for each in found.table.records()}
    refusal = "SST-2, FreeLB: times are not comparable: clock is 'host' and 'cuda'."
    assert refusal in found.table.caption
    assert row(found, "Clean %")["difference"] == 0


def test_times_are_shown_and_do_not_decide(tmp_path: Path) -> None:
    found = folders(tmp_path, Made().add("freelb", seconds=10.0), Made().add("freelb", seconds=20.0))
    assert row(found, "Training s")["outside_interval"] == "yes"
    assert row(found, "Training s")["difference"] == pytest.approx(
        20.43 / 10.43, rel=1e-3
    )  # seconds grow with the seed
    assert found.differing == 0


def test_other_surroundings_are_compared_where_there_is_no_choice_and_named(tmp_path: Path) -> None:
    other = Made().add("freelb", surroundings={"batch_size": 8, "data": "other"})
    found = folders(tmp_path, Made().add("freelb"), other)
    assert "SST-2, FreeLB: trained in other surroundings, data, batch_size differ." in found.table.caption
    assert row(found, "Clean %")["only_first_texts"] is None, "other data is not paired"


def test_settings_of_one_method_are_told_apart_and_matched(tmp_path: Path) -> None:
    first = Made().add("freelb", aua=100).add("freelb", settings={"steps": 2}, aua=50)
    second = Made().add("freelb", aua=101).add("freelb", settings={"steps": 2}, aua=51)
    found = folders(tmp_path, first, second)
    assert [row(found, "Textfooler Aua %", f"FreeLB (steps={steps})")["difference"] for steps in (2, 5)] == [0.5, 0.5]


def test_what_only_one_folder_holds_is_named(tmp_path: Path) -> None:
    found = folders(tmp_path, Made().add("freelb").add("pgd"), Made().add("freelb"))
    assert f"Only in {tmp_path / 'a'}: SST-2, PGD (3 runs)." in found.table.caption
    assert {each["method"] for each in found.table.records()} == {"FreeLB"}


def test_folders_without_a_cell_in_common_or_without_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="share no task, defense and settings"):
        folders(tmp_path, Made().add("freelb"), Made().add("pgd"))
    with pytest.raises(ValueError, match="there is no folder"):
        compare(tmp_path / "a", tmp_path / "none")


def test_a_run_whose_attack_met_no_text_has_no_queries(tmp_path: Path) -> None:
    first, second = Made().add("freelb", recipes=()), Made().add("freelb", recipes=("textbugger",))
    first.add("pgd")
    found = folders(tmp_path, first, second)
    assert {each["quantity"] for each in found.table.records()} == {"Clean %", "Training s"}
    assert not any(math.isnan(each["difference"]) for each in found.table.records())


def test_a_board_is_compared_as_the_results_it_was_made_of(tmp_path: Path) -> None:
    first, second = Made().add("freelb", aua=100), Made().add("freelb", aua=120)
    write_row(tmp_path / "board", row_of(measure(first.trainings, first.results)[0]))
    expected = folders(tmp_path, first, second)
    found = compare(tmp_path / "board", tmp_path / "b")
    assert found.table.rows == expected.table.rows and found.differing == 1
    assert compare(tmp_path / "board", tmp_path / "board").differing == 0


def model_attacked(
    folder: Path, model: str, aua: int, *, file: str = "reviews", words: str = "a good film", temperature: float = 1.0
) -> Path:
    """Attacks on ten texts of a file, on a model that was not trained here."""
    store = Store(folder)
    identity = {"model": model, "max_length": 64, "temperature": temperature, "recipe": "textfooler", "data": words}
    record = attack(training(), texts=10, task=file, defense=model, key=content_key(identity), identity=identity)
    record = replace(record, training_key=model)
    for number in range(10):
        told = "failed" if number < aua else "successful"
        store.append_outcome(record.key, outcome(number, told, original=(f"{words} {number}",)))
    store.put_attack(record)
    return folder


@pytest.mark.parametrize("second", ["checkpoint-9", "another/model", "checkpoint-5"])
def test_two_models_attacked_on_one_file_are_compared_by_its_texts_whatever_they_are_called(
    tmp_path: Path, second: str
) -> None:
    found = compare(model_attacked(tmp_path / "a", "checkpoint-5", 4), model_attacked(tmp_path / "b", second, 9))
    aua = row(found, "Textfooler Aua %", "checkpoint-5")
    assert (aua["task"], aua["first"], aua["second"], aua["difference"]) == ("reviews", 40, 90, 50)
    assert (aua["only_second_texts"], aua["mcnemar_p"], found.differing) == (5, 2 / 2**5, 1)
    told = f"reviews, checkpoint-5: this is A's model, and B's is {second}, model differ."
    assert (told in found.table.caption) == (second != "checkpoint-5")


def test_calibrated_models_are_compared_with_calibrated_ones(tmp_path: Path) -> None:
    for folder, model, plain, warm in (("a", "first", 4, 3), ("b", "second", 9, 2)):
        model_attacked(tmp_path / folder, model, plain)
        model_attacked(tmp_path / folder, model, warm, temperature=2.5 if model == "first" else 1.5)
    found = compare(tmp_path / "a", tmp_path / "b")
    pairs = [(each["first"], each["second"]) for each in found.table.records() if each["quantity"].endswith("Aua %")]
    assert sorted(pairs) == [(30, 20), (40, 90)]


@pytest.mark.parametrize("other", [{"file": "tweets"}, {"words": "a bad film"}])
def test_models_attacked_on_other_texts_are_not_compared(tmp_path: Path, other: dict) -> None:
    first = model_attacked(tmp_path / "a", "checkpoint-5", 4)
    with pytest.raises(ValueError, match="nor one model each attacked on the same texts; compare two runs of one"):
        compare(first, model_attacked(tmp_path / "b", "checkpoint-9", 9, **other))


def test_of_several_models_on_one_file_none_is_taken_for_another(tmp_path: Path) -> None:
    first = model_attacked(tmp_path / "a", "checkpoint-5", 4)
    model_attacked(tmp_path / "b", "checkpoint-8", 9)
    with pytest.raises(ValueError, match="share no task"):
        compare(first, model_attacked(tmp_path / "b", "checkpoint-9", 9))
