"""The checks: each trains a defense on a two-layer random BERT for seconds and raises `Broken` with the fault.

@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract(check):
    check(Mine)
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import itertools
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Progress, Stage
from baselines.guard import PREFIX, Question, Row, guard_of, put_guard
from baselines.threads import cpu_threads
from baselines.training import StageLog, fit
from baselines.validation import UserError
from benchmarks.contract.outside_data import forbidden_imports, outside_reads
from benchmarks.contract.small import SmallSet, short, small_bert, small_texts, small_tokenizer, without_noise
from benchmarks.experiments.settings import with_settings
from benchmarks.results.checkpoints import Checkpoints
from benchmarks.victims.guarded import GuardedVictim, victim_of
from benchmarks.victims.saved import load_classifier, save_classifier

LEAST_FALL = 0.05  # of the mean loss, in nats, over about 64 updates; fine-tuning's falls by about 0.6
FEW_EPOCHS = 2


class Broken(AssertionError):
    """A defense breaks the contract; the message says how and, if known, what to do."""


@dataclass(frozen=True)
class Verdict:
    """The result of one check.

    Attributes:
        check: its name.
        promise: the rule that it checks.
        fault: one sentence on what is wrong, or None.
    """

    check: str
    promise: str
    fault: str | None


Check = Callable[[type[Defense]], None]


def verdicts(kind: type[Defense]) -> Iterator[Verdict]:
    """Run every check on a defense and yield each verdict; an exception in the defense is a fault too."""
    for check in CHECKS:
        fault = None
        try:
            check(kind)
        except Broken as broken:
            fault = str(broken)
        except (Exception, SystemExit) as error:
            fault = f"it raises {type(error).__name__}: {error}"
        yield Verdict(check.__name__, (check.__doc__ or "").splitlines()[0], fault)


def hold(is_kept: bool, fault: str) -> None:
    """Raise `Broken` with the fault unless the contract is kept."""
    if not is_kept:
        raise Broken(fault)


def names_itself_and_its_source(kind: type[Defense]) -> None:
    """The class defines title and paper, and its docstring the source."""
    for name in ("title", "paper"):
        hold(bool(getattr(kind, name, "")), f"{kind.__name__}.{name} is missing; set it in the class")
    hold("Source" in (kind.__doc__ or ""), f"the docstring of {kind.__name__} names no source; write 'Source: ...'")
    hold(kind.key.isidentifier() and kind.key.islower(), f"the key {kind.key!r} must be snake case")


def settings_survive_json(kind: type[Defense]) -> None:
    """Hyperparameters written as JSON and read again give the same defense."""
    defense = short(kind)
    try:
        written = json.dumps(defense.settings())
    except TypeError as error:
        raise Broken(f"its settings cannot be written as JSON: {error}; use numbers, text, bools and None") from error
    try:
        again = with_settings(kind(), json.loads(written))
    except UserError as error:
        raise Broken(f"its settings cannot be read from JSON again: {error}") from error
    hold(again == defense, f"its settings change when written as JSON and read again: {defense} became {again}")


def sees_training_texts_alone(kind: type[Defense]) -> None:
    """The defense sees only its batches: it imports no data module, reads no file, opens no connection."""
    for line, module in forbidden_imports(kind):
        raise Broken(
            f"line {line} of its file imports {module}, through which it could reach test data; a defense learns about "
            f"data from its batches alone"
        )
    with outside_reads(kind) as reads:
        train(short(kind, FEW_EPOCHS), small_bert())
    hold(not reads, f"it {'; '.join(reads[:3])} while it trains, which could be test data; use the batches alone")


def steps_leave_gradients_and_nothing_else(kind: type[Defense]) -> None:
    """A step leaves finite gradients on its stage's parameters, and does not change weights, modes and flags."""
    defense, model = short(kind, FEW_EPOCHS), small_bert()
    watched = _Watched(defense, model)
    train(watched, model)
    one = "yields several stages, and says that it has one; set one_stage = False"
    hold(watched.stage_count == 1 or not kind.one_stage, f"it {one}")


