"""What the workflow and the documentation call is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from tox_environments import environments

from earlyrobust.cli.main import VERBS

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_calls_what_is_there(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text("utf-8"))
    (job,) = workflow["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[0] == "python -m pip install tox"
    matrix = job.get("strategy", {}).get("matrix", {})
    chosen = [*matrix.get("environment", []), *(each["environment"] for each in matrix.get("include", []))]
    called = [each for command in commands[1:] for each in re.findall(r"^tox -e (\w+)", command)]
    assert called or chosen
    assert {*called, *chosen} <= set(environments())
    (python,) = (step["with"] for step in job["steps"] if "setup-python" in step.get("uses", ""))
    assert python["cache"] == "pip" and (ROOT / python["cache-dependency-path"]).is_file()


def test_every_python_that_the_package_names_is_tested() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8"))
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert workflow["jobs"]["tests"]["strategy"]["matrix"]["python"] == named


def test_tox_calls_verbs_and_folders_that_are_there() -> None:
    commands = "\n".join(environments().values())
    assert set(re.findall(r"-- earlyrobust (\S+)", commands)) <= set(VERBS)
    assert "regress" in commands and (ROOT / "benchmarks" / "speed" / "bench_suite.py").is_file()
    for folder in re.findall(r"-- pytest (\S+)", commands):
        assert (ROOT / folder).is_dir()


def test_the_documentation_names_environments_and_options_that_are_there() -> None:
    text = (ROOT / "docs" / "ci.md").read_text("utf-8")
    assert set(re.findall(r"tox -e (\w+)", text)) <= set(environments())
    options = set(re.findall(r"tox -e regression -- (.+)", text))
    assert options
    for flag in re.findall(r"--(\w+)", " ".join(options)):
        assert flag in VERBS["regress"].__annotations__
