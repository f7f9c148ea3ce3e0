"""A trained model's numbers in the forms that others read.

- The `model-index` block at the head of a model card, and `.eval_results/*.yaml`, which the Hugging Face Hub reads.
- A record of Every Eval Ever, with a sample for each attacked text. Source: github.com/evaleval/every_eval_ever,
  schemas of version 0.3.0.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult
from huggingface_hub.repocard_data import eval_results_to_model_index
from huggingface_hub.utils import yaml_dump

from benchmarks.attacks.recipes import RECIPES
from benchmarks.data.plain_files import write_atomically
from benchmarks.data.tasks import TASKS, Task, title_of
from benchmarks.results.records import Outcome
from benchmarks.results.store import Store, canonical
from reports.row import NAME_LETTERS, Row, RowAttack
from reports.statistics import Estimate

FOLDER = "published"
SCHEMA = "0.3.0"
SUITE = "earlyrobust"


def write_outside_formats(store: Store, rows: Sequence[Row]) -> list[Path]:
    """Write the files of each model of some rows into `published/` in the folder of results, and return that folder."""
    folder = store.root / FOLDER
    for row in rows:
        for seed in row.trainings:
            one = of_one_model(row, seed)
            home = folder / model_name(one)
            write_atomically(home / "model-index.yaml", model_index(one))
            if (entries := hub_results(one)) is not None:
                write_atomically(home / ".eval_results" / f"{SUITE}.yaml", entries)
            outcomes = {attack.key: store.outcomes(attack.runs[seed].key) for attack in one.attacks}
            for path, text in every_eval_ever(one, outcomes).items():
                write_atomically(folder / path, text)
    return [folder] if rows else []


def of_one_model(row: Row, seed: int) -> Row:
    """The row with one of its trainings, and the attacks on that model."""
    attacks = [replace(attack, runs={seed: attack.runs[seed]}) for attack in row.attacks if seed in attack.runs]
    return replace(row, trainings={seed: row.trainings[seed]}, attacks=tuple(attacks))


def model_name(row: Row) -> str:
    """A name for the model of a row of one training."""
    ((seed, run),) = row.trainings.items()
    return f"{row.task}-{row.defense}-{seed}-{run.key[:NAME_LETTERS]}"


def model_index(row: Row) -> str:
    """The `model-index` block of a model card, YAML."""
    hub = _hub(row)
    common: dict[str, Any] = {
        "task_type": "text-classification",
        "task_name": "Text Classification",
        "dataset_type": hub.get("id", _plain(row.task)),
        "dataset_name": _plain(title_of(row.task)),
        "dataset_config": hub.get("config"),
        "dataset_split": hub.get("split"),
        "dataset_revision": hub.get("revision"),
        "source_url": row.link,
        "source_name": "Records and outcomes" if row.link else None,
    }
    results = [
        EvalResult(
            metric_type="accuracy", metric_name=name, metric_value=round(found.value, 4), metric_args=args, **common
        )
        for _, name, found, args in _numbers(row)
    ]
    return yaml_dump({"model-index": eval_results_to_model_index(model_name(row), results)})


def hub_results(row: Row) -> str | None:
    """The entries of a file in `.eval_results/`, YAML; None for a task that is not on the Hub."""
    hub = _hub(row)
    if not hub:
        return None
    ((_, run),) = row.trainings.items()
    source = {"source": {"url": row.link, "name": "Records and outcomes"}} if row.link else {}
    entries = [
        {
            "dataset": {"id": hub["id"], "task_id": task, "revision": hub["revision"]},
            "value": round(found.value, 4),
            "date": run.started_at,
            **source,
            "notes": f"{name}; {args['texts']} texts of the split {hub['split']}; resources: {args['resources']}",
        }
        for task, name, found, args in _numbers(row)
    ]
    return yaml_dump(entries)


def _hub(row: Row) -> dict[str, Any]:
    """The data set's place on the Hub; empty for a task that is not there."""
    hub = TASKS[row.task].hub if row.task in TASKS else None
    if hub is None:
        return {}
    return {"id": hub.repository, "config": hub.configuration, "split": hub.test, "revision": hub.revision}


def _numbers(row: Row) -> Iterator[tuple[str, str, Estimate, dict[str, Any]]]:
    """Identifier, name, value and conditions of each percentage of a row of one model."""
    clean = row.clean_percent
    yield row.task, "Accuracy, %", clean, {"texts": clean.texts, "resources": "none"}
    for attack in row.attacks:
        recipe = attack.recipe if attack.recipe in RECIPES else _plain(attack.recipe)
        args = {"texts": attack.count, "recipe": recipe, "attack": attack.key, "resources": _plain(attack.profile)}
        yield f"{row.task}_{recipe}", f"Accuracy under attack by {_plain(attack.title)}, %", attack.aua_percent, args


def _plain(name: str) -> str:
    """A name without characters that YAML, Markdown or a terminal may read as more than text, and without addresses."""
    return re.sub(r"[^\w ,;:%()+'.-]|(?<=[^\W\d])\.(?=[^\W\d])", "_", name)


