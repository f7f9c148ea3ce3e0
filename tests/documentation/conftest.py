"""A folder that holds everything the documentation's commands name, small."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from pathlib import Path

import pytest
from demo_jobs import attack_on, context_of, job_of

from benchmarks.attacks.recipes import find_recipe
from benchmarks.experiments.options import Options
from benchmarks.jobs.train import train
from reports.model_card import export

SENTENCES = [f"a {word} film number {number}" for number in range(24) for word in ("good", "bad")]

# Task, file, header, and how a row is written.
FILES = [
    ("sst2", "train.tsv", "sentence\tlabel", "{text}\t{label}"),
    ("sst2", "validation.tsv", "sentence\tlabel", "{text}\t{label}"),
    ("qnli", "train.tsv", "question\tsentence\tlabel", "who is it\t{text}\t{entails}"),
    ("qnli", "validation.tsv", "question\tsentence\tlabel", "who is it\t{text}\t{entails}"),
    ("ag_news", "train.csv", None, '{topic},"{text}","{text}"'),
    ("ag_news", "test.csv", None, '{topic},"{text}","{text}"'),
    ("imdb", "train.csv", "text,label", '"{text}",{label}'),
    ("imdb", "test.csv", "text,label", '"{text} {long}",{label}'),
    ("reviews", "train.csv", "text,label", '"{text}",{word}'),
    ("reviews", "test.csv", "text,label", '"{text}",{word}'),
    ("questions", "train.csv", "question,answer,right", 'is it,"{text}",{label}'),
    ("questions", "test.csv", "question,answer,right", 'is it,"{text}",{label}'),
]


MINE = '''"""A defense, and a function from texts to probabilities."""

from dataclasses import dataclass

import numpy as np
from torch.nn.functional import cross_entropy

from baselines.defense import Defense


@dataclass(frozen=True, kw_only=True)
class Mine(Defense, key="mine"):
    """Fine-tuning. Source: a test."""

    title = "Mine"
    paper = "none"

    def step(self, model, batch):
        loss = cross_entropy(model(**batch.inputs()).logits, batch.labels)
        loss.backward()
        return loss.detach()


def predict(texts):
    good = np.array([0.9 if len(text) % 2 else 0.2 for text in texts])
    return np.stack([1 - good, good], axis=1)
'''


def write_data(folder: Path) -> None:
    """Every task that the documentation names, in its layout."""
    for task, name, header, row in FILES:
        lines = [] if header is None else [header]
        for number, text in enumerate(SENTENCES):
            lines.append(
                row.format(
                    text=text,
                    long="and so it goes on " * 40,
                    label=(number + 1) % 2,
                    entails=("entailment", "not_entailment")[number % 2],
                    topic=number % 4 + 1,
                    word=text.split()[1],
                )
            )
        home = folder / task
        home.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def prepared(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder as every block finds it: data, a backbone, results of two methods, a classifier, texts."""
    home = tmp_path_factory.mktemp("documentation")
    write_data(home / "DIR")
    shutil.copytree(tiny_backbone, home / "BACKBONE")
    sizes = {"train_texts": 32, "test_texts": 16, "attacked": 2, "threads": 1}
    context = context_of(
        Options(preset="demo", backbone=str(home / "BACKBONE"), out=home / "results", recipes="textfooler", **sizes)
    )
    for defense in ("fine_tune", "early_robust"):
        job = job_of(context, defense)
        train(context, job)
        attack_on(context, job, find_recipe("textfooler"))
    export(home / "results", home / "DIR_OR_ID", "fine_tune")
    for name in ("results-before", "results-after"):
        shutil.copytree(home / "results", home / name)
    (home / "texts.csv").write_text("text,label\na good film,1\na bad film,0\n")
    (home / "held_out.csv").write_text("text,label\none good thing,1\nthe worst of all,0\n")
    (home / "pairs.tsv").write_text("question\tsentence\tlabel\nwho is it\ta good man\t1\n")
    (home / "mine.py").write_text(MINE)
    rewrites = [{"text": f"a {word} film", "rewrites": [f"this film is {word}"]} for word in ("good", "bad")]
    (home / "rewrites.json").write_text(json.dumps({"model": "someone", "prompts": [], "rewrites": rewrites}))
    neighbours = json.dumps({"good": ["fine", "great"], "bad": ["poor", "awful"]})
    (home / "counterfitted_neighbors.json.gz").write_bytes(gzip.compress(neighbours.encode()))
    return home


@pytest.fixture
def workplace(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to work in; what a block does to it no other sees.

    A command puts the folder of a user's file on the path of its process. Here all run in one.
    """
    place = tmp_path / "workplace"
    shutil.copytree(prepared, place)
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    return place
