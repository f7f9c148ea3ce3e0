"""EarlyRobust: robust early-bird tickets.

Search, by default under FreeLB, until the masks converge; draw, rewind, prune, fine-tune.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Progress, Stage, StageCost
from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.needs import Need
from baselines.primitives.importance import Coefficients, Importance
from baselines.primitives.perturbation import Ascent
from baselines.primitives.pruning import (
    TASK_SPARSITIES,
    Pruning,
    Ticket,
    prune_,
    random_coefficients,
    tied_at_threshold,
)
from baselines.primitives.redrawing import redraw_, redraw_removed_, zero_heads_crosswise_
from baselines.settings import added_later, inlined
from baselines.validation import require
from method.convergence import Convergence, DrawAt, StopRule

LEAST_MINI_EPOCH_UPDATES = 10

# The settings of the released scripts: fine-tuning without decay and warm-up; a whole epoch of search, unshuffled and
# without segment ids, with the ticket drawn at a fixed 0.20 epoch from quantile masks.
RELEASED: Mapping[str, Any] = {
    "weight_decay": 0.0,
    "warmup_ratio": 0.0,
    "stop_rule": "anchor",
    "mask_rule": "quantile",
    "draw_epoch": 0.2,
    "search_to_cap": True,
    "search_shuffle": False,
    "search_token_types": False,
    "released_records": True,
}

Lacking = Literal["initialisation", "structure", "structure_as_released"]


def _search() -> FreeLB:
    """FreeLB for the search: K = 5, small steps, fresh dropout, a schedule of one epoch."""
    return FreeLB(epochs=1, ascent=Ascent(steps=5, step_size=0.01, init_magnitude=0.05), dropout="fresh")


@dataclass(frozen=True, kw_only=True)
class EarlyRobust(Defense, key="early_robust"):
    """Learn importance coefficients under an adversarial loss for a fraction of an epoch, then fine-tune the ticket.

    Attributes:
        search: the defense with the objective of the search, with its own learning rate, decay and warm-up; its
            `epochs` is the horizon of the search's schedule, which stays one epoch however early the search stops. Any
            defense of one stage can be used; the paper uses FreeLB.
        lambda_heads, lambda_neurons: weights of the L1 penalty on the coefficients, added once per update.
        pruning: how much is pruned, and by which ranking.
        mini_epoch: how often the masks are compared, in epochs.
        gamma: upper bound on the distance of masks, for heads and for neurons.
        patience: number of comparisons that must be within gamma.
        stop_rule: when the masks have converged. "consecutive": `patience` comparisons in a row are within gamma, as in
            the paper. "anchor": some mask has the next `patience` masks within gamma, as in the release. "fifo": the
            newest of `patience` masks is within gamma of the older ones, as in You et al. 2020.
        draw_at: the mask that is drawn, the "last" observed or the "first" of those within gamma; None draws the first
            under "anchor", otherwise the last.
        max_search_epochs: upper bound on the search; if it is reached, the last mask is drawn and reported as not
            converged.
        search_to_cap: continue to `max_search_epochs` after the masks have converged, as the release does.
        draw_epoch: draw at this epoch of the search, whatever the masks do; None leaves it to the rule.
        decay_coefficients: whether the search's weight decay also acts on the coefficients, as in the release.
        search_shuffle: False searches the texts in stored order, as the release does.
        search_token_types: False searches without segment ids, as the release does.
        released_records: True compares masks as the release does: those after the first update of each mini-epoch, from
            the search's first update on; if heads are ranked within layers, it compares neurons only, since the release
            then treats all heads as equal. False compares the masks at the end of each mini-epoch.
        ticket: "searched", or "random", which needs no search.
        ticket_seed: seed of a random ticket.
        fine_tuning: the defense with the objective for fine-tuning the ticket, of one stage; the schedule is that of
            EarlyRobust. The paper uses plain fine-tuning.
        without: an ablation that removes part of the ticket. "initialisation": keep its structure, redraw its linear
            layers. "structure": keep the whole model, redraw what the ticket prunes. "structure_as_released": as the
            release implements the latter: prune neurons, and zero heads' weights along the wrong axis and their query,
            key and value biases.

    Source: Xi et al., EMNLP 2022, sections 3 and 4; WooooDyy/EarlyRobust. Published for IMDB only: learning rate, K,
    step size, start and both lambdas (run_first_stage.sh); here the same values are used for the other tasks.
    Departures: fine-tuning uses the decay and warm-up of all methods, where the release uses neither (`published`);
    a mini-epoch has at least ten updates, so that on little data the search may take
    several epochs; learnt coefficients are dropped after drawing, which equals freezing them at 1.
    """

    title = "EarlyRobust"
    paper = "Xi et al., EMNLP 2022, arXiv:2211.07263"
    one_stage = False
    task_settings = TASK_SPARSITIES
    published = {"weight_decay": 0.0, "warmup_ratio": 0.0}

    search: Defense = field(default_factory=_search)
    lambda_heads: float = 1e-5
    lambda_neurons: float = 2e-4
    pruning: Pruning = inlined(Pruning())
    mini_epoch: float = 0.05
    gamma: float = 0.1
    patience: int = 5
    stop_rule: StopRule = "consecutive"
    draw_at: DrawAt | None = None
    max_search_epochs: float = 1.0
    search_to_cap: bool = False
    draw_epoch: float | None = None
    decay_coefficients: bool = True
    search_shuffle: bool = True
    search_token_types: bool = True
    ticket: Literal["searched", "random"] = "searched"
    ticket_seed: int = 0
    fine_tuning: Defense = added_later(FineTune())
    without: Lacking | None = added_later(None)
    released_records: bool = added_later(False)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("lambda_heads", "lambda_neurons"):
            require(getattr(self, name) >= 0, f"EarlyRobust.{name}", "0 or more", getattr(self, name))
        for name in ("max_search_epochs", "gamma"):
            require(getattr(self, name) > 0, f"EarlyRobust.{name}", "positive", getattr(self, name))
        require(self.patience >= 1, "EarlyRobust.patience", "1 or more", self.patience)
        require(
            0 < self.mini_epoch <= self.max_search_epochs,
            "EarlyRobust.mini_epoch",
            "in (0, max_search_epochs]",
            self.mini_epoch,
        )
        drawn = self.draw_epoch
        allowed = "in (0, max_search_epochs], or None for the rule"
        require(drawn is None or 0 < drawn <= self.max_search_epochs, "EarlyRobust.draw_epoch", allowed, drawn)
        for name in ("search", "fine_tuning"):
            nested = getattr(self, name)
            require(nested.one_stage, f"EarlyRobust.{name}", "a defense of one stage", nested.key)
        unread = self.fine_tuning.schedule()
        allowed = f"left at its default {', '.join(unread)}, since EarlyRobust's own values are used"
        require(unread == type(self.fine_tuning)().schedule(), "EarlyRobust.fine_tuning", allowed, unread)

    @property
    def needs(self) -> frozenset[Need]:  # type: ignore[override]
        """The needs of both objectives."""
        return self.search.needs | self.fine_tuning.needs

    @classmethod
    def released(cls, **changes: Any) -> EarlyRobust:
        """The settings of the released scripts."""
        return cls().changed(**{**RELEASED, **changes})

    def revision(self) -> int:
        """1: without structure as released, the biases of pruned heads are now zeroed too."""
        return 1 if self.without == "structure_as_released" else 0

    def update_passes(self) -> Passes | None:
        """Passes of the objective of fine-tuning; the search has its own."""
        return self.fine_tuning.update_passes()

    def cost(self) -> tuple[StageCost, ...]:
        """The search up to its upper bound, if there is one, and fine-tuning of the pruned model."""
        search = replace(self.search.cost()[-1], name="search", epochs=self.max_search_epochs, open_ended=True)
        heads, neurons = self.shares_removed
        tuning = replace(self.fine_tuning, **self.schedule()).cost()[-1]
        tuning = replace(tuning, name="fine_tune", heads_pruned=heads, neurons_pruned=neurons)
        return (tuning,) if self.ticket == "random" else (search, tuning)

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """Search, draw, rewind, prune, fine-tune."""
        if self.ticket == "random":
            ticket = self.draw(Coefficients(*random_coefficients(model, self.ticket_seed)))
        else:
            initial = {name: value.clone() for name, value in model.state_dict().items()}
            importance = Importance(model)
            for shaping in self.search.stages(model):
                search = _TicketSearch(self, shaping, importance)
                yield replace(
                    shaping,
                    name="search",
                    step=search.step,
                    parameters=[*shaping.parameters, *importance.parameters()],
                    epochs=self.max_search_epochs,
                    schedule_epochs=self.search.epochs,
                    least_updates=LEAST_MINI_EPOCH_UPDATES * math.ceil(self.max_search_epochs / self.mini_epoch),
                    decayed=(*shaping.decays(), *(importance.parameters() if self.decay_coefficients else ())),
                    shuffle=self.search_shuffle,
                    after_update=search.observe,
                    state=None if shaping.state is None else (*shaping.state, search),
                )
            importance.remove()
            ticket = search.ticket()
            model.load_state_dict(initial)
        self._pass_on_(model, ticket)
        for tuning in replace(self.fine_tuning, **self.schedule()).stages(model):
            yield replace(tuning, name="fine_tune")

    @property
    def shares_removed(self) -> tuple[float, float]:
        """Shares of heads and of neurons removed before fine-tuning."""
        heads = 0.0 if self.without in ("structure", "structure_as_released") else self.pruning.head_sparsity
        return heads, 0.0 if self.without == "structure" else self.pruning.neuron_sparsity

    def _pass_on_(self, model: nn.Module, ticket: Ticket) -> None:
        """Turn the rewound model into the ticket, or into the ablation of it."""
        if self.without == "structure":
            redraw_removed_(model, ticket)
            return
        if self.without == "structure_as_released":
            zero_heads_crosswise_(model, ticket)
            ticket = Ticket(torch.ones_like(ticket.heads), ticket.neurons)
        prune_(model, ticket)
        if self.without == "initialisation":
            redraw_(model)

    def distance(self, first: Ticket, second: Ticket) -> tuple[float, float]:
        """The distance of two masks of the search, for heads and neurons, each in [0, 1]."""
        heads, neurons = first.distance(second)
        return (0.0 if self.released_records and self.pruning.head_scope == "layerwise" else heads), neurons

    def draw(self, coefficients: Coefficients) -> Ticket:
        """Draw the ticket from coefficients."""
        return self.pruning.draw(coefficients.heads, coefficients.neurons)


class _TicketSearch:
    """The search's step, and its handling of masks at the boundaries."""

    def __init__(self, defense: EarlyRobust, shaping: Stage, importance: Importance):
        self.defense, self.shaping, self.importance = defense, shaping, importance
        self.convergence: Convergence[Ticket] = Convergence(
            defense.stop_rule, defense.gamma, defense.patience, defense.distance, defense.draw_at
        )
        self.boundaries: list[int] = []
        self.by_hand: Ticket | None = None
        self.trace = shaping.trace
        self.trace["boundaries"] = []

    def step(self, batch: Batch) -> Tensor:
        """Compute the objective's gradient, then add the penalty's once, not divided by K."""
        defense = self.defense
        if not defense.search_token_types:
            batch = replace(batch, token_type_ids=None)
        loss = self.shaping.step(batch)
        self.importance.l1(defense.lambda_heads, defense.lambda_neurons).backward()
        return loss

    def observe(self, progress: Progress) -> bool:
        """At a boundary, build the masks and apply the rule; True ends the search."""
        if self.shaping.after_update is not None:
            self.shaping.after_update(progress)
        at_end = progress.update == progress.total_updates
        if progress.update == self._next_boundary(progress):
            self._compare(progress)
        if self.defense.draw_epoch is not None and self.by_hand is None:
            wanted = max(1, math.floor(self.defense.draw_epoch * self._epoch_updates(progress)))
            if progress.update >= wanted:
                self.by_hand = self.defense.draw(self.importance.snapshot())
                self.trace["draw_update"] = progress.update
        if at_end or self._may_stop():
            self._conclude(progress)
            return True
        return False

    def _may_stop(self) -> bool:
        if self.defense.search_to_cap:
            return False
        return self.by_hand is not None or (self.defense.draw_epoch is None and self.convergence.settled_at is not None)

    def _epoch_updates(self, progress: Progress) -> float:
        """Updates of the epoch that defines mini-epochs; more than the data's epoch if that is too short."""
        return max(progress.updates_per_epoch, LEAST_MINI_EPOCH_UPDATES / self.defense.mini_epoch)

    def _next_boundary(self, progress: Progress) -> int:
        is_first_of_its_own = self.defense.released_records
        number = len(self.boundaries) + (not is_first_of_its_own)
        return math.floor(self._epoch_updates(progress) * self.defense.mini_epoch * number + 1e-9) + is_first_of_its_own

    def _compare(self, progress: Progress) -> None:
        coefficients = self.importance.snapshot()
        ticket = self.defense.draw(coefficients)
        self.boundaries.append(progress.update)
        self.convergence.observe(ticket)
        distances = self.convergence.distances
        self.trace["boundaries"].append(
            {
                "update": progress.update,
                "learning_rate": progress.learning_rate,
                "head_distance": distances[-1][0] if distances else None,
                "neuron_distance": distances[-1][1] if distances else None,
                "tied_heads": tied_at_threshold(coefficients.heads, ticket.heads),
                "tied_neurons": tied_at_threshold(coefficients.neurons, ticket.neurons),
            }
        )

    def _conclude(self, progress: Progress) -> None:
        """Record when the search stopped, where it draws and whether the masks had converged."""
        drawn = self.convergence.drawn
        if self.by_hand is None:
            self.trace["draw_update"] = self.boundaries[drawn - 1] if drawn else progress.update
            if drawn is None:
                self.by_hand = self.defense.draw(self.importance.snapshot())
        epoch_updates = self._epoch_updates(progress)
        self.trace |= {
            "converged": self.convergence.settled_at is not None,
            "stop_update": progress.update,
            "stop_epoch": progress.update / progress.updates_per_epoch,
            "draw_epoch": self.trace["draw_update"] / progress.updates_per_epoch,
            "mini_epoch_updates": epoch_updates * self.defense.mini_epoch,
            "kept": self.ticket().kept_counts(),
            "mask_distances": self.convergence.all_distances(),
        }

    def state(self) -> dict[str, Any]:
        """The boundaries with the masks observed there, and the ticket of `draw_epoch`; the rule is applied again."""
        by_hand = None if self.by_hand is None else vars(self.by_hand)
        return {"boundaries": self.boundaries, "masks": [*map(vars, self.convergence.masks)], "by_hand": by_hand}

    def restore(self, state: dict[str, Any]) -> None:
        """Observe the saved masks again."""
        self.boundaries = list(state["boundaries"])
        for mask in state["masks"]:
            self.convergence.observe(Ticket(**mask))
        self.by_hand = None if state["by_hand"] is None else Ticket(**state["by_hand"])

    def ticket(self) -> Ticket:
        """The ticket: from `draw_epoch`, from the rule, or from the last mask at the upper bound."""
        drawn = self.convergence.drawn
        if self.by_hand is not None or drawn is None:
            return self.by_hand  # type: ignore[return-value]
        return self.convergence.masks[drawn - 1]