class _Watched:
    """A wrapper that checks every step of a defense; for every second step the model is put in eval mode."""

    def __init__(self, defense: Defense, model: nn.Module):
        self.defense, self.model, self.needs = defense, model, defense.needs
        self.stage_count = 0

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        for stage in self.defense.stages(model):
            self.stage_count += 1
            yield dataclasses.replace(stage, step=self._watched(stage))

    def _watched(self, stage: Stage) -> Callable[[Batch], Tensor]:
        calls = itertools.count()

        def step(batch: Batch) -> Tensor:
            self.model.train(next(calls) % 2 == 0)
            before = [parameter.detach().clone() for parameter in self._all(stage)]
            flags = {name: parameter.requires_grad for name, parameter in self.model.named_parameters()}
            modes = {name: module.training for name, module in self.model.named_modules()}
            loss = stage.step(batch)
            _look_at_loss(loss)
            self._look_at_gradients(stage)
            changed = [p for p, was in zip(self._all(stage), before, strict=True) if not torch.equal(p, was)]
            hold(not changed, "a step changes the weights; leave gradients and let the loop's optimiser update")
            for name, module in self.model.named_modules():
                found, left = ("train" if mode else "eval" for mode in (modes[name], module.training))
                hold(
                    found == left,
                    f"a step finds the module {name or 'model'!r} in {found} mode and leaves it in {left}",
                )
            for name, parameter in self.model.named_parameters():
                hold(flags[name] == parameter.requires_grad, f"a step leaves requires_grad of {name!r} changed")
            self.model.train()
            return loss

        return step

    def _all(self, stage: Stage) -> list[nn.Parameter]:
        """The model's parameters and the other parameters that the stage trains."""
        return list({id(each): each for each in (*self.model.parameters(), *stage.parameters)}.values())

    def _look_at_gradients(self, stage: Stage) -> None:
        own = {id(parameter) for parameter in stage.parameters}
        gradients = [parameter.grad for parameter in stage.parameters if parameter.grad is not None]
        hold(bool(gradients), f"a step of stage {stage.name!r} leaves no gradient; call backward()")
        for name, parameter in self.model.named_parameters():
            is_left = parameter.grad is not None and id(parameter) not in own
            hold(not is_left, f"a step leaves a gradient on {name!r}, which stage {stage.name!r} does not train")
        finite = all(bool(torch.isfinite(gradient).all()) for gradient in gradients)
        hold(finite, f"a step of stage {stage.name!r} leaves a gradient that is not finite")
        moved = any(bool(gradient.any()) for gradient in gradients)
        hold(moved, f"a step of stage {stage.name!r} leaves gradients of zeros alone")


def _look_at_loss(loss: object) -> None:
    hold(isinstance(loss, Tensor), f"a step returns {type(loss).__name__}; return the loss as a tensor of shape ()")
    hold(loss.shape == (), f"a step returns a loss of shape {tuple(loss.shape)}; return one of shape ()")
    hold(not loss.requires_grad, "a step returns a loss with its graph; return loss.detach()")
    hold(bool(torch.isfinite(loss)), f"a step returns the loss {float(loss)}")


def makes_the_passes_it_declares(kind: type[Defense]) -> None:
    """If `update_passes()` declares passes, they equal those counted in the last stage."""
    declared = short(kind, FEW_EPOCHS).update_passes()
    if declared is None:
        return
    last = trained(kind)[1][-1]
    found = Passes(*(count / last.updates for count in vars(last.passes).values()))  # type: ignore[arg-type]
    hold(
        found == declared,
        f"update_passes() declares {_passes(declared)} per batch, and {_passes(found)} were counted in stage "
        f"{last.name!r}",
    )


def _passes(passes: Passes) -> str:
    return (
        f"{passes.forward:g} forward, {passes.backward_full:g} full backward and {passes.backward_input:g} input "
        f"backward passes"
    )


def training_lowers_the_loss(kind: type[Defense]) -> None:
    """About 64 updates on eight easy batches lower the loss on them."""
    model = small_bert(dropout=0.0)
    before = mean_loss(model)
    logs = train(short(kind), model)
    after = mean_loss(model)
    hold(
        after < before - LEAST_FALL,
        f"the loss does not fall: {before:.3f} before and {after:.3f} after {sum(log.updates for log in logs)} updates",
    )


