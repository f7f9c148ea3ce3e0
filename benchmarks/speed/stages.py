"""Open a defense's stages one after another without training them, so that a step of each can be measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from baselines.batch import Batch
from baselines.defense import Defense, Progress, Stage
from baselines.training import CountPasses
from baselines.validation import UserError
from benchmarks.clock.cost import EncoderShape
from benchmarks.data.generated_needs import with_needs
from benchmarks.speed.step_speed import random_batch, random_bert

SMALLEST = EncoderShape(layers=2, hidden=16, heads=4, neurons=16)


def opened_stages(defense: Defense, model: nn.Module, batch: Batch) -> Iterator[Stage]:
    """Yield each stage of the defense on this model; before the next, the stage makes one step and no update."""
    for stage in defense.stages(model):
        yield stage
        step_and_clear(stage, batch)
        if stage.after_update is not None:
            stage.after_update(Progress(update=1, updates_per_epoch=1, total_updates=1, learning_rate=0.0))


def open_stage(defense: Defense, name: str, model: nn.Module, batch: Batch) -> Stage:
    """The stage called `name`.

    Raises:
        UserError: if the defense has none.
    """
    for stage in opened_stages(defense, model, batch):
        if stage.name == name:
            return stage
    raise UserError(f"{type(defense).__name__} has no stage {name!r}")


def stage_names(defense: Defense) -> list[str]:
    """The names of all stages, in order, found on a model of two thin layers."""
    model = random_bert(SMALLEST)
    model.train()
    words = model.config.vocab_size
    batch = with_needs(random_batch(2, 4, words), defense.needs, vocabulary=words)
    return [stage.name for stage in opened_stages(defense, model, batch)]


def step_and_clear(stage: Stage, batch: Batch) -> None:
    """Run one step, from the batch to the parameters' gradients, then drop the gradients. No update is made."""
    stage.step(batch)
    for parameter in stage.parameters:
        parameter.grad = None


def exact_counters(model: nn.Module, parameters: list[nn.Parameter], step: Callable[[], object]) -> dict[str, int]:
    """Passes, FLOPs and trained parameters of one call of `step`, the same on every machine.

    Fused attention is off while counting: torch's counter does not support the CPU's fused kernel.
    """
    with (
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as flops,
        CountPasses(model, parameters) as passes,
    ):
        step()
    return {
        "n_forward": passes.forward,
        "n_backward_full": passes.backward_full,
        "n_backward_input": passes.backward_input,
        "flops": flops.get_total_flops(),
        "parameters": sum(parameter.numel() for parameter in parameters),
    }
