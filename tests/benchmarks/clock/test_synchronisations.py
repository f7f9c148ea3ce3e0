"""What would hold a GPU up is found on a CPU."""

from __future__ import annotations

import pytest
import torch

from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.pgd import PGD
from baselines.training import CountPasses
from benchmarks.clock.synchronisations import SynchronisationWatch

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


@pytest.mark.parametrize("defense", [FineTune(), PGD(steps=2), FreeLB(steps=2)], ids=lambda each: each.key)
def test_steps_add_none_to_those_of_the_forward_pass(bert, batch, defense) -> None:
    """transformers 4 reads the mask back in every forward pass; a method's step must not read anything more."""
    model, texts = bert(), batch()
    with SynchronisationWatch() as alone:
        model(**texts.inputs())
    (stage,) = defense.stages(model)
    with CountPasses(model, stage.parameters) as passes, SynchronisationWatch() as watch:
        stage.step(texts)
    assert watch.counts.total() == passes.forward * alone.counts.total()
