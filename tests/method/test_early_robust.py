"""EarlyRobust: boundaries, stopping, drawing, rewinding, reporting."""

from __future__ import annotations

import pytest
import torch
from gradients import assert_equal, gradients
from small_set import SmallSet

from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.info_bert import InfoBert
from baselines.pgd import PGD
from baselines.primitives.importance import Coefficients, Importance
from baselines.primitives.pruning import Pruning, kept_of
from baselines.training import Passes, fit
from method.early_robust import EarlyRobust, _TicketSearch


def short(**changes) -> EarlyRobust:
    search = FreeLB().changed(epochs=1, steps=1, init_magnitude=0, dropout="fresh", learning_rate=1e-3)
    return EarlyRobust().changed(**({"epochs": 0.05, "head_sparsity": 0.25, "search": search} | changes))


def search_log(defense: EarlyRobust, bert, batch, updates: int = 200, **options):
    logs = fit(defense, bert(), SmallSet(batch, updates, lengths=(4, 3)), **options)
    return logs[0]


def test_boundaries_are_every_twentieth_of_an_epoch(bert, batch) -> None:
    log = search_log(short(gamma=1e-9), bert, batch, updates=210)
    assert [boundary["update"] for boundary in log.trace["boundaries"]] == [210 * j // 20 for j in range(1, 21)]
    assert log.trace["converged"] is False
    assert log.trace["stop_epoch"] == log.trace["draw_epoch"] == 1.0


def test_small_data_takes_mini_epochs_of_ten_updates_over_several_epochs(bert, batch) -> None:
    log = search_log(short(gamma=1e-9), bert, batch, updates=38)
    assert [boundary["update"] for boundary in log.trace["boundaries"]] == list(range(10, 201, 10))
    assert log.trace["mini_epoch_updates"] == 10
    assert log.trace["stop_epoch"] == pytest.approx(200 / 38)


def test_settled_masks_end_the_search_at_the_sixth_boundary(bert, batch) -> None:
    log = search_log(short(gamma=1.1), bert, batch)
    assert (log.updates, log.ended_early) == (60, True)
    assert log.trace["converged"] is True
    assert (log.trace["draw_update"], log.trace["stop_update"]) == (60, 60)
    assert log.trace["stop_epoch"] == pytest.approx(0.3)


def test_anchor_draws_earlier_than_it_stops(bert, batch) -> None:
    log = search_log(short(gamma=1.1, stop_rule="anchor"), bert, batch)
    assert (log.trace["draw_update"], log.trace["stop_update"]) == (10, 60)


def test_the_first_update_has_rate_zero_and_the_horizon_is_one_epoch(bert, batch) -> None:
    rates = []
    search_log(short(gamma=1.1), bert, batch, on_update=lambda stage, p: rates.append((stage.name, p.learning_rate)))
    found = [rate for name, rate in rates if name == "search"]
    assert found[0] == 0.0
    assert found[20] == pytest.approx(1e-3)
    assert found[59] == pytest.approx(1e-3 * (200 - 59) / 180)


def test_a_hand_given_draw_ignores_the_rule(bert, batch) -> None:
    log = search_log(short(draw_epoch=0.2, gamma=1e-9), bert, batch)
    assert (log.trace["draw_update"], log.trace["stop_update"]) == (40, 40)
    to_cap = search_log(short(draw_epoch=0.2, search_to_cap=True), bert, batch)
    assert (to_cap.trace["draw_update"], to_cap.trace["stop_update"]) == (40, 200)


def test_the_released_settings_search_unshuffled_over_a_whole_epoch(bert, batch) -> None:
    data = SmallSet(batch, 200, lengths=(4, 3))
    fit(EarlyRobust.released(epochs=0.05, search=short().search, head_sparsity=0.25), bert(), data)
    assert data.asked == [(0, False), (0, True)]


def test_segments_are_passed_or_left_out(bert, batch) -> None:
    seen = []

    class Spy(FreeLB):
        def step(self, model, batch):
            seen.append(batch.token_type_ids is None)
            return super().step(model, batch)

    for passed in (True, False):
        defense = EarlyRobust(search=Spy(), search_token_types=passed)
        model = bert()
        shaping = next(defense.search.stages(model))
        _TicketSearch(defense, shaping, Importance(model)).step(batch())
    assert seen == [False, True]


def test_the_search_s_gradient_is_freelb_s_plus_lambda_once(bert, batch) -> None:
    model, one = bert(dropout=0.0), batch()
    defense = EarlyRobust(lambda_heads=0.5, lambda_neurons=0.25)
    importance = Importance(model)
    torch.manual_seed(5)
    defense.search.step(model, one)
    alone = [parameter.grad.clone() for parameter in importance.parameters()]
    weights = {
        name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None
    }
    for parameter in importance.parameters():
        parameter.grad = None
    search = _TicketSearch(defense, next(defense.search.stages(model)), importance)
    found = gradients(lambda model, batch: search.step(batch), model, one)
    torch.testing.assert_close(importance.heads.grad, alone[0] + 0.5)
    torch.testing.assert_close(importance.neurons.grad, alone[1] + 0.25)
    assert all(torch.equal(found[name], weights[name]) for name in weights)


def test_rewinding_gives_back_weights_and_the_same_classifier(bert, batch) -> None:
    model, before = bert(), bert().state_dict()
    fit(short(learning_rate=1e-30, gamma=1.1), model, SmallSet(batch, 200, lengths=(4, 3)))
    after, kept = model.state_dict(), kept_of(model)
    rows = torch.tensor(kept.neurons[1])
    name = "bert.encoder.layer.1.intermediate.dense.weight"
    assert torch.equal(after[name], before[name][rows])
    assert torch.equal(after["classifier.weight"], before["classifier.weight"])
    assert sum(map(len, kept.heads)) == 8 - 2


def test_fine_tuning_trains_no_coefficient(bert, batch) -> None:
    logs = fit(short(gamma=1.1), bert(), SmallSet(batch, 200, lengths=(4, 3)))
    search, fine_tune = logs
    assert search.parameters - sum(p.numel() for p in bert().parameters()) == 2 * 4 + 2 * 64
    assert fine_tune.passes.forward == fine_tune.updates == 10


def test_random_tickets_need_no_search_and_follow_their_seed(bert, batch) -> None:
    kept = []
    for seed in (1, 1, 2):
        model = bert()
        logs = fit(short(ticket="random", ticket_seed=seed), model, SmallSet(batch, 20))
        assert [log.name for log in logs] == ["fine_tune"]
        kept.append(kept_of(model).neurons)
    assert kept[0] == kept[1] != kept[2]


def test_coefficients_may_be_spared_from_decay(bert) -> None:
    for decays in (True, False):
        stage = next(EarlyRobust(decay_coefficients=decays).stages(bert()))
        coefficients = [parameter for parameter in stage.parameters if parameter.shape in ((2, 4), (2, 64))]
        decayed = {id(parameter) for parameter in stage.decays()}
        assert [id(parameter) in decayed for parameter in coefficients] == [decays] * 2
        assert (stage.weight_decay, stage.warmup_ratio, stage.schedule_epochs) == (0.01, 0.1, 1)


def test_an_attack_free_search_is_a_setting() -> None:
    """K = 1 from zero is the clean loss: the ablation without the adversarial loss."""
    assert EarlyRobust(search=FreeLB().changed(steps=1, init_magnitude=0)).search.ascent.init_magnitude == 0


def test_any_objective_shapes_the_ticket_with_its_own_parameters_and_memory(bert, batch) -> None:
    """InfoBERT brings a critic, SMART an average that follows each update; both end with the search."""
    data = SmallSet(batch, 20, lengths=(4, 3))
    small = {"mini_epoch": 0.5, "max_search_epochs": 0.5, "epochs": 0.05, "head_sparsity": 0.25}
    model = bert()
    search, fine_tune = fit(EarlyRobust().changed(search=InfoBert().changed(epochs=1, steps=1), **small), model, data)
    plain = fit(EarlyRobust().changed(search=FreeLB().changed(epochs=1, steps=1), **small), bert(), data)[0]
    assert search.parameters > plain.parameters and fine_tune.parameters < plain.parameters
    heard = []

    class Hearing(FineTune):
        def stages(self, model):
            yield self.stage("train", lambda batch: self.step(model, batch), [*model.parameters()], after_update=note)

    def note(progress):
        heard.append(progress.update)

    fit(EarlyRobust().changed(search=Hearing(epochs=1), **small), bert(), data)
    assert heard == list(range(1, 11))


def test_a_ticket_is_fine_tuned_by_another_objective_on_this_one_s_schedule(bert, batch) -> None:
    data, seen = SmallSet(batch, 20, lengths=(4, 3)), []
    defense = short(ticket="random", epochs=0.5, learning_rate=1e-3, fine_tuning=PGD().changed(steps=2))
    (log,) = fit(defense, bert(), data, on_update=lambda stage, progress: seen.append((stage, progress)))
    stage, progress = seen[0]
    assert (log.name, log.updates) == ("fine_tune", 10)
    assert log.passes == Passes(10 * 3, 10, 10 * 2)
    assert (stage.weight_decay, stage.warmup_ratio, progress.learning_rate) == (0.01, 0.1, 0.0)


def test_a_ticket_is_fine_tuned_plainly_by_default(bert, batch) -> None:
    model, one = bert(dropout=0.1), batch()
    stage = next(EarlyRobust(ticket="random").stages(model))
    found = gradients(lambda model, batch: stage.step(batch), model, one)
    assert_equal(found, gradients(FineTune().step, model, one))


def test_defaults_are_the_published_ones() -> None:
    imdb = EarlyRobust.for_task("imdb")
    search = imdb.search
    assert (search.ascent.steps, search.ascent.step_size, search.ascent.init_magnitude, search.ascent.max_norm) == (
        5,
        0.01,
        0.05,
        None,
    )
    assert (imdb.lambda_heads, imdb.lambda_neurons, imdb.pruning.neuron_sparsity) == (1e-5, 2e-4, 0.4)
    assert (imdb.epochs, imdb.learning_rate) == (10, 2e-5)
    released = EarlyRobust.released()
    assert (released.weight_decay, released.warmup_ratio) == (0.0, 0.0) == (*EarlyRobust.published.values(),)
    assert EarlyRobust.for_task("ag_news").pruning.neuron_sparsity == 0.2


def test_draw_uses_the_scopes() -> None:
    scores = Coefficients(torch.rand(12, 12), torch.rand(12, 64))
    layerwise = EarlyRobust(pruning=Pruning(head_scope="layerwise", neuron_scope="layerwise")).draw(scores)
    assert set(layerwise.heads.sum(1).tolist()) == {10}
    assert len(set(layerwise.neurons.sum(1).tolist())) == 1


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"gamma": 0}, "EarlyRobust.gamma must be positive, got 0"),
        ({"draw_epoch": 2.0}, "EarlyRobust.draw_epoch must be in"),
        ({"mini_epoch": 0}, "EarlyRobust.mini_epoch must be in"),
        ({"patience": 0}, "EarlyRobust.patience must be 1 or more, got 0"),
    ],
)
def test_bad_settings_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        EarlyRobust(**settings)


