"""A classifier as an attack sees it: texts in, probabilities out, queries counted."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerBase

from baselines.guard import padded
from baselines.memory import ran_out_of_memory
from baselines.validation import UserError, require
from benchmarks.victims.batch_invariant import answers_of
from benchmarks.victims.cached_answers import CachedAnswers
from benchmarks.victims.kernels import Kernel, fastest_kernel
from benchmarks.victims.mixtures import Margins, Mixture, margins_of
from benchmarks.victims.packed import packed_logits, whole_logits
from benchmarks.victims.pieces import Pieces, Row

REMEMBERED = 1 << 14
SAME = 1e-4  # between probabilities of the fast pass and of the model's own, which differ by rounding


class Victim:
    """Answer texts with class probabilities, in eval mode and single precision.

    Inputs of equal tokens are answered once and remembered: changes behind the point where a long text is cut cost
    nothing. Batches fill a budget of tokens, and are halved where memory does not hold them. On a CPU they are not
    padded (`packed_logits`), and on one thread an answer does not depend on its company; elsewhere they are.

    Args:
        model: a sequence classifier of transformers; put into eval mode.
        tokenizer: its tokenizer.
        max_length: longest input in tokens.
        device: where the model lies.
        batch_tokens: most tokens in a batch, padding included.
        temperature: what logits are divided by before the softmax; 1 leaves them as they are.
        kernel: of its products on a CPU; the fastest exact one of this machine when None.
        order: (C,) which of the model's classes is class 0, class 1, ... of the answers; its own order when None.
    Attributes:
        queries: texts answered so far, repeats included.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int,
        device: str = "cpu",
        batch_tokens: int = 8192,
        temperature: float = 1.0,
        order: Sequence[int] | None = None,
        kernel: Kernel | None = None,
    ) -> None:
        least = tokenizer.num_special_tokens_to_add() + 1
        require(max_length >= least, "Victim.max_length", f"{least} or more", max_length)
        require(batch_tokens >= max_length, "Victim.batch_tokens", f"at least max_length ({max_length})", batch_tokens)
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.device = device
        self.batch_tokens = batch_tokens
        require(temperature > 0, "Victim.temperature", "positive", temperature)
        self.temperature = temperature
        self.order = None if order is None or list(order) == sorted(order) else list(order)
        self.queries = 0
        self._packed = device == "cpu"
        self.kernel: Kernel = kernel or (fastest_kernel(model) if device == "cpu" else "torch")
        self._pieces = Pieces(tokenizer, max_length)
        self._answers: CachedAnswers[Row] = CachedAnswers(REMEMBERED)
        self._known_logits: CachedAnswers[Row] = CachedAnswers(REMEMBERED)

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        return self.model.config.num_labels

    def check(self, texts: Sequence[tuple[str, ...]]) -> list[str]:
        """Asks about a few texts before any work, and compares the fast passes with the model's own.

        What differs is turned off. Nothing is counted.

        Returns:
            Sentences on what was turned off.
        Raises:
            UserError: where the model does not answer, or not with C finite numbers for each text.
        """
        notes = [self._pieces.check(texts)]
        rows = self._pieces.rows(texts)
        try:
            with torch.inference_mode():
                own = whole_logits(self.model, rows)
        except Exception as error:
            if ran_out_of_memory(error):
                raise
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"the model cannot read the texts: {type(error).__name__}: {reason}") from error
        require(
            own.shape == (len(rows), self.classes),
            "the model's logits",
            f"of shape {(len(rows), self.classes)}",
            tuple(own.shape),
        )
        require(bool(own.isfinite().all()), "the model's logits", "finite", own[~own.isfinite()][:1].tolist())
        if self._packed:
            with torch.inference_mode():
                packed = packed_logits(self.model, rows)
            if not torch.allclose(packed.softmax(-1), own.softmax(-1), rtol=0, atol=SAME):
                self._packed = False
                notes.append("Inputs of several lengths are not computed together: the model answers otherwise alone.")
        return [note for note in notes if note is not None]

    def at(self, temperature: float) -> Victim:
        """The same victim with another temperature and a count of 0."""
        require(temperature > 0, "Victim.temperature", "positive", temperature)
        other = copy.copy(self)
        other.temperature, other.queries, other._answers = temperature, 0, CachedAnswers(REMEMBERED)
        return other

    def __call__(self, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        """Class probabilities (N, C) float32 of N texts, each of one or two columns."""
        self.queries += len(texts)
        if not texts:
            return np.zeros((0, self.classes), dtype=np.float32)
        return self._answers.of(self._pieces.rows(texts), self._forward)

    def logits(self, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        """Logits (N, C) float64 of N texts, as the model gives them: no temperature divides them."""
        self.queries += len(texts)
        if not texts:
            return np.zeros((0, self.classes))
        found = self._known_logits.of(self._pieces.rows(texts), partial(self._answered, self._batch_logits))
        return found.astype(np.float64)

    def rows(self, texts: Sequence[tuple[str, ...]]) -> list[Row]:
        """The tokens of N texts, as the model reads them."""
        return self._pieces.rows(texts)

    def margins(self, mixture: Mixture) -> Margins:
        """Margins of the logits on a mixture of words, with their gradients; this is no query."""
        return margins_of(self.model, mixture, self.order, self.device)

    def gradient(self, text: tuple[str, ...], of_margin: bool = False) -> tuple[list[str], np.ndarray]:
        """The tokens (L) of a text, and a gradient (L, H) float32 by their word vectors; it counts as no query.

        The loss is the cross-entropy of the class that the text is read as.

        Args:
            of_margin: take the margin of the other classes over that class instead, which does not saturate.
        """
        rows, vectors = self._pieces.rows([text]), []

        def watched(layer: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
            vectors.append(output.detach().requires_grad_())
            return vectors[-1]

        handle = self.model.get_input_embeddings().register_forward_hook(watched)
        try:
            with torch.enable_grad():
                (logits,) = self.model(**self._padded(rows), return_dict=True).logits
                read = logits.argmax()
                others = logits[torch.arange(len(logits), device=logits.device) != read].max()
                loss = others - logits[read] if of_margin else cross_entropy(logits, read)
                (found,) = torch.autograd.grad(loss, vectors)
        finally:
            handle.remove()
        return self.tokenizer.convert_ids_to_tokens(rows[0].ids), found[0].float().cpu().numpy()

    def _forward(self, rows: Sequence[Row]) -> np.ndarray:
        """Probabilities (N, C) of N inputs."""
        return self._answered(self._batch_forward, rows)

    def _answered(self, forward: Callable[[Sequence[Row]], np.ndarray], rows: Sequence[Row]) -> np.ndarray:
        """The answers (N, C) of `forward` to N inputs."""
        return answers_of(
            self.model,
            forward,
            rows,
            width=self.classes,
            most_tokens=self.batch_tokens,
            kernel=self.kernel,
        )

    def _batch_forward(self, rows: Sequence[Row]) -> np.ndarray:
        """Probabilities (B, C) of the B inputs of one batch."""
        # The softmax in double precision sums to 1 within TextAttack's tolerance, which else takes another softmax.
        return (self._logits(rows).double() / self.temperature).softmax(dim=-1).float().cpu().numpy()

    def _batch_logits(self, rows: Sequence[Row]) -> np.ndarray:
        """Logits (B, C) of the B inputs of one batch."""
        return self._logits(rows).float().cpu().numpy()

    def _logits(self, rows: Sequence[Row]) -> torch.Tensor:
        """Logits (B, C) of B inputs, in the order of the answers."""
        if self.device != "cpu":
            logits = self.model(**self._padded(rows), return_dict=True).logits
        else:
            logits = packed_logits(self.model, rows) if self._packed else whole_logits(self.model, rows)
        return logits if self.order is None else logits[:, self.order]

    def _padded(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """The model's inputs, each (B, L) int64."""
        return padded(rows, self.device, fill=self.tokenizer.pad_token_id)


def products_of(victim: object) -> dict[str, str]:
    """The kernel of a victim's products, for the record of an attack on a CPU."""
    return {"products": victim.kernel} if isinstance(victim, Victim) and victim.device == "cpu" else {}