def every_eval_ever(row: Row, outcomes: Mapping[str, Sequence[Outcome]]) -> dict[str, str]:
    """The record of a model and its samples, by path in the layout of the data store.

    Args:
        row: of one training.
        outcomes: of each attack, by its key.
    """
    ((_, run),) = row.trainings.items()
    developer = re.sub(r"[^\w.-]+", "-", row.by).strip("-.") or SUITE
    name, when = model_name(row), datetime.fromisoformat(run.started_at).timestamp()
    benchmark = f"{SUITE}_{row.task}"
    place = f"data/{benchmark}/{developer}/{name}"
    digest = hashlib.sha256(f"{place}/{run.weights_sha256}".encode()).digest()
    file = f"{place}/{uuid.UUID(bytes=digest[:16], version=4)}"
    about = {"evaluation_id": f"{benchmark}/{developer}/{name}/{when}", "model_id": f"{developer}/{name}"}
    samples = [line for attack in row.attacks for line in _samples(row, attack, outcomes[attack.key], about)]
    text = "".join(f"{canonical(sample)}\n" for sample in samples)
    record = {
        "schema_version": SCHEMA,
        "evaluation_id": about["evaluation_id"],
        "evaluation_timestamp": run.started_at,
        "retrieved_timestamp": str(when),
        "source_metadata": {
            "source_name": "EarlyRobust",
            "source_type": "evaluation_run",
            "source_organization_name": row.by,
            "evaluator_relationship": "first_party",
        },
        "eval_library": {"name": SUITE, "version": version(SUITE), "additional_details": {"commit": run.commit}},
        "model_info": {
            "name": f"{row.title} on {title_of(row.task)}",
            "id": about["model_id"],
            "developer": row.by,
            "additional_details": {
                "deployment_type": "self_deployed",
                "model_availability": "open_weights" if row.link else "unknown",
                "weights_sha256": str(run.weights_sha256),
                "settings": canonical(row.settings),
                "conditions": canonical(row.surroundings),
            },
        },
        "evaluation_results": [_result(row, *each) for each in _numbers(row)],
    }
    if samples:
        record["detailed_evaluation_results"] = {
            "format": "jsonl",
            "file_path": f"{file}_samples.jsonl",
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(text.encode()).hexdigest(),
            "total_rows": len(samples),
        }
    home = "every_eval_ever"
    found = {f"{home}/{file}.json": json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"}
    return found | ({f"{home}/{file}_samples.jsonl": text} if samples else {})


def _result(row: Row, identifier: str, name: str, found: Estimate, args: Mapping[str, Any]) -> dict[str, Any]:
    hub = _hub(row)
    source: dict[str, Any] = {"dataset_name": title_of(row.task), "source_type": "hf_dataset" if hub else "other"}
    if hub:
        source |= {"hf_repo": hub["id"], "hf_split": hub["split"], "samples_number": args["texts"]}
    source["additional_details"] = {"sha256": str(row.surroundings.get("data"))}
    interval = {"lower": found.low, "upper": found.high, "confidence_level": 0.95, "method": "bootstrap over texts"}
    return {
        "evaluation_result_id": _result_id(identifier, args.get("attack")),
        "evaluation_name": identifier,
        "source_data": source,
        "metric_config": {
            "evaluation_description": name,
            "metric_id": "accuracy" if identifier == row.task else f"{SUITE}.accuracy_under_attack",
            "metric_name": name,
            "metric_kind": "accuracy",
            "metric_unit": "percent",
            "metric_parameters": dict(args),
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0,
            "max_score": 100,
        },
        "score_details": {
            "score": found.value,
            "uncertainty": {"confidence_interval": interval, "num_samples": found.texts},
        },
    }


def _result_id(identifier: str, attack: str | None) -> str:
    """A name that distinguishes two attacks by one recipe."""
    return identifier if attack is None else f"{identifier}_{attack[:NAME_LETTERS]}"


def _samples(
    row: Row, attack: RowAttack, outcomes: Sequence[Outcome], about: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """A sample for each attacked text: the text, what the attack made of it, and whether that is read rightly."""
    task = TASKS.get(row.task)
    for outcome in outcomes:
        right, label = outcome.status == "failed", _class(task, outcome.label)
        answer = label if right else "no answer" if outcome.status == "error" else f"not {label}"
        raw, attacked = "\n".join(outcome.original), "\n".join(outcome.perturbed)
        yield {
            "schema_version": SCHEMA,
            **about,
            "evaluation_name": f"{row.task}_{attack.recipe}",
            "evaluation_result_id": _result_id(f"{row.task}_{attack.recipe}", attack.key),
            "sample_id": outcome.example_id,
            "sample_hash": hashlib.sha256(f"{raw}{label}".encode()).hexdigest(),
            "interaction_type": "single_turn",
            "input": {
                "raw": raw,
                "formatted": attacked,
                "reference": [label],
                "choices": list(task.label_names) if task else None,
            },
            "output": {"raw": [answer]},
            "answer_attribution": [
                {
                    "turn_idx": 0,
                    "source": "output.raw",
                    "extracted_value": answer,
                    "extraction_method": "most probable class",
                    "is_terminal": True,
                }
            ],
            "evaluation": {"score": float(right), "is_correct": right},
            "error": outcome.error,
            "metadata": {
                "attack": attack.recipe,
                "status": outcome.status,
                "queries": str(outcome.queries),
                "words_changed": str(outcome.words_changed),
            },
        }


def _class(task: Task | None, label: int) -> str:
    return task.label_names[label] if task is not None and label < len(task.label_names) else f"label {label}"