def test_the_search_tells_the_distances_between_all_its_masks(bert, batch) -> None:
    trace = search_log(short(gamma=1.1), bert, batch).trace
    heads = trace["mask_distances"]["heads"]
    assert (len(heads), len(heads[0])) == (6, 6)
    consecutive = [boundary["head_distance"] for boundary in trace["boundaries"][1:]]
    assert [heads[number][number + 1] for number in range(5)] == consecutive


def test_an_ablation_is_told_by_its_identity_and_its_absence_by_none() -> None:
    assert "without" not in EarlyRobust().identity()
    assert EarlyRobust(without="structure").identity() == EarlyRobust().identity() | {"without": "structure"}


def passed_on(bert, batch, **changes) -> torch.nn.Module:
    """The model that fine-tuning starts from: a random ticket, and a rate that moves nothing."""
    model = bert()
    torch.manual_seed(3)
    fit(short(ticket="random", learning_rate=1e-30, **changes), model, SmallSet(batch, 20))
    return model


def test_without_initialisation_the_structure_is_the_ticket_s_and_the_weights_are_new(bert, batch) -> None:
    plain, redrawn = passed_on(bert, batch), passed_on(bert, batch, without="initialisation")
    assert kept_of(plain) == kept_of(redrawn)
    one, other = plain.state_dict(), redrawn.state_dict()
    name = "bert.encoder.layer.0.attention.self.query.weight"
    assert one[name].shape == other[name].shape and not (one[name] == other[name]).any()
    for kept in ("bert.embeddings.word_embeddings.weight", "classifier.weight"):
        assert torch.equal(one[kept], other[kept])