def a_seed_decides_the_training(kind: type[Defense]) -> None:
    """The same seed gives the same weights to the last bit, and another seed gives others."""
    ends = []
    for seed in (7, 7, 8):
        model = small_bert()
        train(short(kind, FEW_EPOCHS), model, seed=seed)
        ends.append(weights_hash(model))
    hold(
        ends[0] == ends[1],
        "two trainings with one seed end in different weights; draw from torch's generator, which the seed sets",
    )
    hold(ends[0] != ends[2], "trainings with two seeds end in the same weights; do not set a seed inside the defense")


def padding_changes_nothing(kind: type[Defense]) -> None:
    """Two more columns of padding give the same losses, up to the order of sums in float32."""
    defense = without_noise(short(kind, FEW_EPOCHS))
    losses = []
    for pad_to in (None, 10):
        model = small_bert(dropout=0.0)
        losses.append(train(defense, model, SmallSet(defense.needs, pad_to))[0].losses[:4])
    for update, (narrow, wide) in enumerate(zip(*losses, strict=True), start=1):
        hold(
            math.isclose(narrow, wide, rel_tol=1e-4, abs_tol=1e-5),
            f"two columns of padding change the loss of update {update} from {narrow:.6f} to {wide:.6f}; leave padding "
            f"out of norms and means, and call the size of a random start init_magnitude, which is 0 here",
        )
    narrow, wide = (logits(model, SmallSet(pad_to=width).batches[0]) for width in (None, 10))
    hold(torch.allclose(narrow, wide, rtol=1e-5, atol=1e-5), "the trained model's logits change with padding")


def leaves_a_plain_model(kind: type[Defense]) -> None:
    """After the last stage only the model's weights have changed: no hooks, parametrisations or patches are left."""
    stock, (model, _) = small_bert(), trained(kind)
    trainable = {name: parameter.requires_grad for name, parameter in stock.named_parameters()}
    for name, module in model.named_modules():
        hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values(), *module._backward_hooks.values()]
        # transformers 5 leaves its own hooks after hidden states were requested
        own = [hook for hook in hooks if not getattr(hook, "__module__", "").startswith("transformers.")]
        where = f"the module {name or 'model'!r}"
        hold(not own, f"a hook is left on {where}; remove it after the last stage")
        hold(not hasattr(module, "parametrizations"), f"a parametrisation is left on {where}; remove it")
        hold("forward" not in vars(module), f"the forward of {where} is left patched; put the original one back")
    changed = set(stock.state_dict()) ^ set(model.state_dict())
    if kind().is_guarded:  # what a guard needs at inference lies there, and is saved apart
        changed = {name for name in changed if not name.startswith(f"{PREFIX}.")}
    hold(not changed, f"the model's weights were {'added or removed'}: {', '.join(sorted(changed)[:3])}")
    for name, parameter in model.named_parameters():
        hold(parameter.grad is None, f"a gradient is left on {name!r}")
        hold(trainable.get(name, True) == parameter.requires_grad, f"requires_grad of {name!r} is left changed")


def answers_a_text_the_same_twice(kind: type[Defense]) -> None:
    """The trained model's forward pass in eval mode uses no random numbers."""
    model, _ = trained(kind)
    first, second = (logits(model, SmallSet().batches[0]) for _ in range(2))
    hold(
        torch.equal(first, second),
        "the trained model's forward pass is random: two passes of one text in eval mode differ",
    )


def is_saved_and_loaded(kind: type[Defense]) -> None:
    """The trained model, saved and loaded, gives the same logits."""
    model, _ = trained(kind)
    with tempfile.TemporaryDirectory() as folder:
        save_classifier(model, Path(folder) / "model")
        loaded = load_classifier(Path(folder) / "model")
    batch = SmallSet().batches[0]
    same = torch.allclose(logits(loaded, batch), logits(model, batch), rtol=0, atol=1e-6)
    hold(same, "the trained model answers differently after saving and loading: it depends on more than its weights")


def keeps_nothing_of_a_run(kind: type[Defense]) -> None:
    """A training does not change the defense, which holds hyperparameters only."""
    defense = short(kind, FEW_EPOCHS)
    before = (repr(defense), dict(vars(defense)))
    train(defense, small_bert())
    hold((repr(defense), dict(vars(defense))) == before, "a training changes the defense; keep state in stages() only")


