"""Evaluate external victims on sets of texts that show robustness without an attack."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baselines.threads import cpu_threads
from benchmarks.data.attack_free import AttackFreeSet
from benchmarks.data.examples import Example
from benchmarks.data.loading import fingerprint
from benchmarks.jobs.context import Context
from benchmarks.jobs.evaluate import External, described, evaluate, evaluation_identity, opened, stored_evaluation
from benchmarks.results.metrics import right_answers
from benchmarks.results.records import EvaluationRecord
from benchmarks.results.store import content_key
from benchmarks.victims.external import PROBED, CallableVictim
from benchmarks.victims.guarded import judge


def evaluate_set(context: Context, external: External, task: str, chosen: AttackFreeSet) -> EvaluationRecord:
    """Evaluate a victim on a set and on its originals, where these are known, and store both.

    Stored evaluations are not repeated. The record's identity names that of the originals as `original`.

    Raises:
        UserError: if the victim does not fit the task, or does not answer with probabilities.
    """
    about = {"title": chosen.title, **chosen.about}
    original: dict[str, str] = {}
    if chosen.originals is not None:
        if chosen.originals == tuple(context.tasks[task].dataset.test):
            (unchanged,) = evaluate(context, external, task, calibrate=False)
        else:
            unchanged = _evaluated(context, external, task, chosen.originals, {"originals_of": about})
        original = {"original": unchanged.key}
    return _evaluated(context, external, task, chosen.examples, {"set": about} | original)


def _evaluated(
    context: Context, external: External, task: str, examples: Sequence[Example], which: dict
) -> EvaluationRecord:
    identity = evaluation_identity(context, external, task) | {"data": fingerprint(examples)} | which
    key = content_key(identity)
    with context.store.locked("evaluations", key):
        stored = context.store.evaluation(key)
        if stored is not None:
            return stored
        victim, notes = opened(external, context.tasks[task], 1.0)
        texts = [example.texts for example in examples]
        if isinstance(victim, CallableVictim):
            victim.require_repeatable(texts[:PROBED])
        with cpu_threads(1):
            classes = judge(victim, texts).decided
        right = right_answers(classes, np.array([example.label for example in examples]))
        return stored_evaluation(context, external, described(external, notes), identity, right, None)
