"""EarlyBERT: structured early-bird tickets drawn from a short search on clean text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Stage, StageCost
from baselines.fine_tune import FineTune
from baselines.primitives.importance import Importance
from baselines.primitives.pruning import TASK_SPARSITIES, Pruning, prune_, random_coefficients
from baselines.settings import inlined
from baselines.validation import require


@dataclass(frozen=True, kw_only=True)
class EarlyBert(Defense, key="early_bert"):
    """Learn importance coefficients on clean text, prune early, fine-tune the rewound ticket.

    Attributes:
        lambda_heads, lambda_neurons: weights of the L1 penalty on the coefficients.
        pruning: how much is pruned, as in EarlyRobust on the same data, and by which ranking.
        search_learning_rate: peak rate of the search, which has no warm-up and no weight decay.
        draw_epoch: when the ticket is drawn; the search ends there.
        schedule_epochs: horizon of the search's decreasing rate.
        keep_coefficients_trainable: keep training coefficients beside the pruned weights, as the release does, and
            fold them into the weights at the end.
        ticket: "searched", or "random".
        ticket_seed: seed of a random ticket.

    Source: Chen et al., ACL-IJCNLP 2021; VITA-Group/EarlyBERT, finetune.
    Departures: fine-tuning uses the schedule of all methods; the release uses a rate of 4e-5 without decay and warm-up
    (`published`). It takes ten epochs at EarlyRobust's sparsities, for the comparison in the paper of EarlyRobust. The
    search ends when the ticket is drawn; the released script continues to one epoch. Coefficients are read after an
    update; the release reads them before it.
    """

    title = "EarlyBERT"
    paper = "Chen et al., ACL-IJCNLP 2021, arXiv:2101.00063"
    one_stage = False
    task_settings = TASK_SPARSITIES
    published = {"learning_rate": 4e-5, "weight_decay": 0.0, "warmup_ratio": 0.0}

    lambda_heads: float = 1e-4
    lambda_neurons: float = 1e-4
    pruning: Pruning = inlined(Pruning(head_scope="layerwise"))
    search_learning_rate: float = 2e-5
    draw_epoch: float = 0.2
    schedule_epochs: float = 3
    keep_coefficients_trainable: bool = False
    ticket: Literal["searched", "random"] = "searched"
    ticket_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("lambda_heads", "lambda_neurons"):
            require(getattr(self, name) >= 0, f"EarlyBert.{name}", "0 or more", getattr(self, name))
        for name in ("search_learning_rate", "draw_epoch", "schedule_epochs"):
            require(getattr(self, name) > 0, f"EarlyBert.{name}", "positive", getattr(self, name))

    def update_passes(self) -> Passes:
        """As for fine-tuning, in either stage."""
        return Passes(1, 1, 0)

    def cost(self) -> tuple[StageCost, ...]:
        """The search up to the draw, if there is one, and fine-tuning of the pruned model."""
        plain = self.update_passes()
        search = () if self.ticket == "random" else (StageCost("search", self.draw_epoch, plain),)
        heads, neurons = self.pruning.head_sparsity, self.pruning.neuron_sparsity
        tuning = StageCost("fine_tune", self.epochs, plain, heads_pruned=heads, neurons_pruned=neurons)
        return (*search, tuning)

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """Search, draw, rewind, prune, fine-tune."""
        if self.ticket == "random":
            ticket = self.pruning.draw(*random_coefficients(model, self.ticket_seed))
        else:
            initial = {name: value.clone() for name, value in model.state_dict().items()}
            importance = Importance(model)
            trace: dict[str, object] = {}
            yield self.stage(
                "search",
                lambda batch: self._search_step(model, importance, batch),
                [*model.parameters(), *importance.parameters()],
                epochs=self.draw_epoch,
                schedule_epochs=self.schedule_epochs,
                learning_rate=self.search_learning_rate,
                weight_decay=0.0,
                warmup_ratio=0.0,
                after_update=lambda progress: trace.update(draw_epoch=progress.epoch, draw_update=progress.update),
                trace=trace,
                state=(),
            )
            coefficients = importance.snapshot()
            importance.remove()
            ticket = self.pruning.draw(coefficients.heads, coefficients.neurons)
            trace["kept"] = ticket.kept_counts()
            model.load_state_dict(initial)
        prune_(model, ticket)
        fine_tune = FineTune(epochs=self.epochs, learning_rate=self.learning_rate)
        if not self.keep_coefficients_trainable:
            yield self.stage(
                "fine_tune", lambda batch: fine_tune.step(model, batch), list(model.parameters()), state=()
            )
            return
        importance = Importance(model)
        parameters = [*model.parameters(), *importance.parameters()]
        yield self.stage("fine_tune", lambda batch: fine_tune.step(model, batch), parameters, state=())
        importance.fold_()

    def _search_step(self, model: nn.Module, importance: Importance, batch: Batch) -> Tensor:
        """The clean loss plus the L1 penalty."""
        loss = cross_entropy(model(**batch.inputs()).logits, batch.labels)
        (loss + importance.l1(self.lambda_heads, self.lambda_neurons)).backward()
        return loss.detach()