def the_guard_is_saved_with_the_model(kind: type[Defense]) -> None:
    """A guard is written into the model's configuration, and the loaded model answers as the saved one does."""
    victim = guarded(kind)
    if victim is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        save_classifier(victim.model, Path(folder) / "model")
        loaded = load_classifier(Path(folder) / "model")
    hold(guard_of(loaded) == victim.guard, f"its guard changes when saved: {victim.guard} became {guard_of(loaded)}")
    again = victim_of(loaded, victim.tokenizer, max_length=victim.max_length)
    same = np.allclose(again(small_texts()), victim(small_texts()), rtol=0, atol=1e-6)
    hold(same, "the guarded model answers differently after saving and loading; put tensors into the model's `guard`")


def company_changes_no_guarded_answer(kind: type[Defense]) -> None:
    """With pinned draws, a guard answers a text alike in any order and number of texts, also after other texts."""
    victim = guarded(kind)
    if victim is None:
        return
    texts = small_texts()
    together, backwards = asked(victim, texts), asked(victim.behind(victim.guard), texts[::-1])[::-1]
    apart = np.concatenate([asked(victim.behind(victim.guard), [text]) for text in texts])
    for found, how in ((backwards, "in another order"), (apart, "by themselves")):
        hold(
            np.allclose(together, found, rtol=0, atol=1e-5),
            f"a guard answers texts otherwise when they are asked {how}; an answer must depend on its text alone",
        )


def a_guard_without_noise_is_the_bare_model(kind: type[Defense]) -> None:
    """`Guard.without_noise()` gives one pass for each text, with the logits of the bare model."""
    victim = guarded(kind)
    if victim is None:
        return
    quiet, texts = victim.behind(victim.guard.without_noise()), small_texts()
    questions = [Question(text, np.random.default_rng(0)) for text in texts]
    with torch.no_grad():
        bare = [logits_of_row(victim.model, row) for row in victim.reader.rows(texts)]
    for found, expected in zip(quiet.pass_logits(questions), bare, strict=True):
        hold(len(found) == 1, f"its guard without noise makes {len(found)} passes for a text, and must make one")
        apart = float(np.abs(found[0] - expected).max())
        hold(apart <= 1e-4, f"its guard without noise gives logits that differ from the bare model's by {apart:.3g}")


def a_guard_leaves_nothing_behind(kind: type[Defense]) -> None:
    """An answer changes neither the model, nor the guard, nor torch's generator."""
    victim = guarded(kind)
    if victim is None:
        return
    model, before = victim.model, (repr(victim.guard), weights_hash(victim.model), torch.get_rng_state())
    victim(small_texts())
    hold(repr(victim.guard) == before[0], "an answer changes its guard")
    hold(weights_hash(model) == before[1], "an answer of its guard changes the model's weights")
    hold(torch.equal(torch.get_rng_state(), before[2]), "its guard draws from torch's generator; use the question's")
    hold(
        not any(module.training for module in model.modules()), "an answer of its guard leaves the model in train mode"
    )
    for name, parameter in model.named_parameters():
        hold(parameter.grad is None, f"an answer of its guard leaves a gradient on {name!r}")
    hooked = [name for name, module in model.named_modules() if module._forward_hooks or module._forward_pre_hooks]
    hold(not hooked, f"an answer of its guard leaves a hook on the module {(hooked or [''])[0] or 'model'!r}")


class _Killed(Exception):
    """The end of a process."""


