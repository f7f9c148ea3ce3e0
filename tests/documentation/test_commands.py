"""Every command in README.md and docs/ is run in a folder that holds what it names, or at the least read by the parser.

A command runs as it stands, with `SIZES` behind it so that it takes seconds. What is not run is in `NOT_RUN` with the
reason; what takes longer is in `SLOW` and runs with `-m slow`.
"""

from __future__ import annotations

import functools
import re
import runpy
import shlex
import shutil
from pathlib import Path

import pytest
from documentation import PAGES, ROOT, Block, blocks, suite_command

from earlyrobust.cli import main as door

# Options behind a command that has them, by its first words; the last of two counts.
TEXTS = "--train-texts 32 --test-texts 16 --threads 1 --backbone BACKBONE"
ATTACKED = f"{TEXTS} --attacked 2"
RUN_SIZES = f"{ATTACKED} --runs 1"
SIZES = {
    "reproduce": RUN_SIZES,
    "reproduce figure2": f"{TEXTS} --runs 1",
    "reproduce figure5": f"{TEXTS} --runs 1",
    "reproduce table6": "",
    "run": f"{RUN_SIZES} --recipes textfooler",
    "plan": RUN_SIZES,
    "bench attacks": f"{ATTACKED} --recipes textfooler --batch-size 2",
    "bench steps": "--threads 1 --updates 1 --batch-size 2",
    "bench loops": f"{TEXTS} --updates 1 --batch-size 2",
    "bench cpu": f"{ATTACKED} --updates 1 --batch-size 2",
    "bench executors": f"{RUN_SIZES} --recipes textfooler --batch-size 2",
    "attack": "--limit 1",
    "suspect": "--limit 1",
    "evaluate": f"{ATTACKED} --recipes textfooler",
    "evaluate --set": TEXTS,
}

NOT_RUN = {
    r"(python -m )?pip install": "installs from the network",
    r"tox -e \w+": "ends in another program than the suite's; that tox.ini names the environment is checked",
    r"pytest-benchmark compare": "reads two files of other machines",
    r"pytest test_": "does what 'earlyrobust check' does",
    r"(pytest tests/|git diff|PYTHONPATH=\. )": "keeps the suite's own golden files",
    r"PYTHONPATH=bundle/site ": "measures a GPU on a machine without a network",
    r"(tar |test -d evidence )": "packs and unpacks what 'earlyrobust evidence' wrote",
    r"earlyrobust prepare": "fetches from the network",
    r"earlyrobust build-synonyms": "needs what prepare fetched; its own tests build from a tiny WordNet",
    r"earlyrobust .*--preset paper": "needs a GPU and what prepare fetched",
    r"earlyrobust .*--ray-address": "needs a cluster that is up",
    r"earlyrobust (scale .*--document|.*--write-into)": "writes into this documentation; tests hold the pages to it",
    r"earlyrobust judge": "needs answers of people; its own tests write some",
    r"earlyrobust (publish|compare board)": "publishes real results; those at hand are the demo's",
    r"earlyrobust evidence": "measures a GPU for minutes; its own tests run it without one",
}

SLOW = {
    r"earlyrobust bench cpu": "times updates in BERT-base's shape",
    r"earlyrobust reproduce (?!table1 --defenses)": "trains many models",
    r"earlyrobust run --preset small": "trains on real data",
    r"earlyrobust .*--executor ray": "starts a cluster",
    r"earlyrobust plan (all|.*--preset)": "measures the speed of every task",
    r"earlyrobust bench": "times",
    r"earlyrobust evaluate --model": "attacks twice, as --callable does",
    r"earlyrobust regress": "trains in double precision, three times",
    r"earlyrobust doctor --timing": "times",
    r"earlyrobust .*textattack:": "imports TextAttack",
    r"earlyrobust run .*(pgd|rift|augmentation|tensorboard|anchor|search=|fine_tuning=)": "is one of many trainings",
}

# Where another code than 0 is right: a comparison that finds a difference, a folder of results with work to do.
CODES = {"compare": {0, 1}, "doctor": {0, 1}, "suspect": {0, 1}}

BLOCKS = [block for page in PAGES for block in blocks(page)]
COMMANDS = [(block, command) for block in BLOCKS for command in block.commands()]


# A training that several pages show runs where it stands first.
FIRST = {command: block for block, command in reversed(COMMANDS)}


