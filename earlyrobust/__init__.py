"""The public API: train, attack, suspect, evaluate, reproduce, load, results.

    import earlyrobust as er

    outcomes = er.attack(model, ["a fine film"], [1])
    print(outcomes.aua_percent)

Each function does the same as the command of that name. Importing this module imports nothing heavy.

A mistake of the caller raises `UserError`, a ValueError. A failure of the machine raises `MachineError`, and an
exception in the caller's own code `UserCodeError`; both are RuntimeErrors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.validation import MachineError, UserCodeError, UserError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedTokenizerBase

    from benchmarks.attacks.recipe import Recipe
    from benchmarks.attacks.resources import Resources
    from earlyrobust.returned import Outcomes, Report, Results, Training

__all__ = [
    "MachineError",
    "UserCodeError",
    "UserError",
    "attack",
    "evaluate",
    "load",
    "reproduce",
    "results",
    "suspect",
    "train",
]


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
        defense: a name from `earlyrobust ls`, or the path of a Python file that defines one. The file is run.
        task: a name from `earlyrobust ls tasks`, or a folder in `data` with train.csv and test.csv.
        seed: decides the classifier's start, the order of the texts, dropout and perturbations.
        out: folder of results.
        quiet: print nothing.
        options: more options of `earlyrobust run` by name, such as `{"batch_size": 8, "precision": "bf16"}`.
        preset: demo, small, paper, or auto.
        data: folder with the data sets; None fetches them from the hub (the demo's are generated).
        backbone: minilm, minilm:3 (its lowest three layers), a hub id, or a folder; None for the preset's.
        device: cpu, cuda, or auto.
        train_texts, test_texts: number of texts; None for the preset's.
        settings: hyperparameters of the defense, such as `steps=3`, or `**{"search.steps": 2}` for a nested one.
    Raises:
        UserError: for an unknown name, an invalid hyperparameter, or data that cannot be read.
        MachineError: if the machine fails.
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
    query_budget: int | str | None = None,
    score: str | None = None,
    width: int | None = None,
    restarts: int | None = None,
    temperature: float = 1.0,
    calibrate: str | Path | tuple[Sequence[Any], Sequence[int | str]] | None = None,
    seed: int = 42,
    engine: str = "lockstep",
    resources: Resources | None = None,
    synonyms: str | Path | None = None,
    nltk_data: str | Path | None = None,
    assets: str | Path | None = None,
    proposals: str | Path | None = None,
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
        victim: a sequence classifier of transformers, on its present device; or what `train` returned, or any other
            object with `model` and `tokenizer`, such as a pipeline; or a folder or hub id; or a function from a list of
            N texts (or pairs) to probabilities (N, C), rows in the texts' order.
        texts: N texts, or N pairs of texts; or a CSV or TSV file with a header.
        labels: N class numbers from 0, or class names; for a file, the name of its label column.
        recipe: a name from `earlyrobust ls recipes`, `textattack:<Recipe>`, or a recipe of your own.
        tokenizer: the model's tokenizer; None for the one stored with its weights.
        columns: names of the texts' columns; recipes treat some, such as premise and hypothesis, in their own way.
        limit: attack only this many texts, the first ones.
        max_length: longest input in tokens; None for the most that the model can read, at most 512.
        max_words: most words of a text; a longer one is refused, since the work grows with the square of the words.
        query_budget: most queries for one text; "50/word" is 50 for each of its words.
        score: probability, or margin (of logits, which do not saturate); None for the recipe's own.
        width: texts that the search keeps after each word; None for the recipe's own, 1.
        restarts: random word orders to try after the ranked one failed; None for the recipe's own, 0.
        temperature: divides the victim's logits. An overconfident victim gives attacks that search by score no hint.
        calibrate: labelled texts that are not attacked, `(texts, labels)` or a file like `texts`; the temperature is
            fitted to them.
        seed: seed of the recipe's random draws.
        engine: lockstep (the suite's own), or textattack for TextAttack's own loop.
        resources: the resources of the recipe; None for the offline profile with the next three.
        synonyms: file with a word's neighbours (JSON, or what build-synonyms wrote); None for the packaged list.
        nltk_data: folder with NLTK's tagger and stop words.
        assets: folder that `earlyrobust prepare` filled, for the masked language model of bertattack.
        proposals: file with rewrites of the texts, for the recipe `proposals`.
        device: cpu, cuda or auto, for a model from a folder or hub id.
        threads: CPU threads.
        retries: how often a function is asked again after an exception, after 1, 2, 4, ... seconds; None for 3.
        wait: wait if another process is running the same attack; false raises an error instead.
        offline: fetch nothing.
        out: folder for the outcomes, from which the same call continues; None keeps them in memory only.
        quiet: print nothing.
    Raises:
        UserError: for a victim, texts or labels of another kind, an unknown recipe, or answers that are no
            probabilities.
        UserCodeError: for a function that still raises at the first texts after all retries.
    """
    from benchmarks.attacks.resources import offline_resources, with_proposals
    from benchmarks.jobs.attack_texts import chosen_recipe, fitted_temperature, prepare_attack, texts_of
    from benchmarks.jobs.context import choose_device
    from benchmarks.victims.given import mode_kept, open_victim
    from earlyrobust.returned import Outcomes
    from earlyrobust.running import path_or_none, reporter, run_attack

    chosen, runner = chosen_recipe(recipe, query_budget, engine, score=score, width=width, restarts=restarts)
    drawn = resources or offline_resources(
        synonyms=path_or_none(synonyms),
        nltk_data=path_or_none(nltk_data),
        assets=path_or_none(assets),
    )
    drawn = with_proposals(drawn, chosen, path_or_none(proposals))
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


