"""Attacks any classifier on any file of labelled texts: no training, no task, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from baselines.threads import cpu_threads
from baselines.validation import UserError, require, unknown
from benchmarks.attacks import engine, reference
from benchmarks.attacks.recipes import Recipe, find_recipe
from benchmarks.attacks.resources import Resources, offline_resources
from benchmarks.clock.machine import git_state, machine_description, versions
from benchmarks.data.classes import Classes
from benchmarks.data.examples import Example
from benchmarks.data.files import kind_of, read_rows, warn_of_odd_classes
from benchmarks.data.loading import fingerprint
from benchmarks.data.tasks import Layout
from benchmarks.experiments.options import AttackOptions, split_names
from benchmarks.jobs.resolve import SCHEMA, choose_device
from benchmarks.results.records import AttackRecord, Outcome
from benchmarks.results.store import Store, content_key
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.calibration import fit_temperature
from benchmarks.victims.saved import load_any_classifier
from benchmarks.victims.victim import Victim

ENGINES = {engine.ENGINE: engine.attack_all, reference.ENGINE: reference.attack_all}
LONGEST_INPUT = 512


@dataclass(frozen=True)
class FileAttack:
    """An attack on a file's texts, resolved and checked.

    Attributes:
        victim: the classifier.
        examples: the texts, in the file's order.
        columns: names of their columns.
        recipe, resources: the attack.
        engine: what runs it, one of `ENGINES`.
        seed: decides what the recipe draws.
        threads: of the CPU.
        store, key: where outcomes go.
        identity: all that decides them; `key` is its hash.
        model_name, data_name: what tables call the classifier and the file.
        classes: the classifier's classes.
        notes: sentences for the table's caption.
    """

    victim: Victim
    examples: tuple[Example, ...]
    columns: tuple[str, ...]
    recipe: Recipe
    resources: Resources
    engine: str
    seed: int
    threads: int
    store: Store
    key: str
    identity: dict[str, Any]
    model_name: str
    data_name: str
    classes: Classes
    notes: tuple[str, ...] = ()

    def stored(self) -> list[Outcome]:
        """The outcomes so far."""
        return self.store.outcomes(self.key)

    def run(
        self, on_outcome: Callable[[], None] = lambda: None, on_queries: Callable[[int], None] = lambda queries: None
    ) -> list[Outcome]:
        """Attacks the texts that have no outcome yet, stores each outcome as it comes, and returns all, in order.

        Args:
            on_outcome: called after each text.
            on_queries: told how many queries were made, also within a text; by the suite's own engine alone.
        Raises:
            ValueError: where another process is at the same attack.
        """
        with self.store.locked("attacks", self.key), cpu_threads(self.threads):
            return self._run(on_outcome, on_queries)

    def _run(self, on_outcome: Callable[[], None], on_queries: Callable[[int], None]) -> list[Outcome]:
        done = {outcome.example_id for outcome in self.stored()}
        started, clock = datetime.now(timezone.utc), time.perf_counter()
        told = {"on_queries": on_queries} if self.engine == engine.ENGINE else {}
        for outcome in self._attack([example for example in self.examples if example.id not in done], told):
            self.store.append_outcome(self.key, outcome)
            on_outcome()
        if self.store.attack(self.key) is None:
            self.store.put_attack(self._record(started, time.perf_counter() - clock))
        found = {outcome.example_id: outcome for outcome in self.stored()}
        return [found[example.id] for example in self.examples]

    def _attack(self, examples: Sequence[Example], told: dict[str, Any]) -> Iterator[Outcome]:
        attack_all = ENGINES[self.engine]
        given: dict[str, Any] = {"seed": self.seed, "columns": self.columns} | told
        return attack_all(self.victim, examples, self.recipe, self.resources, **given)

    def _record(self, started: datetime, seconds: float) -> AttackRecord:
        return AttackRecord(
            key=self.key,
            identity=self.identity,
            training_key=self.identity["model"],
            task=self.data_name,
            defense=self.model_name,
            seed=self.seed,
            recipe=self.recipe.key,
            recipe_title=self.recipe.title,
            profile=self.resources.describe(),
            example_ids=[example.id for example in self.examples],
            seconds=seconds,
            engine=self.engine,
            machine=machine_description(),
            versions=versions() | git_state(),
            started_at=started.isoformat(timespec="seconds"),
        )


def resolve_attack(options: AttackOptions) -> FileAttack:
    """Checks and loads what `options` ask for.

    Raises:
        ValueError: with one sentence, for anything the user can mend.
    """
    for name in ("limit", "max_length", "query_budget", "max_words", "threads"):
        value = getattr(options, name)
        require(value is None or value >= 1, f"--{name.replace('_', '-')}", "1 or more", value)
    require(options.temperature > 0, "--temperature", "positive", options.temperature)
    recipe = replace(find_recipe(options.recipe), query_budget=options.query_budget)
    chosen = reference.ENGINE if recipe.library is not None else options.engine
    if chosen not in ENGINES:
        raise unknown("engine", chosen, ENGINES)
    resources = offline_resources(
        None,
        find_backbone("minilm"),
        synonyms=options.synonyms,
        nltk_data=options.nltk_data,
        assets=options.assets,
    )
    resources.check(recipe)
    columns = split_names(options.columns, ("text",))
    require(len(columns) <= 2, "--columns", "one or two columns", options.columns)
    store = Store(options.out)
    device = choose_device(options.device)
    classifier = load_any_classifier(options.model, offline=options.offline)
    victim = Victim(
        classifier.model.to(device),
        classifier.tokenizer,
        max_length=options.max_length or _longest_input(classifier.model, classifier.tokenizer),
        device=device,
        temperature=options.temperature,
    )
    examples, note = read_examples(options.data, columns, options.label, classifier.classes)
    examples = examples[: options.limit]
    require_words(examples, options.max_words)
    identity = {
        "schema": SCHEMA,
        "model": content_key(classifier.identity),
        "max_length": victim.max_length,
        "temperature": victim.temperature,
        "data": fingerprint(examples),
        "columns": list(columns),
        "recipe": recipe.identity(),
        "resources": resources.identity(recipe),
        "seed": options.seed,
        "engine": chosen,
    }
    return FileAttack(
        victim=victim,
        examples=tuple(examples),
        columns=columns,
        recipe=recipe,
        resources=resources,
        engine=chosen,
        seed=options.seed,
        threads=options.threads,
        store=store,
        key=content_key(identity),
        identity=identity,
        model_name=options.model.rstrip("/"),
        data_name=options.data.stem,
        classes=classifier.classes,
        notes=() if note is None else (note,),
    )


def with_calibration(attack: FileAttack, options: AttackOptions) -> list[FileAttack]:
    """The attack as it is, then on the same victim with its confidence fitted to `options.calibrate`.

    Raises:
        ValueError: where a temperature was asked for besides, or the file is attacked too.
    """
    require(
        options.temperature == 1, "--temperature", "left out beside --calibrate, which fits it", options.temperature
    )
    held_out, note = read_examples(options.calibrate, attack.columns, options.label, attack.classes)
    attacked = {example.texts for example in attack.examples}
    shared = sum(example.texts in attacked for example in held_out)
    require(not shared, "--calibrate", "a file of texts that are not attacked", f"{shared} that are")
    probabilities = attack.victim([example.texts for example in held_out])
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    temperature = fit_temperature(logits, np.array([example.label for example in held_out]))
    attack = replace(attack, notes=tuple(dict.fromkeys((*attack.notes, *([] if note is None else [note])))))
    return [attack, resolve_attack(replace(options, temperature=temperature, calibrate=None))]


def require_words(examples: Sequence[Example], most: int) -> None:
    """Refuses texts so long that an attack on one would take hours: its work grows with the square of its words.

    Raises:
        UserError: naming the longest.
    """
    longest = max(examples, key=lambda example: sum(len(text.split()) for text in example.texts))
    words = sum(len(text.split()) for text in longest.texts)
    if words > most:
        raise UserError(
            f"the text {longest.id} has {words:,} words; at most {most:,} are attacked, for the work grows with the "
            f"square of the words; give shorter texts, or --max-words {words}"
        )


def _longest_input(model: Any, tokenizer: Any) -> int:
    """Tokens the model can read: what its tokenizer and its configuration say, 512 at most."""
    return min(
        tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", LONGEST_INPUT), LONGEST_INPUT
    )


def read_examples(path: Path, columns: Sequence[str], label: str, classes: Classes) -> tuple[list[Example], str | None]:
    """Labelled texts of a CSV, TSV, JSON-lines or Parquet file; ids are row numbers from 0. A text may be empty.

    Args:
        classes: what the labels are resolved to, all of them before this returns.
    Returns:
        The texts, and a sentence for the reader where numbers were taken as class numbers.
    Raises:
        ValueError: for a file without rows, or naming row and label where a label is no class.
    """
    layout = Layout(kind_of(path), tuple(columns), label)
    rows = list(read_rows(path, layout))
    warn_of_odd_classes(path, tuple(dict.fromkeys(written for _, _, written in rows)))
    if not rows:
        raise UserError(f"{path} holds no rows; give a file with a header and at least one text")
    numbers, note = classes.numbers_of((f"{path}, row {number}", written) for number, _, written in rows)
    examples = [Example(f"{path.stem}-{number - 1}", tuple(texts), numbers[written]) for number, texts, written in rows]
    return examples, note
