"""Record a stage's step once per batch shape and replay it: on a GPU, as a few CUDA graphs.

Some acts of a step happen on the CPU between two launches, such as restoring a random state. Each such act splits the
recording: a recorded step is launches, an act, launches, and so on. All other Python code of a step runs only once,
during recording. A step in which that code may give another result later says so in `Stage.not_capturable_reason` and
is not captured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor, nn
from transformers.utils import import_utils

from baselines.batch import Batch
from baselines.checkpointing import random_state, restore_random_state
from baselines.defense import Stage, Stateful, Step
from baselines.validation import UserError

WARM_UPS = 2  # libraries allocate their workspaces in the first call, which cannot be recorded

Act = Callable[[], None]


class Graphs(Protocol):
    """A recorder of what is launched on a device."""

    def beside(self) -> AbstractContextManager[None]:
        """The context in which steps are warmed up and recorded."""

    def begin(self, generators: Sequence[Generator]) -> None:
        """Start recording; nothing runs. `generators` are those drawn from besides the device's own."""

    def end(self) -> Act:
        """Stop recording and return an act that replays the recording."""


class CudaGraphs:
    """CUDA graphs that share one memory pool, since only one is replayed at a time.

    The last graph is kept until the next one exists: torch reuses a pool only while some graph holds it.
    """

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()
        self._pool = torch.cuda.graph_pool_handle()
        self._last: torch.cuda.CUDAGraph | None = None

    @contextmanager
    def beside(self) -> Iterator[None]:
        """A separate stream, as CUDA requires; the current stream waits for it."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            yield
        torch.cuda.current_stream().wait_stream(self._stream)

    def begin(self, generators: Sequence[Generator]) -> None:
        """Start a graph; each launch will use the generators' states at that time."""
        self._graph = torch.cuda.CUDAGraph()
        for generator in generators:
            self._graph.register_generator_state(generator)
        torch.cuda.synchronize()
        self._graph.capture_begin(pool=self._pool)

    def end(self) -> Act:
        """Finish the graph."""
        self._graph.capture_end()
        self._last = self._graph
        return self._graph.replay


class _Tape:
    """A recording in progress: the graphs so far and the CPU's acts between them."""

    def __init__(self, graphs: Graphs, generators: Sequence[Generator]):
        self.graphs, self.generators = graphs, generators
        self.acts: list[Act] = []

    def cut(self, act: Act) -> None:
        """Finish a graph, do the act, start the next graph."""
        self.acts += [self.graphs.end(), act]
        act()
        self.graphs.begin(self.generators)


_tape: _Tape | None = None


def on_the_host(act: Act) -> None:
    """Do `act` now; during recording, also at this place of every replay."""
    if _tape is None:
        act()
    else:
        _tape.cut(act)


@contextmanager
def _unseen_by_transformers() -> Iterator[None]:
    """Hide from transformers 5 that the block is being recorded.

    When it detects a recording, it builds a mask even for texts without padding, so as not to read a mask's values. Our
    mask answers without being read, and a replay must do what an eager step does.
    """
    asked = getattr(import_utils, "is_cuda_stream_capturing", None)
    if asked is None:
        yield
        return
    import_utils.is_cuda_stream_capturing = lambda: False
    try:
        yield
    finally:
        import_utils.is_cuda_stream_capturing = asked


@contextmanager
def _recording(tape: _Tape) -> Iterator[None]:
    """Send launches to the tape while the block runs."""
    global _tape
    tape.graphs.begin(tape.generators)
    _tape = tape
    try:
        yield
    except BaseException:
        with suppress(RuntimeError):  # a broken recording raises again at its end
            tape.graphs.end()
        raise
    else:
        tape.acts.append(tape.graphs.end())
    finally:
        _tape = None


