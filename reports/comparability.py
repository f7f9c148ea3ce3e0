"""Whether a run is comparable with the paper's numbers, judged by its record and not by the preset's name."""

from __future__ import annotations

from benchmarks.data.tasks import TASKS
from benchmarks.results.records import AttackRecord, TrainingRecord
from reports.measured import AttackRuns, Measured

PAPER_EPOCHS = 10
BERT_BASE_PARAMETERS = 109_482_240
HEAD_PARAMETERS_PER_CLASS = 769
TRAINING_TEXTS = {"imdb": 25_000, "ag_news": 120_000, "sst2": 67_349, "qnli": 104_743, "qqp": 363_846}
TEST_TEXTS = {"imdb": 25_000, "ag_news": 7_600, "sst2": 872, "qnli": 5_463, "qqp": 40_430}


def departures(record: TrainingRecord) -> list[str]:
    """How a training's size differs from the paper's, in a few words each; empty if it is comparable.

    Source: Xi et al., EMNLP 2022, section 4; batch sizes from WooooDyy/EarlyRobust.
    """
    task = TASKS.get(record.task)
    if task is None or record.task not in TRAINING_TEXTS:
        return [f"{task.title if task else record.task} is no data set of the paper"]
    identity, found = record.identity, []
    if record.parameters_before != BERT_BASE_PARAMETERS + HEAD_PARAMETERS_PER_CLASS * len(task.label_names):
        found.append(f"a backbone of {record.parameters_before / 1e6:.0f} M parameters for BERT-base")
    batch_size = identity.get("batch_size", task.batch_size)
    texts = max((stage["updates_per_epoch"] * batch_size for stage in record.stages), default=0)
    if abs(texts - TRAINING_TEXTS[record.task]) >= batch_size:
        found.append(f"about {texts} training texts for {TRAINING_TEXTS[record.task]}")
    if len(record.clean_correct) != TEST_TEXTS[record.task]:
        found.append(f"{len(record.clean_correct)} test texts for {TEST_TEXTS[record.task]}")
    epochs = identity.get("settings", {}).get("epochs", PAPER_EPOCHS)
    for name, value, paper in (
        ("epochs", epochs, PAPER_EPOCHS),
        ("texts in a batch", batch_size, task.batch_size),
        ("tokens", identity.get("max_length", task.max_length), task.max_length),
    ):
        if value != paper:
            found.append(f"{value:g} {name} for {paper}")
    return found


def attack_departures(attack: AttackRuns | AttackRecord, task: str) -> list[str]:
    """How an attack differs from the paper's: the number of texts, and the resources."""
    found = []
    if task in TRAINING_TEXTS and len(attack.example_ids) != TASKS[task].attacked:
        found.append(f"{len(attack.example_ids)} attacked texts for {TASKS[task].attacked}")
    if attack.identity.get("resources", {}).get("profile") != "full":
        found.append("attacks in the offline profile")
    return found


def cell_departures(cell: Measured) -> list[str]:
    """All departures of a defense's runs and of the attacks on them, without repetition."""
    runs = (departures(record) for record in cell.trainings.values())
    attacks = (attack_departures(attack, cell.task) for attack in cell.attacks)
    return list(dict.fromkeys(sentence for found in (*runs, *attacks) for sentence in found))
