"""What a board shows: the front of the README and of the documentation, the page of all results, and their pictures.

All of it is made of the board's files. It stands in blocks of the documents beside the board, named after its folder.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

from baselines.validation import MachineError, UserError
from benchmarks.attacks.recipes import RECIPES
from benchmarks.data.plain_files import is_plain_file, read_text, write_atomically
from benchmarks.data.tasks import title_of
from benchmarks.results.store import canonical, content_key
from reports.attack_groups import place
from reports.board_files import read_claims, read_rows
from reports.documents import blocks, filled
from reports.figures import Panel, Series, draw_panels, missing_library, rendered
from reports.measured import shared_conditions
from reports.row import Row
from reports.statistics import Estimate, over_runs, require_comparable, time_ratio
from reports.tables import BLANK, Column, Table, markdown_text
from reports.task_results import TaskResults, contrast, different

FRONT_TASK = "sst2"
DOCUMENTS = ("README.md", "docs/index.md", "docs/results.md")
SUPPORT = {"supported": "supported", "not supported": "**not supported**"}


@dataclass(frozen=True)
class Group:
    """The rows of one task under the same conditions.

    Attributes:
        task: the task's key.
        rows: in the order of the tables.
    """

    task: str
    rows: tuple[Row, ...]

    @cached_property
    def methods(self) -> list[Row]:
        """A row per method: of its settings those as in the tables; methods from outside the tree have one each."""
        results = TaskResults(self.task, self.rows)  # type: ignore[arg-type]
        mains = [results.main(defense) for defense in dict.fromkeys(row.defense for row in self.rows)]
        chosen = [row for row in self.rows if row.source is not None or any(row is main for main in mains)]
        keys = _usual_attacks(chosen)
        return [replace(row, attacks=tuple(each for each in row.attacks if each.key in keys)) for row in chosen]

    @property
    def variants(self) -> list[tuple[Row, Row]]:
        """The other rows, each with the method's row."""
        own = {row.name for row in self.methods}
        mains = {row.defense: row for row in self.methods if row.source is None}
        return [(row, mains[row.defense]) for row in self.rows if row.name not in own and row.defense in mains]

    @cached_property
    def attacks(self) -> dict[str, str]:
        """Titles of the attacks by key, in the order of the tables."""
        met = [attack for row in self.methods for attack in row.attacks]
        return {each.key: each.title for each in sorted(met, key=lambda each: place(list(RECIPES), each.recipe))}

    @cached_property
    def ranking(self) -> dict[str, str]:
        """Titles, by key, of the attacks that at least half of the methods met: those by which they are ranked."""
        met = Counter(attack.key for row in self.methods for attack in row.attacks)
        return {key: title for key, title in self.attacks.items() if 2 * met[key] >= len(self.methods)}

    @cached_property
    def ranked(self) -> list[tuple[Row, Estimate]]:
        """The methods that met each attack of the ranking, with only these and their mean Aua %; the most robust
        first."""
        found = []
        for row in self.methods:
            own = tuple(attack for attack in row.attacks if attack.key in self.ranking)
            among = replace(row, attacks=own)
            mean = among.mean_aua_percent if len(own) == len(self.ranking) else None
            if mean is not None:
                found.append((among, mean))
        return sorted(found, key=lambda pair: -pair[1].value)


def groups(rows: Sequence[Row]) -> list[Group]:
    """The rows by task and conditions; of a task, the conditions with most rows come first."""
    found: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        found.setdefault(row.task, {}).setdefault(canonical(shared_conditions(row.surroundings)), []).append(row)
    return [
        Group(task, tuple(members))
        for task, under in found.items()
        for members in sorted(under.values(), key=len, reverse=True)
    ]