def suspect(
    victim: Any,
    texts: Sequence[Any] | str | Path,
    labels: Sequence[int | str] | str = "label",
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    columns: Sequence[str] | None = None,
    limit: int = 64,
    query_budget: int | str | None = None,
    source: Any = None,
    max_length: int | None = None,
    seed: int = 42,
    synonyms: str | Path | None = None,
    nltk_data: str | Path | None = None,
    device: str = "auto",
    retries: int | None = None,
    offline: bool = False,
    out: str | Path | None = None,
    quiet: bool = False,
) -> Report:
    """Look for signs that a classifier seems robust because attacks fail on it, by small runs under TextFooler.

    Args:
        victim, texts, labels, tokenizer, columns, max_length, synonyms, nltk_data, device, retries, offline: as for
            `attack`.
        limit: number of texts that are attacked, the first ones; to the others the temperature is fitted.
        query_budget: most queries for one text; "50/word" is 50 for each of its words.
        source: another classifier, usually the fine-tuned one; its adversarial texts are shown to the victim.
        seed: seed of random draws.
        out: folder of results in which the table is kept; captions of tables made there name the flags of a row.
        quiet: print nothing.
    Returns:
        A table with a row for each flag: whether it is raised, and what was measured.
    Raises:
        UserError: as for `attack`.
    """
    from benchmarks.attacks.resources import offline_resources
    from benchmarks.jobs.attack_texts import texts_of
    from benchmarks.jobs.context import choose_device
    from benchmarks.victims.given import mode_kept
    from earlyrobust.running import look_for_signs, path_or_none, reporter

    drawn = offline_resources(synonyms=path_or_none(synonyms), nltk_data=path_or_none(nltk_data))
    opening: dict[str, Any] = {"max_length": max_length, "device": choose_device(device), "offline": offline}
    asked = texts_of(texts, labels, columns)
    with mode_kept(victim), mode_kept(source):
        how: dict[str, Any] = {"tokenizer": tokenizer, "retries": retries, "source": source, "opening": opening}
        how |= {"limit": limit, "query_budget": query_budget, "seed": seed, "out": path_or_none(out)}
        return look_for_signs(victim, asked, drawn, reporter(quiet), **how)


