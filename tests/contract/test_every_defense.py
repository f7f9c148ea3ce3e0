"""The contract that every registered defense keeps, on a two-layer random BERT.

A defense added to the tree is tested here without an edit: the list comes from discovery.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from baselines.batch import Batch
from baselines.defense import Defense, Progress, Stage
from baselines.training import StageLog, fit
from benchmarks.results.checkpoints import Checkpoints
from benchmarks.runs.defenses import known_defenses
from benchmarks.runs.settings import with_settings
from benchmarks.victims.saved import load_classifier, save_classifier

DEFENSES = list(known_defenses().values())
every_defense = pytest.mark.parametrize("defense_type", DEFENSES, ids=lambda defense_type: defense_type.key)


class SmallSet:
    """Eight batches a text class can be learned from: the first token decides the label.

    Beyond tokens they carry what a defense needs, and nothing else.
    """

    updates_per_epoch = 8

    def __init__(self, pad_to: int | None = None, needs: frozenset[str] = frozenset()):
        generator = torch.Generator().manual_seed(3)
        plain = [self._batch(generator, pad_to) for _ in range(self.updates_per_epoch)]
        self.batches = [self._with(needs, batch) for batch in plain]

    @staticmethod
    def _batch(generator: torch.Generator, pad_to: int | None) -> Batch:
        lengths = torch.tensor([8, 6, 8, 5, 7, 4])
        width = 8
        ids = torch.randint(20, 100, (6, width), generator=generator)
        labels = torch.tensor([0, 1, 0, 1, 0, 1])
        ids[:, 0], ids[:, 1] = 2, torch.where(labels == 1, 10, 11)
        mask = (torch.arange(width)[None] < lengths[:, None]).long()
        ids, extra = ids * mask, (pad_to or width) - width
        pad = torch.nn.functional.pad
        return Batch(
            pad(ids, (0, extra)), pad(mask, (0, extra)), labels, torch.zeros(6, width + extra, dtype=torch.long)
        )

    @staticmethod
    def _with(needs: frozenset[str], batch: Batch) -> Batch:
        """The other tokens of four may stand in for a token from 20 on, and all of these for each other."""
        ids, words = batch.input_ids.unsqueeze(-1), torch.arange(100) >= 20
        others = torch.where(words[ids], ids ^ torch.arange(4), ids)
        return dataclasses.replace(
            batch,
            substitutes=others if "substitutes" in needs else None,
            replaceable=words if "replaceable" in needs else None,
        )

    def epoch(self, number: int, shuffle: bool = True) -> Iterator[Batch]:
        return iter(self.batches)


def short(defense_type: type[Defense]) -> Defense:
    """The defense with a few epochs in every stage, two steps in an ascent and a rate that moves a random model."""
    changes: dict[str, object] = {"epochs": 8, "learning_rate": 2e-3}
    for field in dataclasses.fields(defense_type):
        if field.name in ("steps", "attack_steps", "rounds"):
            changes[field.name] = 2
        if field.name.endswith("_epochs") and not field.name.startswith("max_"):
            changes[field.name] = 2
        has_epochs = field.name != "fine_tuning"  # which takes the schedule of the defense that holds it
        if has_epochs and isinstance(getattr(defense_type(), field.name), Defense):
            changes[f"{field.name}.epochs"] = 2
    return with_settings(defense_type(), changes)


def without_noise(defense: Defense) -> Defense:
    """The same, with perturbations that start at zero: their random start depends on the padded width."""
    changes = {}
    for name, value in defense.settings().items():
        if name == "init_magnitude":
            changes[name] = 0.0
        if isinstance(value, dict) and "init_magnitude" in value:
            changes[f"{name}.init_magnitude"] = 0.0
    return with_settings(defense, changes)


def train(defense: Defense, model: torch.nn.Module, batches: SmallSet | None = None, seed: int = 7) -> list[StageLog]:
    torch.manual_seed(seed)
    return fit(defense, model, batches or SmallSet(needs=defense.needs))


def weights_hash(model: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()


def logits(model: torch.nn.Module, batch: Batch) -> Tensor:
    model.eval()
    with torch.no_grad():
        return model(**batch.inputs()).logits


def mean_loss(model: torch.nn.Module) -> float:
    losses = [torch.nn.functional.cross_entropy(logits(model, batch), batch.labels) for batch in SmallSet().batches]
    return float(torch.stack(losses).mean())


@every_defense
def test_it_names_itself_and_its_paper(defense_type: type[Defense]) -> None:
    assert defense_type.title and defense_type.paper
    assert defense_type.key == defense_type.__module__.rsplit(".", 1)[-1], "the key is the file's name"
    assert defense_type.__doc__ and "Source" in defense_type.__doc__


@every_defense
def test_settings_survive_json(defense_type: type[Defense]) -> None:
    defense = short(defense_type)
    assert with_settings(defense_type(), json.loads(json.dumps(defense.settings()))) == defense


@every_defense
def test_training_lowers_the_loss(defense_type: type[Defense], bert) -> None:
    model = bert(dropout=0.0)
    before = mean_loss(model)
    logs = train(short(defense_type), model)
    assert mean_loss(model) < before - 0.05
    assert all(log.updates == len(log.losses) > 0 for log in logs)


@every_defense
def test_the_same_seed_gives_the_same_weights_and_another_does_not(defense_type: type[Defense], bert) -> None:
    hashes = []
    for seed in (7, 7, 8):
        model = bert(dropout=0.1)
        train(short(defense_type), model, seed=seed)
        hashes.append(weights_hash(model))
    assert hashes[0] == hashes[1] != hashes[2]


@every_defense
def test_a_step_leaves_finite_gradients_on_the_stage_s_parameters_only(defense_type: type[Defense], bert) -> None:
    model = bert(dropout=0.1)
    watched = _Watched(short(defense_type), model)
    train(watched, model)  # type: ignore[arg-type]
    assert watched.steps > 0


class _Watched:
    """A defense whose every step is checked."""

    def __init__(self, defense: Defense, model: torch.nn.Module):
        self.defense, self.model, self.steps = defense, model, 0
        self.needs = defense.needs

    def stages(self, model: torch.nn.Module) -> Iterator[Stage]:
        for stage in self.defense.stages(model):
            yield dataclasses.replace(stage, step=self._checked(stage))

    def _checked(self, stage: Stage):
        own = {id(parameter) for parameter in stage.parameters}

        def step(batch: Batch) -> Tensor:
            flags = [parameter.requires_grad for parameter in self.model.parameters()]
            modes = [module.training for module in self.model.modules()]
            loss = stage.step(batch)
            self.steps += 1
            assert loss.shape == () and not loss.requires_grad and torch.isfinite(loss)
            gradients = [parameter.grad for parameter in stage.parameters if parameter.grad is not None]
            assert gradients and all(torch.isfinite(gradient).all() for gradient in gradients)
            assert any(gradient.abs().sum() > 0 for gradient in gradients)
            strangers = [name for name, p in self.model.named_parameters() if p.grad is not None and id(p) not in own]
            assert not strangers, f"gradients left on {strangers}, which the stage does not train"
            assert flags == [parameter.requires_grad for parameter in self.model.parameters()]
            assert modes == [module.training for module in self.model.modules()]
            return loss

        return step


@every_defense
def test_padding_changes_nothing(defense_type: type[Defense], bert) -> None:
    """Two columns of padding more give the same training, up to the order of sums in float32 over some 100 updates."""
    defense = without_noise(short(defense_type))
    trained = []
    for pad_to in (None, 10):
        model = bert(dropout=0.0)
        logs = train(defense, model, SmallSet(pad_to, defense.needs))
        trained.append((logs[0].losses[:4], logits(model, SmallSet().batches[0])))
    torch.testing.assert_close(torch.tensor(trained[0][0]), torch.tensor(trained[1][0]), rtol=1e-4, atol=1e-5)
    narrow, wide = SmallSet().batches[0], SmallSet(10).batches[0]
    torch.testing.assert_close(logits(model, narrow), logits(model, wide), rtol=1e-5, atol=1e-5)


@every_defense
def test_the_trained_model_is_plain(defense_type: type[Defense], bert) -> None:
    model = bert()
    stock_names = set(model.state_dict())
    trainable = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    train(short(defense_type), model)
    assert set(model.state_dict()) == stock_names
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == trainable
    for module in model.modules():
        hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values(), *module._backward_hooks.values()]
        # transformers 5 leaves hooks of its own where hidden states were asked for
        assert not [hook for hook in hooks if not hook.__module__.startswith("transformers.")]
        assert not hasattr(module, "parametrizations")
    assert all(parameter.grad is None for parameter in model.parameters())


@every_defense
def test_the_trained_model_is_saved_and_loaded(defense_type: type[Defense], bert, tmp_path) -> None:
    model = bert()
    train(short(defense_type), model)
    save_classifier(model, tmp_path / "model")
    loaded = load_classifier(tmp_path / "model")
    batch = SmallSet().batches[0]
    torch.testing.assert_close(logits(loaded, batch), logits(model, batch), rtol=0, atol=1e-6)


@every_defense
def test_a_run_leaves_nothing_behind_in_the_defense(defense_type: type[Defense], bert) -> None:
    defense = short(defense_type)
    before = (repr(defense), dict(vars(defense)))
    train(defense, bert())
    assert (repr(defense), dict(vars(defense))) == before


class _Killed(Exception):
    """The end of a process."""


@every_defense
def test_a_killed_training_goes_on_as_if_nothing_had_happened(defense_type: type[Defense], bert, tmp_path) -> None:
    """Killed twice and begun anew from the checkpoints: the same weights, losses, passes and trace, bit for bit."""
    defense, whole = with_settings(short(defense_type), {"epochs": 2}), bert(dropout=0.1)
    expected = [log.as_json() for log in train(defense, whole)]
    updates = sum(log["updates"] for log in expected)
    silent = False

    def until(end: float) -> Callable[[Stage, Progress], None]:
        ticks = itertools.count(1)

        def on_update(stage: Stage, progress: Progress) -> None:
            nonlocal silent
            silent |= stage.memory is None
            if next(ticks) == end:
                raise _Killed

        return on_update

    for lifetime in (updates // 3, updates // 2, math.inf):
        model, saves = bert(dropout=0.1), itertools.count(1)
        keeper = Checkpoints(tmp_path / "checkpoints", {}, stop=lambda saves=saves: next(saves) % 4 == 0)
        torch.manual_seed(7)
        with contextlib.suppress(_Killed):
            logs = fit(defense, model, SmallSet(needs=defense.needs), on_update=until(lifetime), keeper=keeper)
    assert keeper.resumed == 2 or silent
    assert [log.as_json() for log in logs] == json.loads(json.dumps(expected))
    assert weights_hash(model) == weights_hash(whole)