@dataclass(frozen=True)
class _Recorded:
    """The recording of one shape.

    Attributes:
        batch: the input of the replay; another batch is copied into it.
        acts: what to do, in order.
        loss: the tensor that then holds the loss, shape ().
        gradients: the parameters with the tensors that then hold their gradients.
        counts: what one replay adds to the counts.
    """

    batch: Batch
    acts: list[Act]
    loss: Tensor
    gradients: list[tuple[nn.Parameter, Tensor]]
    counts: dict[str, int]


class CapturedStep:
    """A stage's step, recorded for each shape of batch and replayed for each batch.

    All shapes leave their gradients in the same memory, unless the step itself discards gradients.

    Args:
        title: the method's name, for error messages.
        step: what is recorded: `stage.step` in the precision it runs in.
        counts: what Python code counts; a replay runs no Python, so the counts are added afterwards.
    Raises:
        UserError: if replays of the stage's step would not do what the step does.
    """

    def __init__(self, title: str, stage: Stage, step: Step, counts: Stateful, graphs: Graphs):
        self._name, self._parameters, self._step = f"{title}, stage {stage.name!r}", stage.parameters, step
        self._counts, self._graphs = counts, graphs
        because = stage.not_capturable_reason
        if stage.state is None:
            because = because or "it does not declare in `state` what its step changes"
        if because is not None:
            raise self._refusal(because)
        self._generators = [each for each in stage.state or () if isinstance(each, Generator)]
        self._gradients: dict[nn.Parameter, Tensor] = {}
        self._recorded: dict[tuple[object, ...], _Recorded] = {}

    def _refusal(self, because: object) -> ValueError:
        return UserError(f"{self._name} cannot be captured: {because}; leave out --capture, or leave out this method")

    def knows(self, batch: Batch) -> bool:
        """Whether a batch of this shape was recorded."""
        return _shape(batch) in self._recorded

    def record(self, batch: Batch) -> None:
        """Record the step for the batch's shape, then put random states and counts back.

        Raises:
            UserError: if the step does something that a recording cannot hold.
        """
        batch = batch.clone()
        device = batch.labels.device
        counts, drawn = self._counts.state(), random_state(device)
        own = [generator.get_state() for generator in self._generators]
        tape = _Tape(self._graphs, self._generators)
        with self._graphs.beside():
            for _ in range(WARM_UPS):
                self._step(batch)
            for parameter in self._parameters:
                if parameter.grad is not None:
                    parameter.grad = self._gradients.setdefault(parameter, parameter.grad)
            self._counts.restore(counts)
            try:
                with _recording(tape), _unseen_by_transformers():
                    torch._foreach_zero_(list(self._gradients.values()))
                    loss = self._step(batch)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                raise self._refusal(str(error).partition("\n")[0]) from error
        gradients = [(parameter, parameter.grad) for parameter in self._parameters if parameter.grad is not None]
        for parameter, _ in gradients:
            parameter.grad = None
        more = {name: value - counts[name] for name, value in self._counts.state().items()}
        self._counts.restore(counts)
        restore_random_state(drawn, device)
        for generator, state in zip(self._generators, own, strict=True):
            generator.set_state(state)
        self._recorded[_shape(batch)] = _Recorded(batch, tape.acts, loss, gradients, more)

    def __call__(self, batch: Batch) -> Tensor:
        """Replay the recording of the batch's shape: leave gradients in `.grad`, return the detached loss, ()."""
        recorded = self._recorded[_shape(batch)]
        recorded.batch.copy_(batch)
        for act in recorded.acts:
            act()
        for parameter, gradient in recorded.gradients:
            parameter.grad = gradient
        counts = self._counts.state()
        self._counts.restore({name: value + recorded.counts[name] for name, value in counts.items()})
        return recorded.loss.clone()


def _shape(batch: Batch) -> tuple[object, ...]:
    """All properties of a batch that decide what is launched."""
    return tuple(
        (name, value.shape, value.dtype) if isinstance(value, Tensor) else (name, value)
        for name, value in vars(batch).items()
    )