def _usual_attacks(rows: Sequence[Row]) -> set[str]:
    """The key of each recipe's attack that most rows met; of several, the one on most texts."""
    met = Counter((attack.recipe, attack.key, attack.count) for row in rows for attack in row.attacks)
    chosen: dict[str, tuple[str, int, int]] = {}
    for (recipe, key, count), times in met.items():
        if recipe not in chosen or (times, count) > chosen[recipe][1:]:
            chosen[recipe] = (key, times, count)
    return {key for key, _, _ in chosen.values()}


def write_pages(board: Path) -> list[Path]:
    """Fill the blocks of the documents beside the board and draw its pictures; return what was written.

    Raises:
        UserError: for a file of the board that cannot be read.
        MachineError: if there is a picture to draw and matplotlib is not installed.
    """
    root, written = board.resolve().parent, []
    contents = pages(board)
    for name in DOCUMENTS:
        path = root / name
        text = read_text(path) if is_plain_file(path) else ""
        own = {block.name for block in blocks(text)} & set(contents[name])
        if not own:
            continue
        write_atomically(path, filled(text, contents[name]))
        written.append(path)
    return [*written, *_draw(board, root)] if written else []


def require_pictures() -> None:
    """Raise an error if pictures cannot be drawn.

    Raises:
        MachineError: naming the extra.
    """
    if missing_library() is not None:
        raise MachineError(
            "the pages show a picture, which needs matplotlib; install it with pip install 'earlyrobust[report]'"
        )


def pages(board: Path) -> dict[str, dict[str, str]]:
    """The texts of the blocks, by document and by the block's name."""
    board = board.resolve()
    rows, claims = read_rows(board), read_claims(board)
    name = board.name
    return {
        "README.md": {name: front(name, rows, claims, "docs/")},
        "docs/index.md": {name: front(name, rows, claims, "")},
        "docs/results.md": {name: results_page(name, rows, claims)},
    }


def front(name: str, rows: Sequence[Row], claims: Mapping[str, Any], docs: str) -> str:
    """What is seen on SST-2, its table and picture, and the verdicts in a line each.

    Args:
        name: the board's folder.
        docs: the way from the document to the folder of the documentation.
    """
    group = next((each for each in groups(rows) if each.task == FRONT_TASK), None)
    if group is None:
        where = "" if not rows else f" [All results]({docs}results.md) has what was measured on other tasks."
        return f"\nNothing is measured on {title_of(FRONT_TASK)} yet: `{name}/` holds no row of it.{where}\n"
    parts = [seen(group), _methods_table(group, brief=True)]
    if _points(group):
        parts.append(f"![Training time against robustness]({docs}{_picture(name, group)})")
    parts += [_how_to_read(group), *_verdict_lines(claims)]
    return (
        "\n"
        + "\n\n".join([*parts, f"[All results]({docs}results.md) has the rest, and what each number rests on."])
        + "\n"
    )


def results_page(name: str, rows: Sequence[Row], claims: Mapping[str, Any]) -> str:
    """Every task with its conditions, differences and variants, then every claim."""
    if not rows:
        return f"\nNothing is measured yet: `{name}/` holds no row.\n"
    parts = []
    drawn: set[str] = set()
    for group in groups(rows):
        first = group.task not in drawn
        parts.append(f"## {title_of(group.task)}" + ("" if first else ", under other conditions"))
        drawn.add(group.task)
        parts += [seen(group), _methods_table(group)]
        if first and _points(group):
            parts.append(f"![Training time against robustness]({_picture(name, group)})")
        parts += [_how_to_read(group), *_pairs(group), *_variants(group), *_conditions(group)]
    return "\n" + "\n\n".join([*parts, *_verdicts(claims)]) + "\n"