def test_without_structure_the_model_keeps_its_size_and_the_ticket_its_weights(bert, batch) -> None:
    plain, whole = passed_on(bert, batch), passed_on(bert, batch, without="structure")
    kept = kept_of(plain).neurons[0]
    name = "bert.encoder.layer.0.intermediate.dense.weight"
    weights, original = whole.state_dict()[name], bert().state_dict()[name]
    assert weights.shape == original.shape
    assert torch.equal(weights[kept], plain.state_dict()[name])
    removed = sorted(set(range(64)) - set(kept))
    assert not (weights[removed] == original[removed]).any()


def test_without_structure_as_released_neurons_go_and_heads_stay(bert, batch) -> None:
    plain, released = passed_on(bert, batch), passed_on(bert, batch, without="structure_as_released")
    assert kept_of(released).neurons == kept_of(plain).neurons
    assert kept_of(released).heads == kept_of(bert()).heads
    pruned = sorted(set(range(4)) - set(kept_of(plain).heads[0]))
    query = released.state_dict()["bert.encoder.layer.0.attention.self.query.weight"]
    zeroed = torch.cat([query[:, head * 8 : (head + 1) * 8] for head in pruned])
    assert zeroed.numel() and (zeroed.abs() < 1e-20).all()  # one update at rate 1e-30 was made since