def evaluate(
    model: str | Path | None = None,
    *,
    function: str | None = None,
    name: str | None = None,
    calibrate: bool = True,
    set: str | Path | None = None,
    retries: int | None = None,
    out: str | Path = "results",
    quiet: bool = False,
    **options: Any,
) -> Report:
    """Evaluate a finished classifier on the suite's own tasks, on the same texts as the methods of a table.

    It is stored in `out`; tables that are made in that folder show it as a row. With `set` nothing is attacked.

    Args:
        model: folder or hub id of a classifier.
        function: instead of a model, FILE.py:FUNCTION, from a list of texts (or pairs) to probabilities, one row per
            text. The file is run.
        name: its name in tables; None for the name of the folder or function.
        calibrate: attack it a second time, with its confidence fitted to test texts that are not attacked.
        set: instead of attacks, texts that are not made by attacking this victim: typos (the test texts with typing
            errors), advglue (`data`/advglue), or a folder in AdvGLUE's layout.
        retries: how often the function is asked again after an exception, after 1, 2, 4, ... seconds; None for 3.
        out: folder of results.
        quiet: print nothing.
        options: options of `earlyrobust evaluate` by name, such as tasks, preset, data, recipes, attacked.
    Returns:
        The table of all external victims in `out`: Clean % on all test texts, Aua % and #Query of each attack. With
        `set`, accuracy on the set, and its difference from that on the unchanged texts.
    Raises:
        UserError: for a victim that cannot be read or does not fit the task, or an unknown option.
    """
    from benchmarks.experiments.experiment import Experiment
    from benchmarks.experiments.options import CHOICES, READ_BY_ATTACKS, SPREAD, refuse_unread
    from benchmarks.jobs.context import RunSpec
    from benchmarks.jobs.evaluate import find_external
    from benchmarks.jobs.provenance import provenance_of
    from earlyrobust.running import evaluate_on_set, evaluate_on_tasks, keep_table, options_of, reporter
    from reports.table1 import table_of_externals

    asked = options_of({**options, "out": out})
    how_to_train = ("batch_size", "schedule", "precision", "capture", "allow_accumulation", "track")
    refuse_unread(asked, "evaluate", (*CHOICES, *how_to_train, *SPREAD))
    kept_as, unattacked = "externals", None
    if set is not None:
        from baselines.validation import require
        from benchmarks.data.attack_free import name_of_set

        kept_as = f"set_{name_of_set(str(set))}"
        require(calibrate, "--no-calibrate", "left out beside --set: a temperature changes no class", "both")
        refuse_unread(asked, "evaluate --set", READ_BY_ATTACKS)
        unattacked = Experiment("evaluate", "", "", "methods", attacked=False)
    context = RunSpec(asked, unattacked).load()
    given = None if model is None else str(model)
    how: dict[str, Any] = {"device": context.device, "offline": context.options.offline, "retries": retries}
    external = find_external(given, function, name, **how)
    context = context if function is None else context.for_function()
    if set is not None:
        from reports.attack_free import table_of_sets

        records = evaluate_on_set(context, external, str(set), reporter(quiet))
        return keep_table(table_of_sets(context.store, records), asked, kept_as)
    evaluate_on_tasks(context, external, calibrate, reporter(quiet))
    table = table_of_externals(context.store, provenance_of(context))
    return keep_table(table, asked, kept_as)


def reproduce(
    experiment: str, *, preset: str = "auto", out: str | Path = "results", quiet: bool = False, **options: Any
) -> Report:
    """Reproduce a table or figure of the paper: train, attack, write the table and draw its figures.

    The same call with the same folder continues where it stopped. In a script, call it below
    `if __name__ == "__main__":`, since it starts processes that import the script.

    Args:
        experiment: a name from `earlyrobust ls experiments`, such as table1 or figure2.
        preset: demo (generated texts, minutes on two CPU cores), small, paper, or auto.
        out: folder of results.
        quiet: print nothing.
        options: options of `earlyrobust reproduce` by name, such as defenses, tasks, runs, data, attacked.
    Returns:
        The table, and its files.
    Raises:
        UserError: for an unknown experiment or option, or data that cannot be read.
        MachineError: if the machine fails.
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
    """Load a trained model from a folder of results, in eval mode; a pruned model has the shapes of its ticket.

    Args:
        out: the folder of results.
        defense, task, seed: narrow the search; exactly one stored training must match.
        key: the training's key, or its beginning.
    Returns:
        The classifier of transformers; `model.tokenizer` is its tokenizer, which cuts texts as in training.
    Raises:
        UserError: if no stored training matches, or several do; the message lists the stored ones.
        MachineError: if the weights were changed after training.
    """
    from benchmarks.jobs.stored_models import find_training, open_store
    from earlyrobust.stored import load_model

    return load_model(Path(out), find_training(open_store(out), defense, task, seed, key=key))


def results(out: str | Path = "results") -> Results:
    """Read a folder of results as data frames: `.trainings` and `.attacks`.

    Args:
        out: the folder of results.
    Raises:
        UserError: if there is no such folder.
    """
    from benchmarks.jobs.stored_models import open_store
    from earlyrobust.returned import Results

    open_store(out)
    return Results(Path(out))