def seen(group: Group) -> str:
    """One sentence: which method was most robust, by how much, on what, and which was the cheapest."""
    task = title_of(group.task)
    if not group.ranked:
        return f"On {task}, no method met each of the attacks."
    (best, mean), *others = group.ranked
    first = f"was the most robust of {len(group.ranked)} methods" if others else "is the only method measured so far"
    over = "attacks and " if len(best.attacks) > 1 else ""
    words = [
        f"On {task}, **{markdown_text(best.title)}** {first}: under {_titles(group.ranking)} it still read "
        f"{_interval(mean)} % of {best.attacks[0].count} attacked texts rightly (mean over {over}{_runs(mean.runs)})"
    ]
    if others:
        second = others[0][0]
        lead = contrast("Aua %", [best], [second])
        if lead is not None:
            sure = "more than chance explains" if lead.excludes(0) else "which may be chance"
            words.append(f"that is {_interval(lead)} points above {markdown_text(second.title)}, the next, {sure}")
    timed = [row for row in group.methods if row.seconds()]
    if len(timed) > 1:
        cheapest = min(timed, key=lambda row: row.training_seconds.value)
        seconds = cheapest.training_seconds
        words.append(f"the cheapest to train was **{markdown_text(cheapest.title)}**, with {seconds.value:.0f} s")
    return "; ".join(words) + "."


def _methods_table(group: Group, brief: bool = False) -> str:
    columns = [Column("Method", "method", False), Column("Clean %", "clean")]
    columns += [Column(f"{title} Aua %", key) for key, title in group.attacks.items()]
    if len(group.ranking) > 1:
        columns.append(Column("Mean Aua %", "mean"))
    if not brief:
        columns += [Column(f"{title} #Query", f"{key}_queries") for key, title in group.attacks.items()]
    columns += [Column("Training s", "seconds"), Column("Cost", "cost")]
    columns += [] if brief else [Column("Kept %", "kept")]
    columns += [Column("Runs", "runs"), Column("Badge", "badge", False)]
    means = {row.name: mean for row, mean in group.ranked}
    rows = []
    for row in group.methods:
        met = {attack.key: attack for attack in row.attacks}
        cells = [row.title, _interval(row.clean_percent)]
        cells += [_interval(met[key].aua_percent) if key in met else BLANK for key in group.attacks]
        if len(group.ranking) > 1:
            cells.append(_interval(means.get(row.name)))
        if not brief:
            cells += [_interval(met[key].mean_queries) if key in met else BLANK for key in group.attacks]
        cells += [_interval(row.training_seconds), _interval(_cost(row, group), 2, "×")]
        cells += [] if brief else [_interval(row.kept_percent)]
        rows.append((*cells, str(len(row.trainings)), row.badge))
    return _rows_of(Table("", tuple(columns), tuple(rows)))


def _cost(row: Row, group: Group) -> Estimate | None:
    """Training time as a multiple of plain fine-tuning's; None if either is not timed, or under other conditions."""
    plain = next((each for each in group.methods if each.defense == "fine_tune" and each.source is None), None)
    if plain is None or row.defense == "fine_tune":
        return None
    try:
        for one in plain.trainings.values():
            for other in row.trainings.values():
                require_comparable(one.conditions, other.conditions)
    except UserError:
        return None
    return over_runs(time_ratio(row.seconds(), plain.seconds()), logarithmic=True)


def _how_to_read(group: Group) -> str:
    counts = sorted({attack.count for row in group.methods for attack in row.attacks})
    mean = f"Mean Aua % is over {_titles(group.ranking)}. " if len(group.ranking) > 1 else ""
    return (
        f"Aua % is the share of the {_joined(list(map(str, counts)))} attacked texts that are still read rightly. "
        f"{mean}In brackets: 95 % intervals, of Clean % and Aua % over runs and texts, of the rest over runs. Cost is "
        "the training time in trainings by fine-tuning."
    )


