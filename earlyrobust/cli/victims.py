"""Verbs for finished models: attack one on any texts, evaluate it on the suite's tasks, export it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import earlyrobust as er
from baselines.validation import require
from benchmarks.experiments.options import DEFAULTS, AttackOptions, Options, split_names
from earlyrobust.cli.answers import FAILED, INCOMPLETE, print_table, say, show_report


def attack(options: AttackOptions) -> int:
    """Attack any classifier on a file of labelled texts.

    Prints Clean %, Aua %, ASR % and #Query.

    Args:
        options: what to attack and how.
    """
    from benchmarks.results.store import Store
    from reports.attacked import attack_table, attacked_stages

    unlike = ("model", "data", "label", "columns", "calibrate", "json")
    how = {name: value for name, value in vars(options).items() if name not in unlike}
    how["columns"] = split_names(options.columns, ("text",))
    found = []
    if options.calibrate is not None:  # first, since it may be refused
        require(options.temperature == 1, "--temperature", "left out beside --calibrate", options.temperature)
        found.append(er.attack(options.model, options.data, options.label, calibrate=options.calibrate, **how))
    found.insert(0, er.attack(options.model, options.data, options.label, **how))
    table = attack_table([each.attacked for each in found])
    print_table(table, options.json)
    stages = attacked_stages([each.attacked for each in found])
    if stages.rows:
        say("")
        print_table(stages, None)
    say(*(str(Store(options.out, writable=False).outcomes_path(each.record.key)) for each in found))
    return INCOMPLETE if table.incomplete else 0


def suspect(
    model: str,
    *,
    data: Path,
    columns: str = "text",
    label: str = "label",
    limit: int = 64,
    query_budget: str | None = None,
    source: str | None = None,
    max_length: int | None = None,
    seed: int = 42,
    synonyms: Path | None = None,
    nltk_data: Path | None = None,
    device: str = "auto",
    offline: bool = False,
    out: Path | None = None,
    json: Path | None = None,
) -> int:
    """Look for signs that a classifier seems robust because attacks fail on it.

    Eleven flags are measured by small runs under TextFooler. The exit code is 1 if one is raised.

    Args:
        model: folder or hub id of a classifier, or FILE.py:FUNCTION from texts to probabilities; that file is run.
        data: file of labelled texts: CSV or TSV with a header, JSON lines, or Parquet.
        columns: its text column, or two separated by a comma.
        label: its label column: numbers, or the model's class names.
        limit: number of texts that are attacked, the first ones; to the others the temperature is fitted.
        query_budget: most queries for one text; 50/word is 50 for each of its words.
        source: another classifier, usually the fine-tuned one; its adversarial texts are shown to the model.
        max_length: longest input in tokens; the most that the model can read when left out.
        seed: seed of random draws.
        synonyms: file with the neighbours of words; the packaged list when left out.
        nltk_data: folder with NLTK's tagger and stop words.
        device: cpu, cuda, or auto.
        offline: fetch nothing; an error names what is missing.
        out: folder of results in which the table is kept; captions of tables made there name the flags of a row.
        json: file for the printed table as JSON.
    """
    require(limit >= 1, "--limit", "1 or more", limit)
    victim: Any = model
    if ".py:" in model:
        from benchmarks.victims.external import load_callable

        victim, _ = load_callable(model)
    how: dict[str, Any] = {"columns": split_names(columns, ("text",)), "limit": limit, "query_budget": query_budget}
    how |= {"source": source, "max_length": max_length, "seed": seed, "synonyms": synonyms, "nltk_data": nltk_data}
    found = er.suspect(victim, data, label, device=device, offline=offline, out=out, **how)
    print_table(found.table, json)
    say(*map(str, found.files))
    if any(row["raised"] == "yes" for row in found.table.records()):
        return FAILED
    return 0 if found.complete else INCOMPLETE


def evaluate(
    options: Options = DEFAULTS,
    *,
    model: str | None = None,
    callable: str | None = None,
    name: str | None = None,
    calibrate: bool = True,
    set_: str | None = None,
    retries: int | None = None,
) -> int:
    """Evaluate a finished classifier on the suite's tasks; nothing is trained.

    Prints Clean % and the attacks, also with calibrated confidence. Tables of methods that are made in the same folder
    on the same texts show the victim as a row. With --set nothing is attacked.

    Args:
        options: the tasks, the attacks and the folder; as for `reproduce table1`, so that the texts are the same.
        model: folder (pruned ones too) or hub id of a classifier.
        callable: FILE.py:FUNCTION, from a list of texts (or pairs of them) to probabilities, a row per text. The file
            is code and is run.
        name: its name in tables; the name of the folder or function when left out.
        calibrate: attack it a second time, with its confidence fitted to test texts that are not attacked.
        set_: instead of attacks, texts that are not made by attacking this victim: typos (the test texts with typing
            errors in 5, 10 and 20 % of the words), advglue (the folder advglue in --data), or a folder in AdvGLUE's
            layout, with dev.json.
        retries: how often the callable is asked again after an exception, after 1, 2, 4, ... seconds; 3 times when
            left out.
    """
    how: dict[str, Any] = {"function": callable, "name": name, "calibrate": calibrate, "set": set_}
    how["retries"] = retries
    return show_report(er.evaluate(model, **how, **vars(options)))


def export(
    out: Path,
    *,
    to: Path,
    defense: str | None = None,
    task: str | None = None,
    seed: int | None = None,
    key: str | None = None,
) -> int:
    """Write a trained model, its tokenizer and a card with its numbers into a new folder.

    Unpruned models open with transformers alone, pruned ones with the suite's loader; 'attack' takes both.

    Args:
        out: the folder of results.
        to: folder to write; new or empty.
        defense: the training's defense; exactly one stored training must match defense, task, seed and key.
        task: the training's task.
        seed: the training's seed.
        key: the beginning of the training's key.
    """
    from reports.model_card import export as write_model

    say(*map(str, write_model(out, to, defense, task, seed, key)))
    return 0
