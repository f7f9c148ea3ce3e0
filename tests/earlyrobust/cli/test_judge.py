"""Questions are exported and answers imported; options of the other action are refused."""

from __future__ import annotations

from command import command
from made_up_successes import successes


def test_questions_and_answers_go_through_a_folder(tmp_path, capsys) -> None:
    store = str(successes(tmp_path / "results"))
    asked = ["--folder", str(tmp_path / "asked")]
    code, out, errors = command("judge", "export", store, *asked, "--n", "4", capsys=capsys)
    assert code == 0 and out.split() == [
        str(tmp_path / "asked" / name)
        for name in ("questions.txt", "rater_1.csv", "rater_2.csv", "rater_3.csv", "key.json")
    ], errors
    code, out, errors = command("judge", "import", store, *asked, capsys=capsys)
    assert code == 0 and "Validated Aua %" in out and (tmp_path / "asked" / "judged.csv").is_file(), errors
    for arguments, complaint in (
        (["expert"], "unknown action 'expert'; did you mean 'export'?"),
        (["import", store, *asked, "--n", "4"], "--n must be left out for 'judge import'"),
        (["export", store, *asked], "is not empty"),
    ):
        arguments = arguments if len(arguments) > 1 else [*arguments, store, *asked]
        code, _, errors = command("judge", *arguments, capsys=capsys)
        assert code == 2 and complaint in errors, errors
