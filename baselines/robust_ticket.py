"""RobusT: unstructured robust tickets, from masks on single weights learnt under FreeLB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Progress, Stage, StageCost
from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.primitives.weight_masks import FixedMasks, WeightMasks
from baselines.validation import require

INTENDED_RAMP = 1
RELEASED_RAMP = 3  # the release counts each of a batch's three input tensors as an update


def _search(**changes: Any) -> FreeLB:
    """The adversarial loss of the mask search: fresh dropout, and the scores' own learning rate and decay of 1e-6."""
    settings: dict[str, Any] = {
        "step_size": 0.03,
        "init_magnitude": 0.05,
        "dropout": "fresh",
        "learning_rate": 0.1,
        "weight_decay": 1e-6,
    }
    return FreeLB().changed(**(settings | {"epochs": 20} | changes))


RELEASED: Mapping[str, Any] = {
    "max_grad_norm": None,
    "released_ramp": True,
    "legacy_clip": True,
    "pass_token_types": False,
}

_PAIRS = {"search": _search(step_size=0.04, learning_rate=0.05, steps=3), "penalty": 0.1, "sparsity": 0.3}


@dataclass(frozen=True, kw_only=True)
class RobustTicket(Defense, key="robust_ticket"):
    """Fine-tune; learn a mask on every weight under FreeLB with the weights fixed; draw; rewind; fine-tune the ticket.

    Attributes:
        first_epochs: epochs of the first stage, plain fine-tuning.
        search: FreeLB for learning the masks: its epochs, the scores' learning rate and decay, its ascent.
        penalty: weight of the expected share of kept weights, reached at the end of the ramp.
        sparsity: share of weights pruned, in [0, 1), all masked matrices together.
        released_ramp: count each update as three in the penalty's ramp, as the release does: the ramp then runs from
            3.3 % to 13.3 % of the search, not from 10 % to 40 %.
        legacy_clip: clip weights and scores together, with the weights' gradients summed over all updates so far, as
            the release does; False freezes the weights and clips the scores' gradients.
        pass_token_types: whether the search passes segment ids; the release does not.

    Source: Zheng et al., ACL 2022; ruizheng20/robust_ticket. `epochs` is the last stage: 3 in its own paper, 10 where
    it is a baseline at equal fine-tuning epochs. The paper clips in the first and the last stage, the release does not
    (`max_grad_norm` None); `RobustTicket.released()` has the release's settings.
    Departures: rewinding restores the first random classifier and does not draw another; the first and last stage
    end at their last epoch, where the release picks the best on held-out data.
    """

    title = "RobusT"
    paper = "Zheng et al., ACL 2022, arXiv:2211.03013"
    published = {"max_grad_norm": None}  # in the release; the paper clips
    one_stage = False
    task_settings = {
        "sst2": {"sparsity": 0.3},
        "ag_news": {"search": _search(learning_rate=0.05), "sparsity": 0.4},
        "imdb": {"sparsity": 0.2},
        "qnli": _PAIRS,
        "qqp": _PAIRS,
    }

    first_epochs: float = 3
    search: FreeLB = field(default_factory=_search)
    penalty: float = 0.5
    sparsity: float = 0.3
    released_ramp: bool = False
    legacy_clip: bool = False
    pass_token_types: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.first_epochs > 0, "RobustTicket.first_epochs", "positive", self.first_epochs)
        require(self.penalty >= 0, "RobustTicket.penalty", "0 or more", self.penalty)
        require(0 <= self.sparsity < 1, "RobustTicket.sparsity", "in [0, 1)", self.sparsity)

    @classmethod
    def released(cls, **changes: Any) -> RobustTicket:
        """The settings of the released scripts."""
        return cls().changed(**{**RELEASED, **changes})

    def revision(self) -> int:
        """1: the penalty's ramp counts updates from 1, as the release does; before, it counted from 0."""
        return 1

    def update_passes(self) -> Passes:
        """As for fine-tuning, which is its last stage."""
        return Passes(1, 1, 0)

    def cost(self) -> tuple[StageCost, ...]:
        """3 epochs, 20 of the search, and fine-tuning: zeros in a dense matrix save no time."""
        plain = self.update_passes()
        return (
            StageCost("first_fine_tune", self.first_epochs, plain),
            StageCost("search", self.search.epochs, self.search.update_passes()),
            StageCost("fine_tune", self.epochs, plain),
        )

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """First fine-tuning, mask search, draw, rewind, fine-tuning of the ticket."""
        plain = FineTune()
        initial = {name: value.clone() for name, value in model.state_dict().items()}
        yield self.stage(
            "first_fine_tune",
            lambda batch: plain.step(model, batch),
            list(model.parameters()),
            epochs=self.first_epochs,
            state=(),
        )
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        masks = WeightMasks(model)
        for parameter in trainable:
            parameter.requires_grad_(self.legacy_clip)
        search = _MaskSearch(self, model, masks)
        yield self.search.stage(
            "search",
            search.step,
            [*masks.scores],
            max_grad_norm=None,
            after_update=search.observe,
            trace=search.trace,
            state=(search,),
            not_capturable_reason="its penalty's weight changes from update to update",
        )
        drawn = masks.draw(self.sparsity)
        masks.remove()
        for parameter in trainable:
            parameter.requires_grad_(True)
            parameter.grad = None
        model.load_state_dict(initial)
        fixed = FixedMasks(model, drawn)
        yield self.stage("fine_tune", lambda batch: plain.step(model, batch), list(model.parameters()), state=())
        fixed.bake_()


class _MaskSearch:
    """The search's step, with its position on the penalty's ramp."""

    def __init__(self, defense: RobustTicket, model: nn.Module, masks: WeightMasks):
        self.defense, self.model, self.masks = defense, model, masks
        self.done = 0.0
        self.trace: dict[str, Any] = {"sparsity": defense.sparsity}

    def observe(self, progress: Progress) -> None:
        """Store the share of the search at the end of the next update; it is 0 for the first update."""
        self.done = (progress.update + 1) / progress.total_updates

    def state(self) -> dict[str, Any]:
        """The position on the ramp."""
        return {"done": self.done}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the position."""
        self.done = state["done"]

    def step(self, batch: Batch) -> Tensor:
        """FreeLB's gradient, clipped; then the penalty's, not clipped, in the release's order."""
        defense = self.defense
        if not defense.pass_token_types:
            batch = replace(batch, token_type_ids=None)
        loss = defense.search.step(self.model, batch)
        clipped = self.model.parameters() if defense.legacy_clip else self.masks.scores
        if defense.search.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(clipped, defense.search.max_grad_norm)
        weight = defense.penalty * ramp(self.done * (RELEASED_RAMP if defense.released_ramp else INTENDED_RAMP))
        if weight > 0:
            (weight * self.masks.penalty()).backward()
        return loss


def ramp(done: float) -> float:
    """The penalty's share at a point of the search: 0 up to 10 % of it, 1 from 40 % on, linear between."""
    return min(1.0, max(0.0, (done - 0.1) / 0.3))
