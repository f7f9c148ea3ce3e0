"""Export a trained model from a folder of results: weights, tokenizer and a card with its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from baselines.validation import UserError
from benchmarks.attacks.recipes import RECIPES
from benchmarks.data.tasks import title_of
from benchmarks.jobs.stored_models import find_training, load_stored, open_store
from benchmarks.results.metrics import asr_percent, aua_percent, mean_queries, too_many_broke
from benchmarks.results.records import TrainingRecord
from benchmarks.results.store import Store, write_atomically
from benchmarks.victims.saved import save_classifier
from reports.attack_groups import place
from reports.comparability import attack_departures, departures
from reports.frame import AttackResult, counted_seconds
from reports.listings import flat
from reports.measured import measure
from reports.outside_formats import model_index
from reports.row import row_of
from reports.tables import Column, Number, Table, markdown_text

CARD = "README.md"

HEAD = """---
library_name: transformers
pipeline_tag: text-classification
{model_index}---

# {title} on {task}, seed {seed}

{watermark}

## Open it

{opening}
"""

PLAIN_OPENING = """```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

model = AutoModelForSequenceClassification.from_pretrained(".")
tokenizer = AutoTokenizer.from_pretrained(".")
```"""

PRUNED_OPENING = """Its ticket left layers of unequal shapes ({kept:.1f} % of the parameters are kept), which
transformers' own loader refuses; the suite's rebuilds them from the indices in `config.json`.

```python
from pathlib import Path

from benchmarks.victims.saved import load_classifier
from transformers import AutoTokenizer

model = load_classifier(Path("."))
tokenizer = AutoTokenizer.from_pretrained(".")
```"""


def export(
    out: Path,
    folder: Path,
    defense: str | None = None,
    task: str | None = None,
    seed: int | None = None,
    key: str | None = None,
) -> list[Path]:
    """Write a stored model, its tokenizer and its card into `folder`, and return the files.

    Args:
        out: the folder of results.
        defense, task, seed, key: which training; see `benchmarks.jobs.stored_models.load`.
    Raises:
        UserError: if the folder is not empty, or if no training or several match.
        MachineError: if the weights are not the trained ones, or cannot be written.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"the folder {folder} is there already and not empty; give a new one with --to")
    store = open_store(out)
    training = find_training(store, defense, task, seed, key=key)
    model, tokenizer = load_stored(store, training)
    save_classifier(model, folder, tokenizer)
    write_atomically(folder / CARD, model_card(training, attacks_on(store, training)))
    return sorted(path for path in folder.iterdir() if path.is_file())


def attacks_on(store: Store, training: TrainingRecord) -> list[AttackResult]:
    """The finished attacks on a training's weights."""
    results = [
        AttackResult(record, store.outcomes(record.key))
        for record in sorted(store.attacks(), key=lambda each: place(list(RECIPES), each.recipe))
        if record.training_key == training.key and store.victim(record.key) in (None, training.weights_sha256)
    ]
    return [result for result in results if result.complete and not too_many_broke(result.outcomes)]


def model_card(training: TrainingRecord, attacks: Sequence[AttackResult]) -> str:
    """The card in Markdown: how to open the model, its results, and how they were measured."""
    unlike = departures(training)
    for result in attacks:
        unlike += attack_departures(result.record, training.task)
    why = markdown_text("; ".join(dict.fromkeys(unlike)))
    watermark = f"**NOT COMPARABLE WITH THE PAPER**: {why}." if unlike else ""
    pruned = training.parameters_kept != training.parameters_before
    kept = 100 * training.parameters_kept / training.parameters_before
    (cell,) = measure({training.key: training}, attacks)
    head = HEAD.format(
        model_index=model_index(row_of(cell)),
        title=markdown_text(training.title),
        task=markdown_text(title_of(training.task)),
        seed=training.seed,
        watermark=watermark,
        opening=PRUNED_OPENING.format(kept=kept) if pruned else PLAIN_OPENING,
    )
    sections = (_numbers(training, attacks, kept), _provenance(training), *map(_attack_provenance, attacks))
    return "\n".join([head, *(f"#{section.to_markdown()}" for section in sections)])


def _numbers(training: TrainingRecord, attacks: Sequence[AttackResult], kept: float) -> Table:
    columns = (
        Column("Attack", "attack", False),
        *(Column(name, name) for name in ("Texts", "Clean %", "Aua %", "ASR %", "#Query")),
    )
    clean = Number(100 * training.clean_correct.count("1") / len(training.clean_correct))
    rows: list[tuple[Number | str, ...]] = [("none", Number(len(training.clean_correct), digits=0), clean, "", "", "")]
    for result in attacks:
        percents = (aua_percent(result.outcomes), asr_percent(result.outcomes), mean_queries(result.outcomes))
        texts = Number(len(result.outcomes), digits=0)
        rows.append((result.record.recipe_title, texts, "", *map(Number, percents)))
    seconds = counted_seconds([training]).get(training.seed)
    time = "not counted" if seconds is None else f"{seconds:.1f} s ({training.clock} clock)"
    caption = (f"One run. Training time: {time}. Parameters kept: {kept:.1f} %.",)
    return Table("Numbers", columns, tuple(rows), caption)


def _provenance(training: TrainingRecord) -> Table:
    rows = [
        ("training record", training.key),
        ("weights, SHA-256", str(training.weights_sha256)),
        ("started at", training.started_at),
        ("flags", "; ".join([*training.flags, *training.invalid]) or "none"),
        *flat(training.identity),
        *((f"machine: {name}", value) for name, value in flat(training.machine)),
        *((f"version: {name}", value) for name, value in flat(training.versions)),
    ]
    return _facts("Provenance", rows)


def _attack_provenance(result: AttackResult) -> Table:
    record = result.record
    rows = [
        ("attack record", record.key),
        ("resources", record.profile),
        ("engine", record.engine),
        ("attacked texts", f"{len(record.example_ids)}, a subset with the hash {record.identity.get('examples')}"),
        ("started at", record.started_at),
    ]
    return _facts(record.recipe_title, rows)


def _facts(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    return Table(title, (Column("Fact", "fact", False), Column("Value", "value", False)), tuple(rows))
