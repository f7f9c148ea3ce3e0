"""What the API and the command share: collect options, print the plan, do the work, show progress."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from baselines.validation import require, unknown
from benchmarks.executors.progress import Reporter
from benchmarks.experiments.options import Options
from reports.output_files import require_output

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from benchmarks.attacks.resources import Resources
    from benchmarks.experiments.experiment import Experiment
    from benchmarks.jobs.attack_texts import Attacked, TextAttack, Texts
    from benchmarks.jobs.context import Context
    from benchmarks.jobs.evaluate import External
    from benchmarks.jobs.job import TrainJob
    from benchmarks.jobs.plan import Plan
    from benchmarks.jobs.resolve import Study
    from benchmarks.results.records import EvaluationRecord, TrainingRecord
    from earlyrobust.returned import Report
    from reports.tables import Table

PATHS = ("data", "out", "synonyms", "nltk_data", "assets", "json")


def options_of(given: dict[str, Any]) -> Options:
    """Make options from keyword arguments: a list of names becomes one text, a text a path if the option is one.

    Raises:
        UserError: for an unknown option.
    """
    known = [field.name for field in fields(Options)]
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise unknown("option", name, known)
        if name in PATHS and value is not None:
            value = Path(value)
        found[name] = ",".join(value) if isinstance(value, list | tuple) else value
    if found.get("json") is not None:
        require_output(found["json"], "--json")
    return Options(**found)


def path_or_none(place: str | Path | None) -> Path | None:
    """The place as a path; None stays None."""
    return None if place is None else Path(place)


def reporter(quiet: bool) -> Reporter:
    """A reporter on the terminal; a quiet one shows nothing."""
    return Reporter(Console(quiet=quiet))


def train_one(context: Context, job: TrainJob, shown: Reporter) -> TrainingRecord:
    """Do a training and the jobs it needs in this process; stored jobs are not repeated."""
    from benchmarks.jobs.plan import look_up
    from benchmarks.jobs.run import run

    for line in context.store.quarantine():
        shown.say(line)
    left = look_up(context.store, job.chain).left
    for each in [each for each in job.chain if each in left]:
        with shown.work(f"{each.label}, {each.unit}", None) as bar:
            run(context, each, bar.advance)
    record = job.record(context.store)
    assert record is not None
    return record


def work_through(study: Study, shown: Reporter) -> None:
    """Print the plan, do all that is not stored, and log it if the options name a tracker.

    Raises:
        UserError: for a tracker that is unknown or not installed, before any work.
    """
    from benchmarks.executors.execute import execute
    from benchmarks.jobs.plan import look_up
    from reports.trackers import library_of, track

    context, tracker = study.context, study.context.options.track
    if tracker is not None:
        library_of(tracker)
    for line in (context.chosen, *study.store.quarantine()):
        shown.say(line)
    work = look_up(study.store, study.jobs)
    for line in (*work.lines(), *outlook(study, work)):
        shown.say(line)
    execute(study, shown)
    if tracker is not None:
        shown.say(f"{track(study.store, study.jobs, tracker)} runs logged to {tracker}")


def outlook(study: Study, work: Plan) -> list[str]:
    """Lines on the likely duration of the rest of the work, and on stored trainings with other settings."""
    from benchmarks.executors.time_estimate import estimate

    return [*([estimate(study, work).line()] if work.left else []), *work.stored_otherwise(study.store)]


def run_attack(attack: TextAttack, shown: Reporter) -> Attacked:
    """Attack the texts without a stored outcome, and show progress."""
    if attack.store is not None:
        for line in attack.store.quarantine():
            shown.say(line)
    stored, count = len(attack.stored()), len(attack.examples)
    shown.say(f"{count} texts" + (f", {stored} attacked already" if stored else ""))
    with shown.work(f"{attack.recipe.title}, texts", count) as bar:
        bar.advance(stored)
        return attack.run(bar.advance, lambda queries: bar.advance(0, queries=queries))


def look_for_signs(
    victim: Any,
    texts: Texts,
    resources: Resources,
    shown: Reporter,
    *,
    limit: int,
    query_budget: int | str | None,
    source: Any,
    seed: int,
    tokenizer: PreTrainedTokenizerBase | None,
    retries: int | None,
    opening: dict[str, Any],
    out: Path | None,
) -> Report:
    """Measure the signs of a failed attack on a victim, make their table, and keep it in `out` if that is given.

    Raises:
        UserError: for a victim, texts or labels of another kind, or a function of which nothing can be kept.
    """
    from baselines.threads import cpu_threads
    from benchmarks.attacks.engine import require_words
    from benchmarks.attacks.recipes import TEXTFOOLER
    from benchmarks.experiments.options import MAX_WORDS
    from benchmarks.jobs.suspect import measure
    from benchmarks.victims.given import open_victim
    from earlyrobust.returned import Report
    from reports.suspicions import file_of, suspicion_table
    from reports.tables import write_table

    some = texts.first(limit)
    given = open_victim(victim, some.texts, tokenizer=tokenizer, retries=retries, repeatable=False, **opening)
    require(out is None or given.identity is not None, "--out", "left out for a function, which may change", out)
    other = None if source is None else open_victim(source, some.texts, **opening)
    examples, note = texts.examples(given.classes)
    require_words(examples[:limit], MAX_WORDS)
    recipe = TEXTFOOLER.budgeted(query_budget)
    how: dict[str, Any] = {"columns": texts.columns, "seed": seed, "held_out": examples[limit:]}
    with cpu_threads(1), shown.work("Signs of a failed attack", None):
        found = measure(
            given.victim, examples[:limit], recipe, resources, source=None if other is None else other.victim, **how
        )
    table = suspicion_table(given.name, found)
    notes = (*([] if note is None else [note]), *given.notes, f"Attacks: {resources.describe()}.")
    table = replace(table, caption=(*table.caption, *notes))
    return Report(table, () if out is None else tuple(write_table(table, out, file_of(given.identity or {}))))


def evaluate_on_tasks(context: Context, external: External, calibrate: bool, shown: Reporter) -> None:
    """Evaluate an external victim on every task, and attack it there."""
    from benchmarks.jobs.evaluate import attack_external, evaluate

    for line in (context.chosen, *context.store.quarantine()):
        shown.say(line)
    for task, chosen in context.tasks.items():
        for record in evaluate(context, external, task, calibrate=calibrate):
            for recipe in context.recipes:
                with shown.work(f"{task} {record.title}: {recipe.title}, texts", len(chosen.attacked)) as bar:
                    attack_external(context, external, record, recipe, bar.advance)


def evaluate_on_set(context: Context, external: External, chosen: str, shown: Reporter) -> list[EvaluationRecord]:
    """Evaluate an external victim on the sets of texts that `--set` names, for every task."""
    from benchmarks.data.attack_free import attack_free_sets
    from benchmarks.jobs.evaluate_set import evaluate_set

    for line in (context.chosen, *context.store.quarantine()):
        shown.say(line)
    sets = {
        name: attack_free_sets(chosen, task.task, task.dataset, context.options.data)
        for name, task in context.tasks.items()
    }
    return [evaluate_set(context, external, name, each) for name, found in sets.items() for each in found]


def reproduce_one(experiment: Experiment, options: Options, shown: Reporter) -> Report:
    """Make one table or figure: do the jobs that are not stored, write the table, draw its figures."""
    from benchmarks.jobs.resolve import resolve
    from reports.experiments import report_of, report_on
    from reports.figures import missing_library, write_figure

    if not experiment.trains:
        found = report_of(experiment, options)
        shown.say(found.data.chosen)
        return keep_table(found.table, options, experiment.key)
    study = resolve(options, experiment)
    work_through(study, shown)
    found = report_on(study)
    kept = keep_table(found.table, options, experiment.key)
    figures = found.figures() if missing_library() is None else {}
    drawn = [path for name, figure in figures.items() for path in write_figure(figure, options.out, name)]
    return replace(kept, files=(*kept.files, *drawn))


def keep_table(table: Table, options: Options, name: str) -> Report:
    """Write a table into the folder of results in every rendering, and as JSON where asked."""
    from earlyrobust.returned import Report
    from reports.tables import write_json, write_table

    files = tuple(write_table(table, options.out, name))
    if options.json is not None:
        write_json(table, options.json)
    return Report(table, files)