def goes_on_after_being_killed(kind: type[Defense]) -> None:
    """Killed twice and resumed from checkpoints: the same weights, losses, passes and trace, bit for bit."""
    defense, whole = short(kind, FEW_EPOCHS), small_bert()
    expected = [log.as_json() for log in train(defense, whole)]
    updates = sum(log["updates"] for log in expected)
    silent = False

    def until(end: float) -> Callable[[Stage, Progress], None]:
        ticks = itertools.count(1)

        def on_update(stage: Stage, progress: Progress) -> None:
            nonlocal silent
            silent |= stage.state is None
            if next(ticks) == end:
                raise _Killed

        return on_update

    with tempfile.TemporaryDirectory() as folder:
        for lifetime in (updates // 3, updates // 2, math.inf):
            model, saves = small_bert(), itertools.count(1)
            keeper = Checkpoints(Path(folder), {}, stop=lambda saves=saves: next(saves) % 4 == 0)
            torch.manual_seed(7)
            with contextlib.suppress(_Killed):
                logs = fit(defense, model, SmallSet(defense.needs), on_update=until(lifetime), keeper=keeper)
    hold(keeper.resumed == 2 or silent, "the training did not resume from its checkpoints")
    same = [log.as_json() for log in logs] == json.loads(json.dumps(expected))
    hold(
        same and weights_hash(model) == weights_hash(whole),
        "it ends differently after a kill and resume; name what a stage changes in Stage.state, or leave it None",
    )


def _on_one_thread(check: Check) -> Check:
    """Run a check on one thread, the fastest for so small a model; two threads are very slow beside other work."""

    @wraps(check)
    def checked(kind: type[Defense]) -> None:
        with cpu_threads(1):
            check(kind)

    return checked


CHECKS: tuple[Check, ...] = tuple(
    map(
        _on_one_thread,
        (
            names_itself_and_its_source,
            settings_survive_json,
            sees_training_texts_alone,
            steps_leave_gradients_and_nothing_else,
            makes_the_passes_it_declares,
            training_lowers_the_loss,
            a_seed_decides_the_training,
            padding_changes_nothing,
            leaves_a_plain_model,
            answers_a_text_the_same_twice,
            is_saved_and_loaded,
            keeps_nothing_of_a_run,
            the_guard_is_saved_with_the_model,
            company_changes_no_guarded_answer,
            a_guard_without_noise_is_the_bare_model,
            a_guard_leaves_nothing_behind,
            goes_on_after_being_killed,
        ),
    )
)


def train(
    defense: Defense | _Watched, model: nn.Module, batches: SmallSet | None = None, seed: int = 7
) -> list[StageLog]:
    """Train on the small set with this seed."""
    torch.manual_seed(seed)
    return fit(defense, model, batches or SmallSet(defense.needs))  # type: ignore[arg-type]


@cache
def trained(kind: type[Defense]) -> tuple[nn.Module, list[StageLog]]:
    """A model trained with the defense, and the logs of its stages; made once and shared by read-only checks."""
    model = small_bert()
    return model, train(short(kind, FEW_EPOCHS), model)


def guarded(kind: type[Defense]) -> GuardedVictim | None:
    """A copy of the trained model behind the defense's guard, as a victim; None if it has none."""
    defense = short(kind, FEW_EPOCHS)
    if not defense.is_guarded:
        return None
    model = copy.deepcopy(trained(kind)[0])
    put_guard(model, defense.guard(model))
    victim = victim_of(model, small_tokenizer(), max_length=32)
    hold(isinstance(victim, GuardedVictim), "guard() gives no guard, although the class defines it; leave it out")
    assert isinstance(victim, GuardedVictim)
    return victim


def asked(victim: GuardedVictim, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
    """What an attack reads that asks about some texts in one step, (N, C)."""
    return victim.judged(texts, [("an attack", number) for number in range(len(texts))]).shown


def logits_of_row(model: nn.Module, row: Row) -> np.ndarray:
    """The bare model's logits (C,) of one input."""
    types = {"token_type_ids": torch.tensor([row.type_ids])} if row.type_ids else {}
    return model(input_ids=torch.tensor([row.ids]), **types).logits[0].numpy()


def weights_hash(model: nn.Module) -> str:
    """SHA-256 of all weights with their names."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()


def logits(model: nn.Module, batch: Batch) -> Tensor:
    """Clean logits (B, C) in eval mode."""
    model.eval()
    with torch.no_grad():
        return model(**batch.inputs()).logits


def mean_loss(model: nn.Module) -> float:
    """Mean cross-entropy over the small set, in eval mode."""
    losses = [cross_entropy(logits(model, batch), batch.labels) for batch in SmallSet().batches]
    return float(torch.stack(losses).mean())