@pytest.mark.parametrize(
    ("without", "shares"),
    [
        (None, (1 / 6, 0.3)),
        ("initialisation", (1 / 6, 0.3)),
        ("structure", (0, 0)),
        ("structure_as_released", (0, 0.3)),
    ],
)
def test_what_fine_tuning_does_without(without, shares) -> None:
    assert EarlyRobust(without=without).shares_removed == shares


def test_the_released_records_are_an_update_after_each_mini_epoch_begins(bert, batch) -> None:
    """Twenty of an epoch, so that the first fifteen can be anchors; the first is that of the search's first update."""
    log = search_log(short(gamma=1e-9, released_records=True), bert, batch, updates=210)
    assert [boundary["update"] for boundary in log.trace["boundaries"]] == [210 * g // 20 + 1 for g in range(20)]
    anchored = search_log(short(gamma=1.1, stop_rule="anchor", released_records=True), bert, batch)
    assert (anchored.trace["draw_update"], anchored.trace["stop_update"]) == (1, 51)
    assert EarlyRobust.released().released_records and "released_records" not in EarlyRobust().identity()


def test_layerwise_heads_are_equal_in_the_released_comparison() -> None:
    one, other = (EarlyRobust().draw(Coefficients(torch.rand(4, 4), torch.rand(4, 64))) for _ in range(2))
    for released in (False, True):
        for scope in ("global", "layerwise"):
            heads, neurons = EarlyRobust(released_records=released, pruning=Pruning(head_scope=scope)).distance(
                one, other
            )
            assert neurons == one.distance(other)[1] > 0
            assert heads == (0 if released and scope == "layerwise" else one.distance(other)[0])


def test_a_correction_of_an_ablation_gives_it_another_key_and_no_other_setting() -> None:
    assert EarlyRobust(without="structure_as_released").revision() == 1
    assert EarlyRobust().revision() == EarlyRobust(without="structure").revision() == 0
