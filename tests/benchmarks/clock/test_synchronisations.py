"""What would hold a GPU up is found on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import encoders
import pytest
import torch

from baselines.ascc import Ascc
from baselines.defense import Progress, Stage
from baselines.rift import Rift
from benchmarks.clock.synchronisations import SynchronisationWatch
from benchmarks.experiments.defenses import known_defenses

VALUES = torch.arange(6.0)


@pytest.mark.parametrize(
    ("work", "name"),
    [
        (lambda: VALUES.sum().item(), "_local_scalar_dense"),
        (lambda: float(VALUES[0]), "_local_scalar_dense"),
        (lambda: bool(VALUES.sum() > 0), "_local_scalar_dense"),
        (lambda: VALUES.nonzero(), "nonzero"),
        (lambda: VALUES[VALUES > 2], "nonzero"),
        (lambda: VALUES.masked_select(VALUES > 2), "masked_select"),
        (lambda: torch.equal(VALUES, VALUES), "equal"),
    ],
)
def test_a_read_back_is_named(work, name: str) -> None:
    with SynchronisationWatch() as watch:
        work()
    assert watch.sentences(2)[0].startswith(f"synchronisation: {name}, 0.5 an update")


def test_arithmetic_is_not() -> None:
    with SynchronisationWatch() as watch:
        _ = (VALUES[torch.tensor([1, 2])] * 2).where(VALUES[:2] > 0, 0.0).clamp(max=1).sum()
    assert watch.sentences(1) == []


# Their adversaries' Adam keeps its count of updates on the host, which is read there and holds no device up.
COUNTED_ON_THE_HOST = {"ascc": Ascc().attack_steps, "rift": Rift().attack_steps}
READS_ITS_LOSS = {"dsrm": 1}  # which decides what its update is
every_defense = pytest.mark.parametrize("key", known_defenses())


def stages(key: str, model, texts) -> Iterator[Stage]:
    """The defense's stages, each after one step and update of the last."""
    for stage in known_defenses()[key]().stages(model):
        yield stage
        for parameter in stage.parameters:
            parameter.grad = None
        if stage.after_update is not None:
            stage.after_update(Progress(1, 1, 1, 0.0))


@every_defense
def test_no_step_reads_anything_back(bert, rich_batch, key: str) -> None:
    model, texts = bert(), rich_batch()
    model.train()
    for stage in stages(key, model, texts):
        with SynchronisationWatch() as watch:
            stage.step(texts)
        assert watch.counts.total() == (COUNTED_ON_THE_HOST | READS_ITS_LOSS).get(key, 0), (stage.name, watch.counts)


@pytest.mark.parametrize("lengths", [(9, 5, 7, 3), (6, 6, 6)], ids=["padded", "full"])
@pytest.mark.parametrize("kind", encoders.KINDS)
def test_no_encoder_asks_the_device_whether_a_text_is_padded(batch, kind: str, lengths: tuple[int, ...]) -> None:
    """And what it does then is what it does after asking, bit for bit."""
    model, texts = encoders.make(kind), replace(batch(lengths), token_type_ids=None)
    asked = model(input_ids=texts.input_ids, attention_mask=texts.attention_mask).logits
    with SynchronisationWatch() as watch:
        told = model(**texts.inputs()).logits
    assert not watch.counts and torch.equal(asked, told)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("key", [key for key in known_defenses() if key not in READS_ITS_LOSS])
def test_no_step_makes_the_host_wait_for_a_gpu(bert, rich_batch, key: str) -> None:
    model, texts = bert().cuda(), rich_batch().to("cuda")
    model.train()
    for stage in stages(key, model, texts):
        stage.step(texts)  # the first call of a kernel may load it
        torch.cuda.set_sync_debug_mode("error")
        try:
            stage.step(texts)
        finally:
            torch.cuda.set_sync_debug_mode("default")
