"""Makes `tests/data/small_store` again: a small real run of several experiments on a tiny encoder, without weights.

`PYTHONPATH=. python tests/support/make_small_store.py FOLDER` goes on where it was stopped. Then take the folder's
`trainings` and `attacks` over and run the tests with `--renew-tables`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.options import Options
from benchmarks.jobs.plan import look_up
from benchmarks.jobs.resolve import resolve
from benchmarks.jobs.run import run
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.saved import save_classifier
from reports.experiments import report_on
from reports.tables import write_table

SIZE = {"preset": "demo", "train_texts": 160, "test_texts": 50, "attacked": 6, "threads": 1}
RUNS = {
    "table1": {
        "runs": 2,
        "recipes": "textfooler,bertattack_official",
        "defenses": "fine_tune,pgd,freelb,early_robust",
    },
    "table3": {"runs": 1, "recipes": "textfooler"},
    "figure2": {"runs": 1},
    "figure3": {"runs": 1, "recipes": "textfooler", "variants": "gamma=0.3,gamma=0.1"},
    "figure5": {"runs": 2},
}
LEFT_OUT = ("trainings/*/model", "trainings/*/checkpoints", "locks", "tokens", "*.html", "*.svg", "*.pdf", "*.png")
WITHOUT_TRAINING = (("reproduce", "table6", "--preset", "demo"), ("report", "--examples", "0"))


def make_backbone(folder: Path) -> Path:
    """Save a random four-layer BERT with MiniLM's words and return its folder."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128}
    config = BertConfig(**sizes, initializer_range=0.1)
    save_classifier(BertForSequenceClassification(config), folder, find_backbone("minilm").load_tokenizer())
    return folder


def main(folder: Path) -> None:
    """Train and attack what is not there, write the tables, and throw away what no reader of records needs."""
    os.chdir(folder.parent)  # captions name the backbone as it is given, and no folder of this machine
    folder, backbone = Path(folder.name), make_backbone(Path("tiny_encoder"))
    for key, asked in RUNS.items():
        options = Options(out=folder, backbone=str(backbone), **SIZE, **asked)
        study = resolve(options, EXPERIMENTS[key])
        for job in look_up(study.store, study.jobs).left:
            run(study.context, job, lambda: None)
            print(key, job.label, flush=True)
        write_table(report_on(study).table, folder, key)
    for arguments in WITHOUT_TRAINING:
        subprocess.run([sys.executable, "-m", "earlyrobust", *arguments, "--out", folder], check=True)
    for pattern in LEFT_OUT:
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
