"""The settings of a device study: where it is stored, and how much is measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.clock.cost import BERT_BASE, MINILM, EncoderShape
from benchmarks.device.bundle import TASK, Bundle, open_bundle
from benchmarks.experiments.options import Options

RESULTS = "results"
RECIPES = "textfooler,bertattack_official"
THIN = EncoderShape(layers=2, hidden=32, heads=4, neurons=64)


@dataclass(frozen=True)
class BatchShape:
    """A batch of random texts of equal length: B texts, L tokens."""

    texts: int
    tokens: int


@dataclass(frozen=True)
class Size:
    """The amount of measurement.

    Attributes:
        encoder: the shape for timing updates.
        small_encoder: the shape of the backbone in Table 1.
        batches: the batches by name; "filling" is one that uses the whole device.
        blocks: number of blocks; each runs every method once.
        updates: timed updates of a stage in a block, and of a plain loop.
        runs: runs of Table 1.
        train_texts, test_texts: of Table 1; None for the preset's own.
        attacked: texts attacked in each run.
        throughput_texts: texts attacked to measure the engine.
    """

    encoder: EncoderShape
    small_encoder: EncoderShape
    batches: dict[str, BatchShape]
    blocks: int
    updates: int
    runs: int
    train_texts: int | None
    test_texts: int | None
    attacked: int
    throughput_texts: int


SizeName = Literal["full", "tiny"]
SIZES: dict[SizeName, Size] = {
    "full": Size(
        encoder=BERT_BASE,
        small_encoder=MINILM,
        batches={
            "filling": BatchShape(128, 128),
            "sequence 128": BatchShape(32, 128),
            "sequence 256": BatchShape(8, 256),
            "short": BatchShape(32, 32),
        },
        blocks=5,
        updates=4,
        runs=5,
        train_texts=None,
        test_texts=None,
        attacked=872,
        throughput_texts=200,
    ),
    "tiny": Size(
        encoder=THIN,
        small_encoder=THIN,
        batches={
            "filling": BatchShape(8, 16),
            "sequence 128": BatchShape(4, 16),
            "sequence 256": BatchShape(2, 32),
            "short": BatchShape(2, 8),
        },
        blocks=2,
        updates=1,
        runs=2,
        train_texts=40,
        test_texts=20,
        attacked=3,
        throughput_texts=3,
    ),
}


@dataclass(frozen=True)
class Place:
    """Device, folders and size of a study.

    Attributes:
        device: "cuda" or "cpu".
        size: "full" on a CUDA device; "tiny" on a CPU, only to show that the command works.
        out: the study's folder.
        bundle: the folder of the bundle, or None; Table 1 then uses the generated task.
        backbone: the backbone of Table 1: a name, or a folder.
    """

    device: str
    size: SizeName
    out: Path
    bundle: Path | None
    backbone: str

    @property
    def sizes(self) -> Size:
        """The amount of measurement."""
        return SIZES[self.size]

    def opened(self) -> Bundle | None:
        """The bundle, with its hashes checked."""
        return None if self.bundle is None else open_bundle(self.bundle)

    def options(self) -> Options:
        """The options for Table 1 and the attacks."""
        bundle = self.opened()
        given: dict[str, Any] = {"preset": "demo"}
        if bundle is not None:
            given = {
                "preset": "small",
                "tasks": TASK,
                "data": bundle.data,
                "synonyms": bundle.synonyms,
                "nltk_data": bundle.nltk_data,
                "encoder": str(bundle.backbone),
            }
        return Options(
            **given,
            backbone=self.backbone,
            out=self.out / RESULTS,
            train_texts=self.sizes.train_texts,
            test_texts=self.sizes.test_texts,
            attacked=self.sizes.attacked,
            recipes=RECIPES,
            device=self.device,
            threads=1 if self.size == "tiny" else None,
            offline=True,
        )
