"""The public API: train, attack, evaluate, reproduce, load, results.

    import earlyrobust as er

    outcomes = er.attack(model, ["a fine film"], [1])
    print(outcomes.aua_percent)

Each function does what the command of the same name does. Importing this module imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedTokenizerBase

    from benchmarks.attacks.recipes import Recipe
    from benchmarks.attacks.resources import Resources
    from earlyrobust.returned import Outcomes, Report, Results, Training

__all__ = ["attack", "evaluate", "load", "reproduce", "results", "train"]


def train(
    defense: str = "early_robust",
    task: str = "demo",
    *,
    seed: int = 42,
    out: str | Path = "results",
    quiet: bool = False,
    options: dict[str, Any] | None = None,
    preset: str = "auto",
    data: str | Path | None = None,
    backbone: str | None = None,
    device: str = "auto",
    train_texts: int | None = None,
    test_texts: int | None = None,
    **settings: Any,
) -> Training:
    """Train one model with one defense, and measure its accuracy on the test texts.

    Model and record are stored in `out`; the same call there returns them without training again.

    Args:
        defense: a name that `earlyrobust ls` lists, or the path of a Python file that defines one, which is run.
        task: a name that `earlyrobust ls tasks` lists, or a folder in `data` with train.csv and test.csv.
        seed: decides the head, the order of the texts, dropout and perturbations.
        out: folder of results.
        quiet: print nothing.
        options: more options of `earlyrobust run` by name, such as `{"batch_size": 8, "precision": "bf16"}`.
        preset: demo, small, paper, or auto.
        data: folder with the data sets; None fetches them from the hub (the demo's are generated).
        backbone: minilm, a hub id, or a folder; None for the preset's.
        device: cpu, cuda, or auto.
        train_texts, test_texts: how many to use; None for the preset's.
        settings: hyperparameters of the defense, such as `steps=3`; `**{"search.steps": 2}` reaches inside one.
    Raises:
        ValueError: for an unknown name, a hyperparameter that the defense refuses, or data that cannot be read.
        RuntimeError: if the machine fails.
    """
    from benchmarks.experiments.experiment import Experiment, Variant
    from benchmarks.experiments.options import CHOICES, refuse_unread
    from benchmarks.jobs.context import RunSpec
    from benchmarks.jobs.resolve import train_job
    from earlyrobust.returned import Training
    from earlyrobust.running import options_of, reporter, train_one

    named = {"preset": preset, "data": data, "backbone": backbone, "device": device, "out": out, "tasks": task}
    sizes = {"train_texts": train_texts, "test_texts": test_texts}
    asked = options_of({**(options or {}), **named, **sizes})
    refuse_unread(asked, "train", (*CHOICES, "recipes", "attacked", "executor", "ray_address", "track", "json"))
    # Nothing that only an attack needs is asked for; with assets, substitutes are those of the full profile.
    alone = None if asked.assets else Experiment("train", "", "", "methods", attacked=False)
    context = RunSpec(asked, alone).load()
    (name,) = context.tasks
    chosen = Variant(defense, defense, defense, settings).defense_for(context.preset, name, seed)
    record = train_one(context, train_job(context, name, chosen, seed), reporter(quiet))
    return Training(context.store.root, record)


def attack(
    victim: Any,
    texts: Sequence[Any] | str | Path,
    labels: Sequence[int | str] | str = "label",
    recipe: str | Recipe = "textfooler",
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
    max_length: int | None = None,
    max_words: int = 5000,
    query_budget: int | None = None,
    temperature: float = 1.0,
    calibrate: str | Path | tuple[Sequence[Any], Sequence[int | str]] | None = None,
    seed: int = 42,
    engine: str = "lockstep",
    resources: Resources | None = None,
    synonyms: str | Path | None = None,
    nltk_data: str | Path | None = None,
    assets: str | Path | None = None,
    device: str = "auto",
    threads: int = 1,
    retries: int | None = None,
    wait: bool = True,
    offline: bool = False,
    out: str | Path | None = None,
    quiet: bool = False,
) -> Outcomes:
    """Attack a classifier on labelled texts.

    Args:
        victim: a sequence classifier of transformers, where it lies; what `train` returned, or any other object with
            `model` and `tokenizer`, such as a pipeline; a folder or hub id; or a function from a list of N texts (or
            pairs) to probabilities (N, C), rows in the texts' order.
        texts: N texts, or N pairs of texts; or a CSV or TSV file with a header.
        labels: N class numbers from 0, or class names; for a file, the name of its label column.
        recipe: textfooler, textbugger, bertattack, bertattack_official, `textattack:<Recipe>`, or a recipe of your own.
        tokenizer: the model's; None takes the one that lies beside its weights.
        columns: the names of the texts' columns; recipes know some, such as premise and hypothesis.
        limit: attack the first texts alone.
        max_length: longest input in tokens; None for what the model can read, 512 at most.
        max_words: most words of a text; a longer one is refused, since the work grows with the square of the words.
        query_budget: most queries for one text.
        temperature: divides the victim's logits. A victim that is too sure starves attacks that search by score.
        calibrate: labelled texts that are not attacked, `(texts, labels)` or a file like `texts`; the temperature is
            fitted to them.
        seed: decides what the recipe draws.
        engine: lockstep (the suite's own), or textattack for TextAttack's own loop.
        resources: what the recipe draws on; None for the offline profile with the next three.
        synonyms: file with a word's neighbours (JSON, or what build-synonyms wrote); None for the packaged list.
        nltk_data: folder with NLTK's tagger and stop words.
        assets: folder that `earlyrobust prepare` filled, for the masked language model of bertattack.
        device: cpu, cuda or auto, where a folder or hub id is loaded to.
        threads: CPU threads.
        retries: how often a function is asked again after an exception, after 1, 2, 4, ... seconds; None for 3.
        wait: wait where another process is at the same attack; false raises instead.
        offline: fetch nothing.
        out: folder for the outcomes, where the same call continues; None keeps them in memory alone.
        quiet: print nothing.
    Raises:
        ValueError: for a victim, texts or labels of another kind, an unknown recipe, or answers that are no
            probabilities.
        RuntimeError: for a function that still raises at the first texts after all retries.
    """
    from benchmarks.attacks.resources import offline_resources
    from benchmarks.jobs.attack_texts import chosen_recipe, fitted_temperature, prepare_attack, texts_of
    from benchmarks.jobs.context import choose_device
    from benchmarks.victims.given import mode_kept, open_victim
    from earlyrobust.returned import Outcomes
    from earlyrobust.running import path_or_none, reporter, run_attack

    chosen, runner = chosen_recipe(recipe, query_budget, engine)
    drawn = resources or offline_resources(
        None,
        synonyms=path_or_none(synonyms),
        nltk_data=path_or_none(nltk_data),
        assets=path_or_none(assets),
    )
    asked = texts_of(texts, labels, columns).first(limit)
    with mode_kept(victim):
        given = open_victim(
            victim,
            asked.texts,
            tokenizer=tokenizer,
            max_length=max_length,
            device=choose_device(device),
            temperature=temperature,
            offline=offline,
            retries=retries,
        )
        if calibrate is not None:
            held_out = texts_of(*calibrate) if isinstance(calibrate, tuple) else texts_of(calibrate, labels, columns)
            given = given.at(fitted_temperature(given, asked, held_out))
        where = path_or_none(out)
        how: dict[str, Any] = {"engine": runner, "seed": seed, "threads": threads, "max_words": max_words, "wait": wait}
        prepared = prepare_attack(given, asked, chosen, drawn, out=where, **how)
        return Outcomes(run_attack(prepared, reporter(quiet)))


def evaluate(
    model: str | Path | None = None,
    *,
    function: str | None = None,
    name: str | None = None,
    calibrate: bool = True,
    retries: int | None = None,
    out: str | Path = "results",
    quiet: bool = False,
    **options: Any,
) -> Report:
    """Evaluate a finished classifier on the suite's own tasks, on the same texts as the methods of a table.

    It is stored in `out`; tables that are made there show it as a row.

    Args:
        model: folder or hub id of a classifier.
        function: in place of a model, FILE.py:FUNCTION, from a list of texts (or pairs) to probabilities, a row per
            text. The file is run.
        name: what its row is called; None for the folder's or function's name.
        calibrate: attack it also with its confidence fitted to test texts that are not attacked.
        retries: how often the function is asked again after an exception, after 1, 2, 4, ... seconds; None for 3.
        out: folder of results.
        quiet: print nothing.
        options: options of `earlyrobust evaluate` by name, such as tasks, preset, data, recipes, attacked.
    Returns:
        The table of all victims from outside in `out`: Clean % on all test texts, Aua % and #Query of each attack.
    Raises:
        ValueError: for a victim that cannot be read or does not fit the task, or an unknown option.
    """
    from benchmarks.experiments.options import CHOICES, SPREAD, refuse_unread
    from benchmarks.jobs.context import RunSpec
    from benchmarks.jobs.evaluate import find_external
    from benchmarks.jobs.provenance import provenance_of
    from earlyrobust.running import evaluate_on_tasks, keep_table, options_of, reporter
    from reports.table1 import table_of_externals

    asked = options_of({**options, "out": out})
    how_to_train = ("batch_size", "schedule", "precision", "capture", "allow_accumulation", "track")
    refuse_unread(asked, "evaluate", (*CHOICES, *how_to_train, *SPREAD))
    context = RunSpec(asked).load()
    given = None if model is None else str(model)
    how: dict[str, Any] = {"device": context.device, "offline": context.options.offline, "retries": retries}
    external = find_external(given, function, name, **how)
    evaluate_on_tasks(context, external, calibrate, reporter(quiet))
    table = table_of_externals(context.store, provenance_of(context))
    return keep_table(table, asked, "externals")


def reproduce(
    experiment: str, *, preset: str = "auto", out: str | Path = "results", quiet: bool = False, **options: Any
) -> Report:
    """Reproduce a table or figure of the paper: train, attack, write the table and draw its figures.

    The same call in the same folder continues where it stopped. In a script, call it below
    `if __name__ == "__main__":`, since it trains in processes of their own.

    Args:
        experiment: a name that `earlyrobust ls experiments` lists, such as table1 or figure2.
        preset: demo (generated texts, minutes on two CPU cores), small, paper, or auto.
        out: folder of results.
        quiet: print nothing.
        options: options of `earlyrobust reproduce` by name, such as defenses, tasks, runs, data, attacked.
    Returns:
        The table, and its files.
    Raises:
        ValueError: for an unknown experiment or option, or data that cannot be read.
        RuntimeError: if the machine fails.
    """
    from baselines.validation import require
    from benchmarks.experiments.catalogue import asked_experiments
    from earlyrobust.running import options_of, reporter, reproduce_one

    asked = options_of({**options, "preset": preset, "out": out})
    found, *more = asked_experiments(experiment, asked)
    require(not more, "experiment", "one experiment, so that there is one table to return", experiment)
    return reproduce_one(found, asked, reporter(quiet))


def load(
    out: str | Path = "results",
    defense: str | None = None,
    task: str | None = None,
    seed: int | None = None,
    *,
    key: str | None = None,
) -> nn.Module:
    """A trained model of a folder of results, in eval mode, with the shapes that its ticket left.

    Args:
        out: the folder.
        defense, task, seed: of the training; what is left out may be anything, as long as one training matches.
        key: the training's key, or how it begins.
    Returns:
        The classifier of transformers; `model.tokenizer` is its tokenizer, which cuts at the training's length.
    Raises:
        ValueError: if no stored training matches, or several do, with those that are stored.
        RuntimeError: if the weights are not those that were trained.
    """
    from benchmarks.jobs.stored_models import find_training, open_store
    from earlyrobust.stored import load_model

    return load_model(Path(out), find_training(open_store(out), defense, task, seed, key=key))


def results(out: str | Path = "results") -> Results:
    """Everything that a folder of results holds, as data frames: `.trainings` and `.attacks`.

    Args:
        out: the folder.
    Raises:
        ValueError: if there is no such folder.
    """
    from benchmarks.jobs.stored_models import open_store
    from earlyrobust.returned import Results

    open_store(out)
    return Results(Path(out))