def _pairs(group: Group) -> list[str]:
    """The pairs of methods with a difference of Aua beyond its interval."""
    found = []
    for (one, _), (other, _) in combinations(group.ranked, 2):
        difference = contrast("Aua %", [one], [other])
        if difference is not None:
            found.append((one, other, difference))
    beyond = [each for each in found if each[2].excludes(0)]
    if not found:
        return []
    sentence = f"{len(beyond)} of {len(found)} pairs of methods differ in mean Aua beyond the 95 % interval, paired by "
    sentence += "run and text; of pairs that do not differ, one in twenty would by chance."
    if not beyond:
        return [sentence]
    columns = (Column("More robust", "more", False), Column("than", "less", False), Column("Points", "points"))
    rows = tuple((one.title, other.title, _interval(difference)) for one, other, difference in beyond)
    return [sentence, _rows_of(Table("", columns, rows))]


def _variants(group: Group) -> list[str]:
    """The rows with other settings, with their change from the method's own."""
    rows = []
    for row, main in group.variants:
        told = ", ".join(f"{name}={row.settings.get(name)}" for name in sorted(different(main, row)))  # type: ignore[arg-type]
        change = contrast("Aua %", [row], [main])
        cells = (row.title, told or "other conditions", _interval(row.clean_percent), _interval(row.mean_aua_percent))
        rows.append((*cells, _interval(change), str(len(row.trainings)), row.badge))
    columns = (
        Column("Method", "method", False),
        Column("Settings", "settings", False),
        Column("Clean %", "clean"),
        Column("Aua %", "aua"),
        Column("Change of Aua", "change"),
        Column("Runs", "runs"),
        Column("Badge", "badge", False),
    )
    about = "Other settings, with the change from the method's own, under the attacks that both met:"
    return [about, _rows_of(Table("", columns, tuple(rows)))] if rows else []


def _conditions(group: Group) -> list[str]:
    """The conditions of a task's numbers, a line each."""
    runs = [run for row in group.rows for run in row.trainings.values()]
    given = group.rows[0].surroundings
    facts = {
        "Data": [str(given.get("data"))],
        "Backbone": ["; ".join(f"{name} {value}" for name, value in dict(given.get("backbone") or {}).items())],
        "Seeds": [", ".join(map(str, sorted({seed for row in group.rows for seed in row.trainings})))],
        "Attacks": sorted({attack.profile for row in group.methods for attack in row.attacks}),
        "Machine": sorted({run.machine for run in runs}),
        "Commit": sorted({run.commit for run in runs}),
        "Measured by": sorted({row.by for row in group.rows}),
        "Flagged runs": [f"{sum(bool(run.flags) for run in runs)} of {len(runs)}"],
        "Results": sorted({row.link for row in group.rows if row.link}),
    }
    lines = [f"- {name}: {markdown_text('; '.join(values))}" for name, values in facts.items() if any(values)]
    return ["\n".join(lines)]


def _verdict_lines(claims: Mapping[str, Any]) -> list[str]:
    """The verdict card, a line a claim."""
    if not claims:
        return []
    lines = [
        f"- {key} {SUPPORT.get(each['verdict'], each['verdict'])}: {markdown_text(each['meaning'])}{_measure(each)}"
        for key, each in _ordered(claims)
    ]
    front = title_of(FRONT_TASK)
    return ["What this says of the paper's claims:", "\n".join(lines), *_unlike_the_paper(claims, front)]


def _unlike_the_paper(claims: Mapping[str, Any], only: str | None = None) -> list[str]:
    """How the setting of the judged runs differs from the paper's, by task; empty if it does not."""
    told = {task: words for each in claims.values() for task, words in each["departures"].items()}
    found = [f"{markdown_text(task)}: {markdown_text('; '.join(words))}." for task, words in told.items()]
    shown = [words for task, words in zip(told, found, strict=True) if only in (None, task)]
    return [f"The setting is not the paper's. {' '.join(shown)}"] if shown else []


