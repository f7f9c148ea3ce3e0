"""The cost model against the numbers of its sources."""

from __future__ import annotations

import pytest

from baselines.adv_hotflip import AdvHotflip
from baselines.ascc import Ascc
from baselines.augmentation import Augmentation
from baselines.creat import CreAT
from baselines.diffuse_def import DiffuseDef
from baselines.dsrm import DSRM
from baselines.early_bert import EarlyBert
from baselines.fat import FAT
from baselines.fine_tune import FineTune
from baselines.flooding_x import FloodingX
from baselines.free_at import FreeAT
from baselines.freelb import FreeLB
from baselines.freelb_plus_plus import FreeLBPlusPlus
from baselines.info_bert import InfoBert
from baselines.label_smoothing import LabelSmoothing
from baselines.lora_freelb import LoraFreeLB
from baselines.pgd import PGD
from baselines.primitives.pruning import Pruning
from baselines.r3f import R3F
from baselines.ran_mask import RanMASK
from baselines.random_noise import RandomNoise
from baselines.rift import Rift
from baselines.robust_ticket import RobustTicket
from baselines.rsmi import RSMI
from baselines.safer import SAFER
from baselines.sam import SAM
from baselines.smart import SMART
from baselines.tavat import TAVAT
from baselines.yopo import YOPO
from benchmarks.clock.cost import (
    EncoderShape,
    batch_units,
    epoch_units,
    layer_flops,
    share_left,
    update_passes,
    update_units,
)
from method.early_robust import EarlyRobust

BASE = EncoderShape()


@pytest.mark.parametrize(("tokens", "gflop"), [(128, 22.35), (256, 45.90)])
def test_dense_flops_of_bert_base(tokens: int, gflop: float) -> None:
    assert 12 * layer_flops(BASE, tokens, 12, 3072) / 1e9 == pytest.approx(gflop, abs=0.005)


@pytest.mark.parametrize(
    ("tokens", "sparsity", "share"),
    [(128, 0.2, 0.812), (128, 0.3, 0.747), (128, 0.4, 0.682), (256, 0.2, 0.812), (256, 0.3, 0.749), (256, 0.4, 0.686)],
)
def test_share_left(tokens: int, sparsity: float, share: float) -> None:
    assert share_left(BASE, tokens, 1 / 6, sparsity) == pytest.approx(share, abs=5e-4)


@pytest.mark.parametrize(
    ("defense", "slowdown"),
    [
        (FineTune(), 1.0),
        (PGD().changed(steps=3), 3.0),
        (PGD().changed(steps=5), 13 / 3),
        (PGD().changed(steps=10), 23 / 3),
        (PGD().changed(steps=5, ascent_backward="full"), 6.0),
        (FreeLB().changed(steps=5), 5.0),
        (FreeLB().changed(steps=30), 30.0),
        (InfoBert().changed(steps=3), 4.0),
        (InfoBert().changed(steps=3, fused=False), 5.0),
        (Rift(), 28 / 3),
        (Rift(lean=False), 41 / 3),
        (Ascc(), 17 / 3),
        (Ascc(attack_backward="full"), 22 / 3),
        (AdvHotflip(), 16 / 3),
        (Augmentation(), 1.0),
        (FreeLBPlusPlus(steps=10), 10.0),
        (FreeLBPlusPlus(steps=30), 30.0),
        (FreeAT().changed(steps=3), 3.0),
        (SMART(steps=1, proximal=0), 8 / 3),
        (SMART(steps=1), 3.0),
        (SMART(steps=2, proximal=0), 10 / 3),
        (FloodingX.released(), 1.0),
        (R3F(), 2.0),
        (CreAT(), 8 / 3),
        (CreAT().changed(steps=1), 2.0),
        (TAVAT(), 2.0),
        (FAT(), 5 / 3),
        (FAT(ascent_backward="full"), 2.0),
        (DSRM(), 13 / 3),
        (DSRM.released(), 5.0),
        (SAM(), 2.0),
        (LabelSmoothing(), 1.0),
        (RandomNoise().changed(steps=5), 5.0),
        (LoraFreeLB().changed(steps=5), 10 / 3),
        (RanMASK(), 1.0),
        (SAFER(), 1.0),
        (RSMI(), 5 / 3),
    ],
    ids=repr,
)
def test_slowdowns_of_the_cost_table(defense, slowdown: float) -> None:
    assert update_units(update_passes(defense)) == pytest.approx(slowdown)
    assert batch_units(defense) == pytest.approx(slowdown)


