"""Check the integrity of a results folder: hashes, keys, completeness, and plausible outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from baselines.validation import UserError
from benchmarks.results.metrics import broken_among
from benchmarks.results.records import AttackRecord, EvaluationRecord, Outcome, TrainingRecord
from benchmarks.results.seals import broken_seals
from benchmarks.results.store import KINDS, Damaged, Store, content_key, unlike_plan


@dataclass(frozen=True)
class Finding:
    """A problem in a results folder.

    Attributes:
        place: the training, attack or file, by its path in the store.
        what: the problem, in words.
    """

    place: str
    what: str


def verify(store: Store) -> list[Finding]:
    """All problems in a store, tables last; empty for an intact and finished one. Nothing is changed.

    Every file is read in full, also weights. A training or attack without a record is unfinished, which is a problem.

    Raises:
        UserError: if the folder is no store.
    """
    folder = store.root
    if not any((folder / kind).is_dir() for kind in KINDS):
        raise UserError(f"the folder {folder} holds no results; name one that 'reproduce', 'run' or 'attack' wrote")
    found = []
    for kind, complaints in (
        ("trainings", _training_complaints),
        ("evaluations", _evaluation_complaints),
        ("attacks", _attack_complaints),
    ):
        for key in store.keys(kind):
            found += [Finding(f"{kind}/{key}", what) for what in _or_damage(complaints(store, key))]
    inside = store.of_training_texts()
    for key in inside.keys("attacks"):
        place = f"{inside.root.name}/attacks/{key}"
        found += [Finding(place, what) for what in _or_damage(_text_complaints(store, inside, key))]
    return found + [Finding(name, what) for name, what in broken_seals(folder)]


def _or_damage(complaints: Iterator[str]) -> Iterator[str]:
    try:
        yield from complaints
    except Damaged as damage:
        yield damage.fact
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        yield f"its record is malformed: {error!r}"


def _training_complaints(store: Store, key: str) -> Iterator[str]:
    record = store.training(key)
    if record is None:
        yield "unfinished: there is no record; repeat the command that began it"
        return
    yield from _disagreements(record, ("task", "defense", "seed"))
    if record.status == "failed":
        yield f"unfinished: it {record.error}; the command that began it redoes it"
    if record.status != "finished":
        if record.weights_sha256 is not None:
            yield f"{record.status}, and yet it names weights"
        return
    if not record.clean_correct or not set(record.clean_correct) <= {"0", "1"}:
        yield "its answers to the test texts are not a row of 0 and 1"
    if any(stage["updates"] != len(stage["losses"]) for stage in record.stages):
        yield "a stage has more or fewer losses than updates"
    yield from filter(None, (store.texts_complaint(record), store.model_complaint(record)))


def _evaluation_complaints(store: Store, key: str) -> Iterator[str]:
    record = store.evaluation(key)
    if record is None:
        yield "unfinished: there is no record; repeat the command that began it"
        return
    yield from _disagreements(record, ("task", "temperature"))
    if not record.clean_correct or not set(record.clean_correct) <= {"0", "1"}:
        yield "its answers to the test texts are not a row of 0 and 1"


def _disagreements(record: TrainingRecord | EvaluationRecord | AttackRecord, names: tuple[str, ...]) -> Iterator[str]:
    """Values in a record that contradict its identity."""
    for name in names:
        if name in record.identity and record.identity[name] != getattr(record, name):
            yield f"its {name} is {getattr(record, name)!r}, its identity says {record.identity[name]!r}"


def _attack_complaints(store: Store, key: str) -> Iterator[str]:
    record = store.planned_attack(key)  # before its outcomes, since another process may be writing
    outcomes = store.outcomes(key)
    yield from _broken_outcomes(store, key, outcomes)
    found = [outcome.example_id for outcome in outcomes]
    if record is None:
        yield f"unfinished: {len(outcomes)} outcomes and no record; repeat the command that began it"
        yield from unlike_plan(found, found)
        return
    yield from unlike_plan(record.example_ids, found)
    if record.identity.get("examples") not in (None, content_key({"ids": record.example_ids})):
        yield "its planned texts are not those its identity names"
    yield from _against_victim(store, record)
    if broken := broken_among(outcomes):
        yield f"{broken}; the command that made it attacks them again"


def _text_complaints(store: Store, inside: Store, key: str) -> Iterator[str]:
    """Problems of an attack on training texts; the trainings that used them record its results."""
    record = inside.planned_attack(key)  # older ones have none
    outcomes = inside.outcomes(key)
    yield from _broken_outcomes(inside, key, outcomes)
    found = [outcome.example_id for outcome in outcomes]
    yield from unlike_plan(found if record is None else record.example_ids, found)
    trained = [record for record in _sound_trainings(store) if _attack_on_texts(record) == key]
    if not trained:
        yield f"unfinished: {len(outcomes)} outcomes and no training that took them up; repeat the command"
    for record in trained:
        base = store.training(record.identity["adversarial_texts"]["base"])
        if base is None:
            yield "the training that it attacked is not there"
        elif inside.victim(key) not in (None, base.weights_sha256):
            yield f"it attacked other weights than the training {base.key} has now"


def _attack_on_texts(record: TrainingRecord) -> str | None:
    """The key of the attack that made a training's texts."""
    attack = record.identity.get("adversarial_texts")
    return None if attack is None else content_key(attack)


def _sound_trainings(store: Store) -> Iterator[TrainingRecord]:
    """The records that can be read; the others have a problem of their own."""
    for key in store.keys("trainings"):
        with suppress(Damaged):
            record = store.training(key)
            if record is not None:
                yield record


def _broken_outcomes(store: Store, key: str, outcomes: list[Outcome]) -> Iterator[str]:
    """Problems of outcomes, independent of the plan."""
    if store.outcomes_path(key).is_file() and not store.ends_whole(key):
        yield "the last outcome was not written to its end"
    for outcome in outcomes:
        yield from _impossible(outcome)


def _impossible(outcome: Outcome) -> Iterator[str]:
    """Values that no attack could have given."""
    name = outcome.example_id
    if outcome.status not in ("skipped", "failed", "successful", "error"):
        yield f"{name} has the unknown status {outcome.status!r}"
    if outcome.status in ("failed", "successful") and outcome.queries < 1:
        yield f"{name} was attacked without a query"
    if outcome.status == "skipped" and (outcome.queries or outcome.original != outcome.perturbed):
        yield f"{name} was skipped, and yet queried or changed"
    if outcome.certificate is not None and outcome.certificate["contradicted"]:
        yield f"{name} has a certificate of {outcome.certificate['radius']} words that its attack refuted"
    if (outcome.status == "error") != (outcome.error is not None):
        yield f"{name} has a traceback without being an error, or the other way round"


def _against_victim(store: Store, record: AttackRecord) -> Iterator[str]:
    if "evaluation" in record.identity:
        if record.identity["evaluation"] != record.training_key:
            yield "it names another evaluation than its identity does"
        if store.evaluation(record.training_key) is None:
            yield f"the evaluation {record.training_key} of the victim that it attacked is not there"
        return
    if "model" in record.identity:
        return  # an attack on a user's classifier, which is stored elsewhere
    if record.identity.get("training") != record.training_key:
        yield "it names another training than its identity does"
    training = store.training(record.training_key)
    if training is None:
        yield f"the training {record.training_key} that it attacked is not there"
    elif store.victim(record.key) not in (None, training.weights_sha256):
        yield f"it attacked other weights than the training {record.training_key} has now"
