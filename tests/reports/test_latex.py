"""LaTeX tables: compiled where a TeX is installed, and held to LaTeX's rules everywhere."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.tables import Column, Number, Table

STORE = Path(__file__).resolve().parents[1] / "data" / "small_store"
TEX = sorted(STORE.glob("*.tex"))
ENGINES = ("pdflatex", "lualatex", "xelatex", "tectonic")
OPTIONS = {engine: ["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"] for engine in ENGINES[:3]}
DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs}
\begin{document}
%s
\end{document}
"""
COMMAND = re.compile(r"\\(?:[A-Za-z]+|[&%$#_{}\\-])")
SPECIAL = re.compile(r"[%#_^~$\\<>|&\"]|[^\x20-\x7e\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff]")
MATHS = re.compile(r"(?<!\\)\$(?:\\[a-z]+|-)\$")

HOSTILE = Table(
    "Table <1> --all",
    (Column("Method", "method", False), Column("γ | − %", "value")),
    (
        ("[x] & 100% _$#{}~^\\", Number(math.nan)),
        ("[5pt] \\input{secret} …", Number(1.0, 0.5, suffix="×")),
        ("% & \\\\ \\end{tabular}", Number(2.0)),
    ),
    ("A caption with 5 %, a_b, ~, ^ and {braces}.",),
)


def mistakes(text: str) -> Iterator[str]:
    """What LaTeX would stumble over: environments out of balance, uneven rows, characters with a meaning."""
    opened: list[str] = []
    for kind, name in re.findall(r"(?<!\\)\\(begin|end)\{([a-z]+)\}", text):
        if kind == "begin":
            opened.append(name)
        elif not opened or opened.pop() != name:
            yield f"{name} ends and did not begin"
    if opened:
        yield f"{opened[-1]} does not end"
    if re.sub(r"\\[{}\\]", "", text).count("{") != re.sub(r"\\[{}\\]", "", text).count("}"):
        yield "braces are not in pairs"
    for align, body in re.findall(r"\\begin\{tabular\}\{([lr]+)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL):
        for line in body.splitlines():
            if line in (r"\toprule", r"\midrule", r"\bottomrule"):
                continue
            row = line.removesuffix(r" \\")
            cells = re.split(r"(?<!\\)&", row)
            if row == line or len(cells) != len(align):
                yield f"{len(cells)} cells under {len(align)} columns: {line}"
            if row.startswith("["):
                yield f"an option of the line break: {line}"
            yield from (f"{found.group()!r} in {cell!r}" for cell in cells for found in _unescaped(cell))
    for caption in re.findall(r"\\caption\{(.*)\}\n", text):
        yield from (f"{found.group()!r} in the caption" for found in _unescaped(caption))


def _unescaped(text: str) -> Iterator[re.Match[str]]:
    """Characters that LaTeX takes for more than themselves, or has no letter for."""
    return SPECIAL.finditer(COMMAND.sub("", MATHS.sub("", text)))


@pytest.mark.parametrize("text", [*(path.read_text("utf-8") for path in TEX), HOSTILE.to_latex()])
def test_a_table_keeps_to_latex_s_rules(text: str) -> None:
    assert not list(mistakes(text))


@pytest.mark.parametrize(
    ("edit", "mistake"),
    [
        ((r"\end{tabular}", ""), "begin"),
        ((r"\bottomrule", r"\bottomrule\end{table}"), "cells"),
        ((" & ", " "), "1 cells under 2 columns"),
        ((r"\%", "%"), "'%' in"),
        ((r"\_", "_"), "'_' in"),
        ((r"{[}x]", "[x]"), "an option of the line break"),
        ((r"$\times$", "×"), "'×' in"),
        ((r"\{braces\}", "{braces"), "braces are not in pairs"),
        ((r"\textless{}", "<"), "'<' in the caption"),
    ],
)
def test_a_broken_table_does_not(edit: tuple[str, str], mistake: str) -> None:
    text = HOSTILE.to_latex()
    assert edit[0] in text
    assert any(mistake in found for found in mistakes(text.replace(*edit)))


@pytest.mark.skipif(not any(map(shutil.which, ENGINES)), reason="no TeX is installed")
def test_tables_compile(tmp_path: Path) -> None:
    engine = next(filter(shutil.which, ENGINES))
    tables = "\n\\clearpage\n".join([*(path.read_text("utf-8") for path in TEX), HOSTILE.to_latex()])
    (tmp_path / "tables.tex").write_text(DOCUMENT % tables, "utf-8")
    command = [engine, *OPTIONS.get(engine, []), "tables.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert (tmp_path / "tables.pdf").stat().st_size > 1000