def matches(rules: dict[str, str], command: str) -> bool:
    return any(re.match(rule, command) for rule in rules)


def parsed(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a command with the real parser; the verb itself does nothing."""

    def silent(verb):
        @functools.wraps(verb)
        def nothing(*_: object, **__: object) -> int:
            return 0

        return nothing

    monkeypatch.setattr(door, "VERBS", {name: silent(verb) for name, verb in door.VERBS.items()})
    with pytest.raises(SystemExit) as end:
        door.main(shlex.split(command)[1:])
    assert end.value.code == 0, command


@pytest.mark.parametrize(("block", "command"), COMMANDS, ids=[f"{block} {command}" for block, command in COMMANDS])
def test_a_command_is_one_the_parser_reads(block: Block, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = suite_command(command)
    if found is not None:
        parsed(found, monkeypatch)
        return
    assert matches(NOT_RUN, command), f"{block}: {command!r} is no command of the suite; mark output as ```text"
    _, _, after = (ROOT / "pyproject.toml").read_text("utf-8").partition("[project.optional-dependencies]")
    extras = re.findall(r"^(\w+) = \[", after.partition("\n[")[0], re.MULTILINE)
    for names in re.findall(r"\[([\w,]+)\]", command):
        assert set(names.split(",")) <= set(extras), f"{command!r} names an extra that pyproject.toml lacks"


def to_run(block: Block, *, slow: bool) -> list[list[str]]:
    """A block's commands as lists of words, in order: all that are run at all, or those that are quick."""
    found = []
    for command in block.commands():
        called = suite_command(command)
        if called is None or matches(NOT_RUN, called):
            continue
        repeated = matches({r"earlyrobust (run|reproduce)": "trains"}, called) and FIRST[command] != block
        if not repeated and (slow or not matches(SLOW, called)):
            found.append(shlex.split(called)[1:])
    return found


def run_page(page: Path, prepared: Path, workplace: Path, capsys: pytest.CaptureFixture, *, slow: bool) -> None:
    """Go down a page: files stay from block to block, results are made again, so that none rests on another's."""
    for block in blocks(page):
        shutil.rmtree(workplace / "results", ignore_errors=True)
        shutil.copytree(prepared / "results", workplace / "results")
        if block.language == "python":
            path = workplace / (block.title or "block.py")
            path.write_text(block.body)
            runpy.run_path(str(path))
        for arguments in to_run(block, slow=slow):
            with pytest.raises(SystemExit) as end:
                door.main([*arguments, *sizes_of(arguments)])
            captured = capsys.readouterr()
            allowed = CODES.get(arguments[0], {0})
            assert end.value.code in allowed, f"{block}: {arguments}\n{captured.out}\n{captured.err}"


def sizes_of(arguments: list[str]) -> list[str]:
    return SIZES.get(" ".join(arguments[:2]), SIZES.get(arguments[0], "")).split()


def runs(page: Path, *, slow: bool) -> bool:
    """Whether a page has something that is run; for the long test, something that takes long."""
    found = [(to_run(block, slow=slow), to_run(block, slow=False), block.language) for block in blocks(page)]
    if slow:
        return any(long != quick for long, quick, _ in found)
    return any(quick or language == "python" for _, quick, language in found)


@pytest.mark.integration
@pytest.mark.parametrize("page", [page for page in PAGES if runs(page, slow=False)], ids=lambda page: page.name)
def test_a_page_runs(page: Path, prepared: Path, workplace: Path, capsys: pytest.CaptureFixture) -> None:
    run_page(page, prepared, workplace, capsys, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if runs(page, slow=True)], ids=lambda page: page.name)
def test_a_page_runs_whole(page: Path, prepared: Path, workplace: Path, capsys: pytest.CaptureFixture) -> None:
    run_page(page, prepared, workplace, capsys, slow=True)


def test_a_mistyped_command_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError):
        parsed("earlyrobust run --defens freelb", monkeypatch)
    with pytest.raises(KeyError):
        suite_command("tox -e reproduce-table99")
    assert suite_command("tox -e reproduce-table1 -- --runs 1") == "earlyrobust reproduce table1 --runs 1"
    assert suite_command("earlyrobst ls") is None and not matches(NOT_RUN, "earlyrobst ls")
    assert Block("page", 1, "", "", "earlyrobust ls \\\n  tasks\n# why\n").commands() == ["earlyrobust ls    tasks"]
