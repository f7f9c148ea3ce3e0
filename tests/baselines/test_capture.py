"""A captured step does what the step does: on a CPU with graphs that write operations down, on a GPU with CUDA's."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import ClassVar

import encoders
import pytest
import torch
from small_set import SmallSet
from tape import FakeGraphs
from torch import nn

from baselines.ascc import Ascc
from baselines.capture import WARM_UPS, CapturedStep, CudaGraphs, Graphs, on_the_host
from baselines.creat import CreAT
from baselines.defense import Defense
from baselines.dsrm import DSRM
from baselines.early_bert import EarlyBert
from baselines.fat import FAT
from baselines.fine_tune import FineTune
from baselines.flooding_x import FloodingX
from baselines.free_at import FreeAT
from baselines.freelb import FreeLB
from baselines.freelb_plus_plus import FreeLBPlusPlus
from baselines.info_bert import InfoBert
from baselines.lora_freelb import LoraFreeLB
from baselines.pgd import PGD
from baselines.r3f import R3F
from baselines.rift import Rift
from baselines.robust_ticket import RobustTicket
from baselines.sam import SAM
from baselines.smart import SMART
from baselines.tavat import TAVAT
from baselines.training import CountPasses, Precision, fit
from baselines.yopo import YOPO
from method.early_robust import EarlyRobust

CAPTURED = (
    FineTune(epochs=1),
    EarlyBert(epochs=1, draw_epoch=0.5),
    PGD().changed(epochs=1, steps=2),
    PGD().changed(epochs=1, steps=2, ascent_backward="full"),
    PGD().changed(epochs=1, steps=1, dropout="fresh"),
    FreeLB().changed(epochs=1, steps=2),
    FreeLBPlusPlus(epochs=1, steps=2),
    InfoBert().changed(epochs=1, steps=2),
    SMART(epochs=1),
    YOPO().changed(epochs=1, steps=1, inner_steps=2),
    SAM(epochs=1),
    FloodingX(epochs=1, level=0.5),
    R3F(epochs=1),
    CreAT(epochs=1),
    LoraFreeLB().changed(epochs=1, steps=2),
    EarlyRobust(epochs=1, max_search_epochs=0.5, search=FreeLB().changed(epochs=1, steps=2)),
)


LENGTHS = ((9, 5, 7, 3), (6, 6, 6, 6), (4, 9), (3, 7, 9, 2))  # the second is full, the last of the first one's shape


@pytest.fixture
def texts(batch) -> SmallSet:
    """An epoch of four batches of three shapes."""
    small = SmallSet(batch, len(LENGTHS))
    small.batches = [batch(lengths, seed=seed) for seed, lengths in enumerate(LENGTHS)]
    return small


def trained(
    defense: Defense, model: nn.Module, texts: SmallSet, graphs: Graphs | None = None
) -> tuple[list[dict], dict[str, torch.Tensor]]:
    torch.manual_seed(3)
    logs = fit(defense, model, texts, graphs=graphs)
    return [log.as_json() for log in logs], model.state_dict()


@pytest.mark.parametrize("defense", CAPTURED, ids=repr)
def test_capture_changes_no_bit(bert, texts, defense: Defense) -> None:
    """The same operations on the same numbers: losses, passes, traces, weights."""
    model, graphs = bert(dropout=0.1), FakeGraphs()
    eager, weights = trained(defense, copy.deepcopy(model), texts)
    captured, same = trained(defense, model, texts, graphs)
    assert captured == eager
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert graphs.replayed > graphs.recorded > 0


@pytest.mark.parametrize(
    ("defense", "reason"),
    [
        (FreeAT(epochs=1), "FreeAT, stage 'train' cannot be captured: its perturbation is kept from one replay"),
        (RobustTicket(epochs=1, first_epochs=1), "RobusT, stage 'search' cannot be captured: its penalty's weight"),
        (FloodingX(epochs=1), "Flooding-X, stage 'search' cannot be captured: its search keeps the first batches"),
        (TAVAT(epochs=1), "TAVAT, stage 'train' cannot be captured: its step changes a table"),
        (FAT(epochs=1), "FAT, stage 'train' cannot be captured: it keeps the perturbation of each text"),
        (DSRM(epochs=1), "DSRM, stage 'train' cannot be captured: its loss decides whether"),
        (Rift(epochs=1), "RIFT, stage 'train' cannot be captured: its adversary's optimiser"),
        (Ascc(epochs=1), "ASCC, stage 'train' cannot be captured: its adversary's optimiser"),
    ],
    ids=lambda value: getattr(value, "title", ""),
)
def test_what_changes_between_updates_is_refused_by_name(bert, texts, defense: Defense, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        trained(defense, bert(), texts, FakeGraphs())


@dataclass(frozen=True, kw_only=True)
class ReadsBack(FineTune):
    """Fine-tuning that looks at its loss."""

    title = "Reads back"

    def step(self, model, batch):
        loss = super().step(model, batch)
        return loss if loss.item() > 0 else -loss


@dataclass(frozen=True, kw_only=True)
class SaysNothing(FineTune):
    """A stage that does not say what it remembers."""

    title = "Silent"

    def stages(self, model):
        yield self.stage("train", lambda batch: self.step(model, batch), list(model.parameters()))


def test_a_step_that_reads_back_is_refused_where_it_is_recorded(bert, texts) -> None:
    with pytest.raises(ValueError, match="Reads back, stage 'train' cannot be captured: operation not permitted"):
        trained(ReadsBack(epochs=1), bert(), texts, FakeGraphs())


def test_a_stage_that_does_not_say_what_it_remembers_is_refused(bert, texts) -> None:
    with pytest.raises(ValueError, match="does not declare in `state` what its step changes"):
        trained(SaysNothing(epochs=1), bert(), texts, FakeGraphs())


def test_every_shape_is_recorded_once(bert, texts) -> None:
    graphs = FakeGraphs()
    trained(FineTune(epochs=2), bert(), texts, graphs)
    assert (graphs.recorded, graphs.replayed) == (3, 8)


def captured(step, parameters, graphs, model) -> CapturedStep:
    stage = FineTune().stage("train", step, parameters, state=())
    return CapturedStep("Some", stage, step, CountPasses(model, parameters), graphs)


def test_recording_leaves_random_state_counts_and_gradients(bert, batch) -> None:
    model, one = bert(dropout=0.1), batch()
    parameters = list(model.parameters())
    step = captured(lambda texts: FineTune().step(model, texts), parameters, FakeGraphs(), model)
    state, counts = torch.get_rng_state(), step._counts.state()
    step.record(one)
    assert torch.equal(torch.get_rng_state(), state) and step._counts.state() == counts
    assert all(parameter.grad is None for parameter in parameters)


def test_gradients_of_all_shapes_share_their_memory(bert, batch) -> None:
    model = bert()
    parameters = list(model.parameters())
    step = captured(lambda texts: FineTune().step(model, texts), parameters, FakeGraphs(), model)
    places = []
    for texts in (batch((4, 5)), batch((6, 3, 2))):
        step.record(texts)
        step(texts)
        places.append([parameter.grad.data_ptr() for parameter in parameters])
    assert places[0] == places[1]


def test_an_act_on_the_host_is_done_at_its_place_in_every_replay(bert, batch) -> None:
    weight, heard = nn.Parameter(torch.ones(())), []

    def step(texts):
        doubled = weight * 2 * texts.labels.sum()
        on_the_host(lambda: heard.append(float(doubled.detach())))
        (doubled * 3).backward()
        return doubled.detach()

    model, graphs = bert(), FakeGraphs()
    recorded = captured(step, [weight], graphs, model)
    first, second = batch(seed=1), batch(seed=2)
    recorded.record(first)
    assert graphs.recorded == 2
    heard.clear()
    losses = [float(recorded(texts)) for texts in (first, second)]
    assert heard == losses == [2.0 * float(texts.labels.sum()) for texts in (first, second)]
    assert float(weight.grad) == 6 * float(second.labels.sum())


def test_outside_a_recording_an_act_is_just_done() -> None:
    heard = []
    on_the_host(lambda: heard.append(1))
    assert heard == [1]


@pytest.mark.parametrize("kind", encoders.KINDS)
def test_full_texts_are_recorded_as_they_are_run_without_a_mask(batch, monkeypatch, kind: str) -> None:
    """transformers 5 makes a mask while a stream is recorded, which takes another kernel of attention."""
    attend, masks = nn.functional.scaled_dot_product_attention, []

    def heard(*given, attn_mask=None, **more):
        masks.append(attn_mask)
        return attend(*given, attn_mask=attn_mask, **more)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", heard)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    model, texts = encoders.make(kind), replace(batch((6, 6)), token_type_ids=None)
    step = captured(lambda batch: FineTune().step(model, batch), [*model.parameters()], FakeGraphs(), model)
    step.record(texts)
    layers, passes = 2, WARM_UPS + 1
    if masks:
        assert (masks[-layers:] == [None] * layers) == (kind != "modernbert"), "whose local layers need a mask"
    else:
        assert kind in ("electra", "deberta-v2"), "which transformers 4 does not fuse"
    assert len(masks) in (0, layers * passes)


class PooledGraph:
    """What torch holds a graph to that shares a pool: at its start some graph must hold the pool, but for the first."""

    held: ClassVar[dict[str, int]] = {}

    def capture_begin(self, pool: str) -> None:
        if self.held.get(pool) == 0:
            raise RuntimeError("use_count > 0 INTERNAL ASSERT FAILED")
        self.pool = pool
        self.held[pool] = self.held.get(pool, 0) + 1

    def capture_end(self) -> None:
        pass

    def replay(self) -> None:
        pass

    def __del__(self) -> None:
        self.held[self.pool] -= 1


def test_a_second_stage_finds_the_pool_held(monkeypatch) -> None:
    """A stage's graphs are gone when the next one's are recorded."""
    for name, fake in {
        "CUDAGraph": PooledGraph,
        "Stream": lambda: None,
        "graph_pool_handle": lambda: "pool",
        "synchronize": lambda: None,
    }.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    graphs = CudaGraphs()
    for _ in range(3):
        graphs.begin([])
        act = graphs.end()
        act()
        del act
    assert PooledGraph.held == {"pool": 1}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("defense", CAPTURED, ids=repr)
def test_cuda_graphs_give_the_losses_of_eager_steps(bert, texts, defense: Defense, precision: Precision) -> None:
    """The same kernels and random numbers; a few of them add up in an order that varies from run to run."""
    model = bert(dropout=0.1).cuda()
    logs = []
    for graphs in (None, CudaGraphs()):
        torch.manual_seed(3)
        found = fit(defense, copy.deepcopy(model), texts, graphs=graphs, precision=precision)
        logs.append([(log.name, log.updates, log.passes, torch.tensor(log.losses)) for log in found])
    for eager, replayed in zip(*logs, strict=True):
        assert eager[:3] == replayed[:3]
        torch.testing.assert_close(eager[3], replayed[3], rtol=1e-5 if precision == "fp32" else 1e-2, atol=0)
