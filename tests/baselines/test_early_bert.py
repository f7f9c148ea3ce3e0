"""EarlyBERT: a short clean search, layer-wise heads, a rewound and pruned model."""

from __future__ import annotations

import pytest
import torch
from small_set import SmallSet

from baselines.early_bert import EarlyBert
from baselines.primitives.importance import Importance
from baselines.primitives.pruning import kept_of
from baselines.training import Passes, fit


def short(**changes) -> EarlyBert:
    return EarlyBert().changed(
        **({"epochs": 1, "draw_epoch": 0.5, "search_learning_rate": 1e-3, "head_sparsity": 0.25} | changes)
    )


def test_the_search_ends_where_the_ticket_is_drawn(bert, batch) -> None:
    search, fine_tune = fit(short(), bert(), SmallSet(batch, 10))
    assert (search.updates, fine_tune.updates) == (5, 10)
    assert search.trace["draw_update"] == 5
    assert search.trace["kept"]["heads"] == [3, 3], "heads are pruned layer by layer"
    assert search.passes == Passes(5, 5, 0)


def test_a_ticket_with_no_fine_tuning_is_the_pre_trained_slices(bert, batch) -> None:
    """A vanishing learning rate after the draw: kept weights and classifier are those before the search."""
    model, before = bert(), bert().state_dict()
    fit(short(learning_rate=1e-30, weight_decay=0), model, SmallSet(batch, 10))
    heads = kept_of(model).heads[0]
    rows = torch.cat([torch.arange(head * 8, head * 8 + 8) for head in heads])
    query = "bert.encoder.layer.0.attention.self.query.weight"
    assert torch.equal(model.state_dict()[query], before[query][rows])
    assert torch.equal(model.classifier.weight, before["classifier.weight"])


def test_random_tickets_need_no_search(bert, batch) -> None:
    logs = fit(short(ticket="random", ticket_seed=3), bert(), SmallSet(batch, 4))
    assert [log.name for log in logs] == ["fine_tune"]


def test_coefficients_kept_in_training_are_folded_in(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    fold = Importance.fold_

    def spy(self):
        seen.append(self.snapshot().heads)
        fold(self)

    monkeypatch.setattr(Importance, "fold_", spy)
    model = bert()
    fit(short(keep_coefficients_trainable=True, learning_rate=1e-3), model, SmallSet(batch, 4))
    assert (seen[0] != 1).any()
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Pruning.head_sparsity must be in \[0, 1\), got 1.5"):
        EarlyBert().changed(head_sparsity=1.5)
