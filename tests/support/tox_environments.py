"""What tox.ini names, read without tox."""

from __future__ import annotations

import configparser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def environments() -> dict[str, str]:
    """tox's environments that are named in tox.ini, with their commands; factors in braces are spelt out."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini", encoding="utf-8")
    found = {}
    for section in parser.sections():
        before, brace, after = section.removeprefix("testenv:").partition("{")
        for name in after.rstrip("}").split(",") if brace else [""]:
            found[before + name] = parser[section].get("commands", "")
    return found


def called(environment: str, arguments: str) -> str | None:
    """The `earlyrobust` command that `tox -e environment -- arguments` ends in; None where it ends in another.

    Raises:
        KeyError: for an environment that tox.ini does not name.
    """
    commands = environments()[environment].splitlines()
    factors = [environment, *environment.split("-", 1)[1:]]
    for line in commands:
        before, arrow, command = line.partition("-- earlyrobust ")
        if arrow and before.split(":")[0].strip() in factors:
            return f"earlyrobust {command.replace('{posargs}', arguments)}".strip()
    return None