def _verdicts(claims: Mapping[str, Any]) -> list[str]:
    """Each claim: its verdict, what was measured, how sure it is, and what would make it surer."""
    if not claims:
        return []
    parts = ["## The paper's claims"]
    for key, each in _ordered(claims):
        lines = [f"**{key}, {each['verdict']}.** {markdown_text(each['meaning'])} ({each['section']})."]
        if each["value"] is not None:
            lines.append(f"Measured: {markdown_text(each['quantity'])}{_measure(each)}.")
        lines.append(f"Rule: {markdown_text(each['rule'])}.")
        if each["verdict"] == "not supported":
            lines.append("This contradicts the paper.")
        if each["note"]:
            lines.append(f"{_sentence(markdown_text(each['note']))}.")
        if each["value"] is not None:
            lines.append(f"To be surer, it takes {_surer(each)}.")
        parts.append(" ".join(lines))
    return [*parts, *_unlike_the_paper(claims)]


def _surer(claim: Mapping[str, Any]) -> str:
    """What it would take to know more of a measured claim."""
    if claim["runs"] == 1:
        return "a second and a third run, since one run decides nothing"
    if claim["verdict"] != "inconclusive":
        return "the paper's own setting" if claim["departures"] else "another backbone or task"
    if claim["deciding"] == "inconclusive":
        return "more runs and more attacked texts, since the interval holds both answers"
    return "the parts that are not measured"


def _measure(claim: Mapping[str, Any]) -> str:
    """The deciding number of a claim with its interval, in brackets; empty if nothing was measured."""
    if claim["value"] is None:
        return ""
    found = Estimate(claim["value"], *(math.nan if claim[name] is None else claim[name] for name in ("low", "high")), 0)
    digits = 1 if claim["unit"] == "points" else 2
    runs = f", {_runs(round(claim['runs']))}" if claim["runs"] else ""
    return f" ({_interval(found, digits)} {claim['unit']}{runs})"


def _ordered(claims: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(claims.items(), key=lambda pair: int(pair[0][1:]))


def _interval(found: Estimate | None, digits: int = 1, suffix: str = "") -> str:
    """A number with its interval, if it has one; a dash for none."""
    if found is None or not math.isfinite(found.value):
        return BLANK
    text = f"{found.value:.{digits}f}{suffix}"
    known = math.isfinite(found.low) and math.isfinite(found.high)
    return f"{text} [{found.low:.{digits}f}, {found.high:.{digits}f}]" if known else text


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"


def _titles(attacks: Mapping[str, str]) -> str:
    return _joined([markdown_text(title) for title in attacks.values()])


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _rows_of(table: Table) -> str:
    """The table in Markdown without its title."""
    return table.to_markdown().partition("\n\n")[2].strip()


def _picture(name: str, group: Group) -> str:
    return f"{name}_{group.task}.svg"


def _points(group: Group) -> list[tuple[str, float, float, float]]:
    """Method, training seconds, mean Aua % and half its interval, of each timed method; empty for fewer than two."""
    found = [(row.title, row.training_seconds, mean) for row, mean in group.ranked if row.seconds()]
    points = [(title, time.value, mean.value, (mean.high - mean.low) / 2) for title, time, mean in found]
    return points if len(points) > 1 else []


def drawn_from(group: Group) -> str:
    """A hash of the numbers that a picture shows, which stands in its file."""
    return content_key({"points": [[title, *(round(value, 6) for value in rest)] for title, *rest in _points(group)]})


def _draw(board: Path, root: Path) -> list[Path]:
    """Draw a picture of each task that has times."""
    written = []
    firsts: dict[str, Group] = {}
    for group in groups(read_rows(board)):
        firsts.setdefault(group.task, group)
    for task, group in firsts.items():
        if not _points(group):
            continue
        require_pictures()
        series = [Series(title, [x], [y], [half], joined=False) for title, x, y, half in _points(group)]
        panel = Panel(title_of(task), "Training, seconds", "Mean Aua, %", series, logarithmic="x", frontier=True)
        title = "Training time against robustness; dashed: no method is both faster and more robust"
        path = root / "docs" / _picture(board.resolve().name, group)
        write_atomically(path, rendered(draw_panels(title, [[panel]]), "svg", Description=drawn_from(group)))
        written.append(path)
    return written
