"""Verbs that train and attack: a table or figure of the paper, one method with your settings, and their plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from baselines.validation import require_file_name
from benchmarks.experiments.options import DEFAULTS, Options, refuse_unread
from earlyrobust.cli.answers import say, show_report

if TYPE_CHECKING:
    from benchmarks.jobs.job import Job


def reproduce(experiment: str, options: Options = DEFAULTS) -> int:
    """Reproduce a table or figure of the paper: train, attack, print, write and draw it.

    Args:
        experiment: one that `ls experiments` names, such as table1 or figure2, or all.
        options: what to run it on.
    """
    from benchmarks.experiments.catalogue import asked_experiments
    from earlyrobust.running import reporter, reproduce_one
    from reports.experiments import kind_of
    from reports.figures import missing_library
    from reports.overview import overview
    from reports.page.page import write_page

    codes, asked = [], asked_experiments(experiment, options)
    for each in asked:
        codes.append(show_report(reproduce_one(each, options, reporter(quiet=False))))
    if any(each.trains for each in asked):
        say(str(write_page(overview(options.out), options.out)))
        say(f"verdicts on the paper's claims: earlyrobust report --out {options.out}")
    if missing_library() is not None and any(kind_of(each).draws for each in asked):
        say(str(missing_library()))
    return max(codes)


def run(
    options: Options = DEFAULTS,
    *,
    defense: str = "early_robust",
    set: Sequence[str] = (),
    name: str = "run",
) -> int:
    """Train and attack one defense with settings of your own, any number of seeds.

    Args:
        options: what to run it on.
        defense: a known defense, or the path of a Python file that defines one. Such a file is code and is run.
        set: a hyperparameter as FIELD=VALUE, such as steps=3, search.steps=2, or search=smart for another defense's
            objective there; may be given again for another.
        name: the table's file name.
    """
    from benchmarks.experiments.experiment import Experiment, methods
    from benchmarks.experiments.settings import parse_assignments
    from benchmarks.jobs.resolve import resolve
    from earlyrobust.running import keep_table, reporter, work_through
    from reports.experiments import report_on
    from reports.table1 import TITLE

    require_file_name(name, "--name")
    refuse_unread(options, "run", ("defenses", "variants"))
    experiment = Experiment(name, TITLE, defense, "methods", methods([defense], parse_assignments(set)))
    study = resolve(options, experiment)
    work_through(study, reporter(quiet=False))
    return show_report(keep_table(report_on(study).table, options, name))


def plan(experiment: str, options: Options = DEFAULTS) -> int:
    """Print what 'reproduce' would do, what is stored, and how long the rest may take.

    Args:
        experiment: one that `ls experiments` names, or all.
        options: what to run it on.
    """
    from benchmarks.experiments.catalogue import asked_experiments
    from benchmarks.jobs.plan import look_up
    from benchmarks.jobs.resolve import resolve
    from earlyrobust.running import outlook

    refuse_unread(options, "plan", ("track", "wait", "json"))
    asked = asked_experiments(experiment, options)
    seen: dict[str, Job] = {}
    for each in asked:
        if not each.trains:
            say(f"{each.key}: trains nothing")
            continue
        study = resolve(options, each)
        fresh = [job for job in study.jobs if job.key not in seen]
        seen |= {job.key: job for job in fresh}
        head = f"{each.key}: " if len(asked) > 1 else ""
        shared = len(study.jobs) - len(fresh)
        also = f"; {shared} trainings and attacks are those of experiments above" if shared else ""
        work = look_up(study.store, fresh)
        say(f"{head}{study.context.chosen}{also}", *work.lines(), *outlook(study, work))
    return 0
