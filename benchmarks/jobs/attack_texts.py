"""Attack any classifier on any labelled texts, without a training or a task; a stored attack can be resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from baselines.threads import cpu_threads
from baselines.validation import UserError, require, unknown
from benchmarks.attacks import engine, reference
from benchmarks.attacks.engine import require_model, require_words
from benchmarks.attacks.recipe import Recipe
from benchmarks.attacks.recipes import find_recipe
from benchmarks.attacks.resources import Resources
from benchmarks.clock.machine import git_state, machine_description, versions
from benchmarks.data.classes import Classes
from benchmarks.data.examples import Example
from benchmarks.data.files import is_unicode, kind_of, read_rows, warn_of_odd_classes
from benchmarks.data.loading import fingerprint
from benchmarks.data.tasks import Layout
from benchmarks.jobs.context import SCHEMA, check_threads
from benchmarks.results.records import AttackRecord, Outcome
from benchmarks.results.store import Store, content_key
from benchmarks.victims.calibration import fit_temperature
from benchmarks.victims.external import FLOOR, CallableVictim
from benchmarks.victims.given import Given
from benchmarks.victims.guarded import GuardedVictim
from benchmarks.victims.victim import products_of

ENGINES = {engine.ENGINE: engine.attack_all, reference.ENGINE: reference.attack_all}
PAIR = ("text_1", "text_2")


@dataclass(frozen=True)
class Texts:
    """Labelled texts, given directly or read from a file.

    Attributes:
        name: what tables call them; their ids are `name-0`, `name-1`, ...
        columns: names of their columns, one or two.
        texts: N texts, each of one or two columns.
        labels: N labels as written, each with its position, for error messages.
    """

    name: str
    columns: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    labels: tuple[tuple[str, str], ...]

    def first(self, limit: int | None) -> Texts:
        """The first `limit` texts; all for None."""
        require(limit is None or limit >= 1, "limit", "1 or more", limit)
        return replace(self, texts=self.texts[:limit], labels=self.labels[:limit])

    def examples(self, classes: Classes) -> tuple[list[Example], str | None]:
        """The texts with class numbers; also a sentence if the labels were taken as class numbers.

        Raises:
            UserError: naming the first label that is no class.
        """
        numbers, note = classes.numbers_of(self.labels)
        found = zip(self.texts, self.labels, strict=True)
        return [Example(f"{self.name}-{n}", text, numbers[label]) for n, (text, (_, label)) in enumerate(found)], note


def texts_of(texts: Any, labels: Any, columns: Sequence[str] | None = None) -> Texts:
    """Labelled texts from lists of both, or from a file and the name of its label column.

    Raises:
        UserError: for other values.
    """
    if not isinstance(texts, str | Path):
        return given_texts(texts, labels, columns)
    require(isinstance(labels, str), "labels", "the name of the file's label column", labels)
    return read_texts(Path(texts), tuple(columns or ("text",)), labels)


def given_texts(texts: Sequence[Any], labels: Sequence[Any], columns: Sequence[str] | None = None) -> Texts:
    """Texts, or pairs of texts, with their labels: class numbers or class names.

    Raises:
        UserError: for other values, for no texts, or if there are more or fewer labels than texts.
    """
    both = f"{type(texts).__name__} and {type(labels).__name__}"
    require(_is_listed(texts) and _is_listed(labels), "texts and labels", "two lists of one order", both)
    found = [_columns_of(text) for text in texts]
    require(len(found) > 0, "texts", "one text or more", 0)
    width = len(found[0])
    for number, (text, given) in enumerate(zip(found, texts, strict=True)):
        fits = len(text) == width and 1 <= width <= 2 and all(isinstance(part, str) for part in text)
        require(fits, f"text {number}", "a text, or a pair of texts as all the others are", given)
        require(all(map(is_unicode, text)), f"text {number}", "without half a character (a surrogate)", given)
    written = [str(label) for label in (labels.tolist() if hasattr(labels, "tolist") else labels)]
    require(len(written) == len(found), "labels", f"{len(found)}, one for each text", len(written))
    names = tuple(columns or (("text",) if width == 1 else PAIR))
    require(len(names) == width, "columns", f"{width}, the columns of each text", names)
    return Texts("texts", names, tuple(found), tuple((f"text {n}", label) for n, label in enumerate(written)))


def _is_listed(values: Any) -> bool:
    """Whether values have a length and an order, as lists, arrays and columns of a data frame do."""
    return hasattr(values, "__len__") and not isinstance(values, str | Set | Mapping) and not hasattr(values, "columns")


def _columns_of(text: Any) -> tuple[Any, ...]:
    return tuple(text) if isinstance(text, list | tuple) else (text,)


def read_texts(path: Path, columns: Sequence[str] = ("text",), label: str = "label") -> Texts:
    """Labelled texts of a CSV, TSV, JSON-lines or Parquet file. A text may be empty.

    Raises:
        UserError: for a file that cannot be read, has no rows, or lacks a column.
    """
    require(1 <= len(columns) <= 2, "--columns", "one or two columns", ",".join(columns))
    layout = Layout(kind_of(path), tuple(columns), label)
    rows = list(read_rows(path, layout))
    warn_of_odd_classes(path, tuple(dict.fromkeys(written for _, _, written in rows)))
    if not rows:
        raise UserError(f"{path} holds no rows; give a file with a header and at least one text")
    labels = tuple((f"{path}, row {number}", written) for number, _, written in rows)
    return Texts(path.stem, tuple(columns), tuple(tuple(texts) for _, texts, _ in rows), labels)


@dataclass(frozen=True)
class Attacked:
    """The result of an attack.

    Attributes:
        record: classifier, texts and settings of the attack.
        outcomes: one for each text, in order.
        notes: sentences for the table's caption.
    """

    record: AttackRecord
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TextAttack:
    """A checked attack on labelled texts.

    Attributes:
        given: the classifier.
        texts, examples: the texts as given, and with class numbers.
        recipe, resources: the attack.
        engine: the engine that runs it, one of `ENGINES`.
        seed: seed of the recipe's random draws.
        threads: of the CPU.
        store: the store for outcomes, or None.
        identity, key: all that decides the outcomes, and its hash.
        notes: sentences for the table's caption.
    """

    given: Given
    texts: Texts
    examples: tuple[Example, ...]
    recipe: Recipe
    resources: Resources
    engine: str
    seed: int
    threads: int
    store: Store | None
    identity: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return content_key(self.identity)

    def stored(self) -> list[Outcome]:
        """The outcomes so far."""
        return [] if self.store is None else self.store.outcomes(self.key)

    def run(
        self, on_outcome: Callable[[], None] = lambda: None, on_queries: Callable[[int], None] = lambda queries: None
    ) -> Attacked:
        """Attack the texts without an outcome and return all outcomes, in order; each is stored at once.

        Args:
            on_outcome: called after each text.
            on_queries: called with the number of queries made, also within a text; only by the suite's own engine.
        Raises:
            UserError: if another process is running the same attack.
        """
        with self._lock(), cpu_threads(self.threads):
            found = {outcome.example_id: outcome for outcome in self.stored()}
            started, clock = datetime.now(timezone.utc), time.perf_counter()
            told = {"on_queries": on_queries} if self.engine == engine.ENGINE else {}
            for outcome in self._attack([example for example in self.examples if example.id not in found], told):
                found[outcome.example_id] = outcome
                if self.store is not None:
                    self.store.append_outcome(self.key, outcome)
                on_outcome()
            record = None if self.store is None else self.store.attack(self.key)
            if record is None:
                record = self._record(started, time.perf_counter() - clock)
                if self.store is not None:
                    self.store.put_attack(record)
        return Attacked(record, tuple(found[example.id] for example in self.examples), self.notes)

    def _lock(self) -> AbstractContextManager[None]:
        return nullcontext() if self.store is None else self.store.locked("attacks", self.key)

    def _attack(self, examples: Sequence[Example], told: dict[str, Any]) -> Iterator[Outcome]:
        how: dict[str, Any] = {"seed": self.seed, "columns": self.texts.columns} | told
        return ENGINES[self.engine](self.given.victim, examples, self.recipe, self.resources, **how)

    def _record(self, started: datetime, seconds: float) -> AttackRecord:
        return AttackRecord(
            key=self.key,
            identity=self.identity,
            training_key=self.identity["model"],
            task=self.texts.name,
            defense=self.given.name,
            seed=self.seed,
            recipe=self.recipe.key,
            recipe_title=self.recipe.title,
            profile=self.resources.describe(self.recipe) if self.recipe.library is None else self.recipe.note,
            example_ids=[example.id for example in self.examples],
            seconds=seconds,
            engine=self.engine,
            machine=machine_description() | products_of(self.given.victim),
            versions=versions() | git_state(),
            started_at=started.isoformat(timespec="seconds"),
        )


def chosen_recipe(
    recipe: str | Recipe,
    query_budget: int | str | None,
    engine_name: str,
    *,
    score: str | None = None,
    width: int | None = None,
    restarts: int | None = None,
) -> tuple[Recipe, str]:
    """The recipe with a query budget and a search, and its engine: TextAttack's for its own recipes.

    Args:
        query_budget: most queries for one text, or for each of its words, "50/word"; None for the recipe's own.
        score, width, restarts: of the search; None for the recipe's own.
    Raises:
        UserError: for an unknown recipe or engine, or a search that the engine does not have.
    """
    found = (find_recipe(recipe) if isinstance(recipe, str) else recipe).budgeted(query_budget)
    if (score, width, restarts) != (None, None, None):
        found = found.searching(score, width, restarts)
    if engine_name not in ENGINES:
        raise unknown("engine", engine_name, ENGINES)
    runner = reference.ENGINE if found.library is not None else engine_name
    if runner == reference.ENGINE:
        reference.require_known_search(found)
    return found, runner


def prepare_attack(
    given: Given,
    texts: Texts,
    recipe: Recipe,
    resources: Resources,
    *,
    engine: str,
    seed: int,
    threads: int,
    max_words: int,
    out: Path | None,
    wait: bool = True,
) -> TextAttack:
    """Check everything that an attack needs.

    Args:
        max_words: most words of a text.
        out: folder for the outcomes, or None to keep them in memory alone.
        wait: whether to wait if another process is running the same attack, instead of raising an error.
    Raises:
        UserError: for a label that is no class, a recipe that lacks a resource, or a function that is to be stored.
    """
    require(threads >= 1, "threads", "1 or more", threads)
    check_threads(threads)
    resources = resources.with_alphabet(texts.texts)
    recipe = resources.fitted(recipe, is_model=not isinstance(given.victim, CallableVictim))
    resources.check(recipe)
    require_model(given.victim, recipe)
    if out is not None and given.identity is None:
        raise UserError(
            f"outcomes of the function {given.name} cannot be stored, since what it answers may change unseen; leave "
            f"out the folder, and keep outcomes with to_pandas().to_csv(...)"
        )
    examples, note = texts.examples(given.classes)
    require_words(examples, max_words)
    if recipe.proposals and resources.proposals is not None:
        resources.proposals.require_all(examples)
    if isinstance(given.victim, GuardedVictim) and engine == reference.ENGINE:
        raise UserError(f"TextAttack's loop knows no guards, and {given.name} has one; leave out --engine")
    identity = {
        "schema": SCHEMA,
        "model": given.name if given.identity is None else content_key(given.identity),
        "max_length": given.max_length,
        "temperature": given.victim.temperature,
        "data": fingerprint(examples),
        "columns": list(texts.columns),
        "recipe": recipe.identity(),
        "resources": resources.identity(recipe),
        "seed": seed,
        "engine": engine,
    }
    if threads != 1:
        identity["threads"] = threads
    store = None if out is None else Store(out, waits=wait)
    notes = (*([] if note is None else [note]), *given.notes)
    if recipe.score == "margin" and isinstance(given.victim, CallableVictim):
        notes = (
            *notes,
            f"Margins are of log-probabilities, since a function gives no logits; {FLOOR:.1e} is the least.",
        )
    return TextAttack(given, texts, tuple(examples), recipe, resources, engine, seed, threads, store, identity, notes)


def fitted_temperature(given: Given, attacked: Texts, held_out: Texts) -> float:
    """The temperature that fits a victim's confidence to texts that are not attacked.

    Raises:
        UserError: if one of these texts is also attacked.
    """
    shared = len(set(attacked.texts) & set(held_out.texts))
    require(not shared, "--calibrate", "a file of texts that are not attacked", f"{shared} that are")
    examples, _ = held_out.examples(given.classes)
    probabilities = given.victim(held_out.texts)
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    return fit_temperature(logits, np.array([example.label for example in examples]))