def test_diffuse_def_pays_for_its_denoiser_in_first_layers() -> None:
    defense = DiffuseDef.for_task("ag_news").changed(fine_tuning=FreeLBPlusPlus(steps=30))
    assert batch_units(defense) == pytest.approx(1.25 / 3)
    assert epoch_units(defense) == pytest.approx(300 + 125 / 3), "100 epochs of the denoiser on top of FreeLB++-30"


def test_yopo_pays_for_its_inner_steps_in_first_layers() -> None:
    """The spec's 10 units for m = 2 and n = 3, where a pass through one of twelve layers was measured at 0.169."""
    assert update_units(update_passes(YOPO().changed(steps=2, inner_steps=0))) == 3
    assert batch_units(YOPO().changed(steps=2, inner_steps=3)) == pytest.approx((9 + 6 * 0.169) / 3, abs=0.006)
    assert batch_units(YOPO().changed(steps=2, inner_steps=3), EncoderShape(layers=6)) == pytest.approx((9 + 6 / 3) / 3)


def early_robust(neurons: float) -> EarlyRobust:
    return EarlyRobust(pruning=Pruning(neuron_sparsity=neurons))


@pytest.mark.parametrize(
    ("tokens", "neurons", "searched", "cost", "freelb", "pgd", "lean", "pgd10", "robust"),
    [
        (128, 0.3, 0.15, 8.22, 6.08, 7.30, 5.27, 13.4, 13.8),
        (128, 0.3, 0.30, 8.97, 5.58, 6.69, 4.83, 12.3, 12.6),
        (128, 0.3, 0.55, 10.22, 4.89, 5.87, 4.24, 10.8, 11.1),
        (128, 0.3, 1.00, 12.47, 4.01, 4.81, 3.48, 8.8, 9.1),
        (256, 0.4, 0.15, 7.61, 6.57, 7.88, 5.69, 14.5, 14.8),
        (256, 0.4, 0.30, 8.36, 5.98, 7.18, 5.18, 13.2, 13.5),
        (256, 0.2, 0.15, 8.87, 5.64, 6.76, 4.88, 12.4, 12.7),
        (256, 0.2, 1.00, 13.12, 3.81, 4.57, 3.30, 8.4, 8.6),
    ],
)
def test_predicted_speedups(tokens, neurons, searched, cost, freelb, pgd, lean, pgd10, robust) -> None:
    own = epoch_units(early_robust(neurons), tokens=tokens, search_epochs=searched)
    assert own == pytest.approx(cost, abs=0.006)
    baselines = {
        FreeLB(): freelb,
        PGD(ascent_backward="full"): pgd,
        PGD(): lean,
        PGD().changed(steps=10, ascent_backward="full"): pgd10,
        RobustTicket(): robust,
    }
    for baseline, speedup in baselines.items():
        assert epoch_units(baseline) / own == pytest.approx(speedup, abs=0.06 if speedup > 8 else 0.006)


def test_robust_ticket_takes_113_epochs_and_73_on_pairs() -> None:
    assert epoch_units(RobustTicket()) == 113
    assert epoch_units(RobustTicket.for_task("qnli")) == 73


def test_early_bert_searches_cheaply() -> None:
    assert epoch_units(EarlyBert().changed(neuron_sparsity=0.3)) == pytest.approx(0.2 + 7.47, abs=0.005)


def test_augmentation_trains_on_more_texts() -> None:
    assert epoch_units(Augmentation(share=0.5, epochs=10)) == 15


def test_random_tickets_cost_no_search() -> None:
    assert epoch_units(EarlyRobust(ticket="random")) == pytest.approx(7.47, abs=0.005)


def test_a_ticket_without_structure_saves_nothing() -> None:
    searched = {"search_epochs": 0.0}
    assert epoch_units(EarlyRobust(without="structure"), **searched) == pytest.approx(10)
    released = epoch_units(EarlyRobust(without="structure_as_released"), **searched)
    assert released == pytest.approx(10 * share_left(BASE, 128, 0, 0.3))


def test_a_ticket_costs_what_its_objectives_do() -> None:
    """Half an epoch of search, and ten epochs on the pruned model, whose share of a pass is 0.747."""
    shaped = epoch_units(EarlyRobust(search=SMART(epochs=1)), search_epochs=0.5)
    assert shaped == pytest.approx(0.5 * 3 + 7.47, abs=0.005)
    tuned = epoch_units(EarlyRobust(fine_tuning=PGD().changed(steps=3)), search_epochs=0.5)
    assert tuned == pytest.approx(0.5 * 5 + 3 * 7.47, abs=0.015)
    assert epoch_units(EarlyRobust(ticket="random", fine_tuning=FreeLB().changed(steps=2))) == pytest.approx(
        14.94, abs=0.01
    )
