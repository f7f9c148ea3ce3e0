"""A planted bad defense for every fault: its check catches it and names it; a sound one passes them all."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import torch
from made_up_guards import Dropping, Mixing
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Stage
from baselines.fine_tune import FineTune
from baselines.guard import Guard
from benchmarks.contract import CHECKS, Broken, checks, verdicts


@dataclass(frozen=True, kw_only=True)
class Planted(Defense):
    """Fine-tuning, to be spoilt. Source: made up."""

    title = "Planted"
    paper = "made up"

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy, with its graph."""
        return cross_entropy(model(**batch.inputs()).logits, batch.labels)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """A fine-tuning step."""
        loss = self.loss(model, batch)
        loss.backward()
        return loss.detach()


Step = Callable[[Planted, nn.Module, Batch], Tensor]


def with_step(step: Step) -> type[Defense]:
    """The planted defense with another step."""
    return type("Planted", (Planted,), {"step": step, "__doc__": Planted.__doc__}, key="planted")


def after_backward(spoil: Callable[[nn.Module, Tensor], object]) -> type[Defense]:
    """The planted defense that does something more after its backward pass; what that returns is the step's."""

    def step(self: Planted, model: nn.Module, batch: Batch) -> Tensor:
        loss = self.loss(model, batch)
        loss.backward()
        returned = spoil(model, loss)
        return loss.detach() if returned is None else returned

    return with_step(step)


def with_stages(stages: Callable[[Planted, nn.Module], Iterator[Stage]], **more: object) -> type[Defense]:
    """The planted defense with stages of its own."""
    return type("Planted", (Planted,), {"stages": stages} | more, key="planted")


def noisy_forward(self: Planted, model: nn.Module) -> Iterator[Stage]:
    yield from Planted.stages(self, model)
    model.dropout.forward = lambda hidden: hidden + torch.randn_like(hidden)


def hook_left(self: Planted, model: nn.Module) -> Iterator[Stage]:
    model.classifier.register_forward_pre_hook(lambda module, inputs: inputs)
    yield from Planted.stages(self, model)


def parametrisation_left(self: Planted, model: nn.Module) -> Iterator[Stage]:
    yield from Planted.stages(self, model)
    nn.utils.parametrizations.weight_norm(model.classifier)


def head_alone(self: Planted, model: nn.Module) -> Iterator[Stage]:
    yield self.stage("head", lambda batch: self.step(model, batch), list(model.classifier.parameters()))


def two_stages(self: Planted, model: nn.Module) -> Iterator[Stage]:
    for name in ("first", "second"):
        yield self.stage(name, lambda batch: self.step(model, batch), list(model.parameters()), state=())


def optimised(model: nn.Module, loss: Tensor) -> None:
    torch.optim.SGD(model.parameters(), lr=0.1).step()


def in_eval_mode(model: nn.Module, loss: Tensor) -> None:
    model.eval()


def in_train_mode(model: nn.Module, loss: Tensor) -> None:
    model.train()


def poisoned(model: nn.Module, loss: Tensor) -> None:
    model.classifier.bias.grad.fill_(float("nan"))


def frozen(model: nn.Module, loss: Tensor) -> None:
    model.classifier.bias.requires_grad_(False)


def zeroed(model: nn.Module, loss: Tensor) -> None:
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad.zero_()


def no_backward(self: Planted, model: nn.Module, batch: Batch) -> Tensor:
    return self.loss(model, batch).detach()


def drawn_from_python(self: Planted, model: nn.Module, batch: Batch) -> Tensor:
    loss = self.loss(model, batch) * random.uniform(0.5, 1.5)
    loss.backward()
    return loss.detach()


def seeded_itself(self: Planted, model: nn.Module, batch: Batch) -> Tensor:
    torch.manual_seed(0)
    return Planted.step(self, model, batch)


def reads_padding(self: Planted, model: nn.Module, batch: Batch) -> Tensor:
    states = model.base_model(**batch.inputs()).last_hidden_state
    loss = self.loss(model, batch) + states.mean(1).pow(2).sum()
    loss.backward()
    return loss.detach()


def uphill(self: Planted, model: nn.Module, batch: Batch) -> Tensor:
    loss = -self.loss(model, batch)
    loss.backward()
    return loss.detach()


@dataclass(frozen=True, kw_only=True)
class UnwritableSettings(Planted, key="planted"):
    """A set among the hyperparameters. Source: made up."""

    words: frozenset = frozenset({"a"})


@dataclass(frozen=True, kw_only=True)
class SettingsLost(Planted, key="planted"):
    """A tuple, which JSON gives back as a list. Source: made up."""

    widths: tuple = (1, 2)


@dataclass(frozen=True, kw_only=True)
class KeepsState(Planted, key="planted"):
    """State in the defense. Source: made up."""

    seen: list = field(default_factory=list)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        self.seen.append(len(batch))
        return super().step(model, batch)


class UntitledFineTune(FineTune, key="untitled"):
    """Source: made up."""

    title = ""


def declares(passes: Passes) -> type[Defense]:
    return type("Planted", (Planted,), {"update_passes": lambda self: passes}, key="planted")


STEPS, PLAIN = checks.steps_leave_gradients_and_nothing_else, checks.leaves_a_plain_model


