"""The fenced blocks of README.md and docs/, and what each command in them is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tox_environments import called

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
FENCE = re.compile(
    r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
COMMENT = re.compile(r"^\s*(#|$)")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: where it stands, relative to the root.
        number: its place on the page, from 1.
        language: "" for commands, one a line; "python"; "text" for what is printed or how files lie; a shell's name for
            a script that is only read for its `earlyrobust` lines.
        title: the file it is to be saved as, or "".
    """

    page: str
    number: int
    language: str
    title: str
    body: str

    def commands(self) -> list[str]:
        """Its commands, continued lines joined."""
        if self.language == "":
            lines = self.body.replace("\\\n", " ").splitlines()
            return [line.strip() for line in lines if not COMMENT.match(line)]
        if self.language in ("bash", "sh"):
            found = re.findall(r"^\s*(?:srun )?(earlyrobust .*)$", self.body.replace("\\\n", " "), re.MULTILINE)
            return [re.split(r" (?:&|\|)", command)[0].strip() for command in found]
        return []

    def __str__(self) -> str:
        return f"{self.page}:{self.number}"


def blocks(page: Path) -> list[Block]:
    """A page's blocks in order."""
    name = str(page.relative_to(ROOT))
    found = enumerate(FENCE.finditer(page.read_text("utf-8")), start=1)
    return [Block(name, number, each["language"], each["title"] or "", each["body"]) for number, each in found]


def suite_command(command: str) -> str | None:
    """The `earlyrobust` command that a command is or, given to tox, ends in; None for any other.

    Raises:
        KeyError: for an environment that tox.ini does not name.
    """
    if command.startswith("earlyrobust "):
        return command
    if match := re.fullmatch(r"tox -e (\S+)(?: -- (.*))?", command):
        return called(match[1], match[2] or "")
    return None