@pytest.mark.parametrize(
    ("kind", "check", "sentence"),
    [
        (with_stages(noisy_forward), checks.answers_a_text_the_same_twice, "forward pass is random"),
        (with_stages(noisy_forward), PLAIN, "the forward of the module 'dropout' is left patched"),
        (after_backward(in_eval_mode), STEPS, "finds the module 'model' in train mode and leaves it in eval"),
        (after_backward(in_train_mode), STEPS, "finds the module 'model' in eval mode and leaves it in train"),
        (with_stages(hook_left), PLAIN, "a hook is left on the module 'classifier'"),
        (with_stages(parametrisation_left), PLAIN, "a parametrisation is left on the module 'classifier'"),
        (with_step(no_backward), STEPS, "leaves no gradient; call backward"),
        (after_backward(zeroed), STEPS, "leaves gradients of zeros alone"),
        (after_backward(poisoned), STEPS, "leaves a gradient that is not finite"),
        (with_stages(head_alone), STEPS, "which stage 'head' does not train"),
        (after_backward(frozen), STEPS, "leaves requires_grad of 'classifier.bias' changed"),
        (with_stages(two_stages), STEPS, "yields several stages, and says that it has one"),
        (after_backward(optimised), STEPS, "a step changes the weights"),
        (after_backward(lambda model, loss: loss), STEPS, "returns a loss with its graph"),
        (after_backward(lambda model, loss: loss.detach().view(1)), STEPS, r"a loss of shape \(1,\)"),
        (after_backward(lambda model, loss: float(loss.detach())), STEPS, "a step returns float"),
        (after_backward(lambda model, loss: loss.detach() * float("nan")), STEPS, "returns the loss nan"),
        (with_step(drawn_from_python), checks.a_seed_decides_the_training, "one seed end in different weights"),
        (with_step(seeded_itself), checks.a_seed_decides_the_training, "two seeds end in the same weights"),
        (UnwritableSettings, checks.settings_survive_json, "cannot be written as JSON: .*frozenset"),
        (SettingsLost, checks.settings_survive_json, "cannot be read from JSON again: .*widths"),
        (
            declares(Passes(1, 2, 0)),
            checks.makes_the_passes_it_declares,
            "declares 1 forward, 2 full backward and 0 input backward passes per batch, and 1 forward, 1 full",
        ),
        (with_step(reads_padding), checks.padding_changes_nothing, "padding change the loss of update 1 from"),
        (with_step(uphill), checks.training_lowers_the_loss, "the loss does not fall: 0.* before and"),
        (KeepsState, checks.keeps_nothing_of_a_run, "a training changes the defense"),
        (UntitledFineTune, checks.names_itself_and_its_source, "UntitledFineTune.title is missing"),
    ],
)
def test_a_planted_fault_is_caught_and_named(kind: type[Defense], check: checks.Check, sentence: str) -> None:
    with pytest.raises(Broken, match=sentence):
        check(kind)


def test_patches_that_a_saved_model_loses_are_caught() -> None:
    def doubled(self: Planted, model: nn.Module) -> Iterator[Stage]:
        yield from Planted.stages(self, model)
        model.classifier.forward = lambda hidden: 2 * nn.functional.linear(hidden, model.classifier.weight)

    with pytest.raises(Broken, match="answers differently after saving and loading"):
        checks.is_saved_and_loaded(with_stages(doubled))


def test_a_memory_that_is_not_named_is_caught() -> None:
    def growing(self: Planted, model: nn.Module) -> Iterator[Stage]:
        done = [0]

        def step(batch: Batch) -> Tensor:
            done[0] += 1
            loss = self.loss(model, batch) * done[0]
            loss.backward()
            return loss.detach()

        yield self.stage("train", step, list(model.parameters()), state=())

    with pytest.raises(Broken, match=r"name what a stage changes in Stage\.state"):
        checks.goes_on_after_being_killed(with_stages(growing))


def behind(guard: Guard) -> type[Defense]:
    """The planted defense with a guard."""
    return type("Planted", (Planted,), {"guard": lambda self, model: guard, "__doc__": Planted.__doc__}, key="planted")


class Forgetful(Dropping, key="forgetful"):
    """A guard that answers by other words, which it draws from torch's generator."""

    def without_noise(self):
        """Itself with one copy."""
        return Forgetful(number=1)

    def copies(self, question, count, model, reader):
        """A copy of other words, by chance."""
        place = int(torch.randint(20, 90, ()))
        return reader.rows([(f"w{place}",)]) * (count or self.number)


@pytest.mark.parametrize(
    ("guard", "check", "sentence"),
    [
        (Mixing(), checks.company_changes_no_guarded_answer, "a guard answers texts otherwise when they are asked"),
        (Forgetful(), checks.a_guard_without_noise_is_the_bare_model, "gives logits that differ from the bare model's"),
        (Forgetful(), checks.a_guard_leaves_nothing_behind, "its guard draws from torch's generator"),
        (Dropping(claimed=None), checks.the_guard_is_saved_with_the_model, None),
        (Dropping(), checks.company_changes_no_guarded_answer, None),
        (Dropping(), checks.a_guard_without_noise_is_the_bare_model, None),
        (Dropping(), checks.a_guard_leaves_nothing_behind, None),
    ],
)
def test_a_guard_that_breaks_its_contract_is_named(guard: Guard, check: checks.Check, sentence: str | None) -> None:
    if sentence is None:
        check(behind(guard))
        return
    with pytest.raises(Broken, match=sentence):
        check(behind(guard))


def test_an_exception_out_of_a_defense_is_a_fault_and_the_other_checks_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(self: Planted, model: nn.Module, batch: Batch) -> Tensor:
        raise KeyError("words")

    chosen = (checks.names_itself_and_its_source, STEPS, checks.settings_survive_json)
    monkeypatch.setattr(checks, "CHECKS", chosen)
    found = list(verdicts(with_step(breaks)))
    assert [verdict.fault for verdict in found] == [None, "it raises KeyError: 'words'", None]
    assert [verdict.check for verdict in found] == [check.__name__ for check in chosen]


def test_every_check_says_what_it_holds_a_defense_to() -> None:
    assert all(check.__doc__ and check.__doc__.splitlines()[0].endswith(".") for check in CHECKS)
