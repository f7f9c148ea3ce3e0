"""A guarded victim: pinned and fresh draws, two channels, certificates, and its place in an attack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_guards import Dropping, Mixing

from baselines.guard import guard_of, put_guard
from benchmarks.contract.small import small_bert, small_texts, small_tokenizer
from benchmarks.victims.guarded import CONFIRMATIONS, GuardedVictim, _seed, judge, victim_of
from benchmarks.victims.saved import load_any_classifier, load_classifier, save_classifier
from benchmarks.victims.victim import Victim

TEXTS = small_texts()


def victim(guard=None, **how) -> GuardedVictim:
    model = small_bert()
    put_guard(model, guard or Dropping())
    return victim_of(model, small_tokenizer(), max_length=32, **how)


def askers(name: str, first: int = 0) -> list[tuple[str, int]]:
    return [(name, first + number) for number in range(len(TEXTS))]


def test_a_model_without_a_guard_has_a_plain_victim() -> None:
    found = victim_of(small_bert(), small_tokenizer(), max_length=32)
    assert type(found) is Victim
    answers = judge(found, TEXTS, askers("a"))
    assert (answers.shown == found(TEXTS)).all() and (answers.decided == answers.shown.argmax(1)).all()


def test_pinned_answers_depend_on_the_text_alone() -> None:
    one, other = victim(), victim()
    assert (one(TEXTS) == one(TEXTS)).all() and one.queries == 2 * len(TEXTS)
    assert (one(TEXTS)[::-1] == other(TEXTS[::-1])).all()
    assert (one.judged(TEXTS, askers("a")).shown == one.judged(TEXTS, askers("b", 7)).shown).all()
    assert one.confirmations == 0


def test_fresh_answers_depend_on_who_asks_and_on_the_question_s_number() -> None:
    fresh = victim(randomness="fresh")
    first, again = (fresh.judged(TEXTS, askers("a")).shown for _ in range(2))
    assert (first == again).all(), "an interrupted attack that starts again sees the same"
    assert (first != fresh.judged(TEXTS, askers("a", 1)).shown).any()
    assert (first != fresh.judged(TEXTS, askers("b")).shown).any()
    apart = [fresh.judged([text], [asker]).shown[0] for text, asker in zip(TEXTS, askers("a"), strict=True)]
    assert (first == np.stack(apart)).all()
    assert fresh.confirmations == CONFIRMATIONS


def test_an_attack_reads_one_channel_and_another_decides() -> None:
    by_votes, by_mean = (victim(read=read).judged(TEXTS) for read in ("votes", "mean"))
    assert (by_votes.decided == by_mean.decided).all() and (by_votes.shown != by_mean.shown).any()
    assert np.allclose(by_votes.shown * 5, (by_votes.shown * 5).round(), atol=1e-6), "votes of five move in fifths"
    assert (by_votes.decided == by_votes.shown.argmax(1)).all()
    assert np.abs(by_mean.shown.sum(1) - 1).max() < 1e-6


def test_a_temperature_changes_the_means_and_no_decision() -> None:
    plain = victim()
    warm = plain.at(5.0)
    assert warm.queries == 0 and (warm(TEXTS) != plain(TEXTS)).any()
    assert (warm.judged(TEXTS).decided == plain.judged(TEXTS).decided).all()


def test_the_order_of_classes_is_that_of_the_answers() -> None:
    plain, turned = victim(Dropping(decides="mean")), victim(Dropping(decides="mean"), order=(1, 0))
    assert (plain(TEXTS) == turned(TEXTS)[:, ::-1]).all()
    assert (plain.judged(TEXTS).decided == 1 - turned.judged(TEXTS).decided).all()


def test_a_guard_that_mixes_its_company_mixes_the_texts_of_one_asker_alone() -> None:
    mixing = victim(Mixing())
    both = mixing.judged(TEXTS[:4], [("a", 0), ("a", 1), ("b", 0), ("b", 1)]).shown
    assert (both[0] == both[1]).all() and (both[2] == both[3]).all() and (both[0] != both[2]).any()
    assert (both[:2] == mixing.judged(TEXTS[:2], [("a", 5), ("a", 6)]).shown).all()
    assert mixing.confirmations == 1, "a success counts if the text is misread by itself"


def test_votes_for_two_purposes_are_drawn_apart() -> None:
    counted = victim(Dropping(share=0.6))
    select, estimate = (counted.votes(TEXTS[2], 300, purpose) for purpose in ("select", "estimate"))
    assert select.sum() == estimate.sum() == 300
    assert (select == counted.votes(TEXTS[2], 300, "select")).all()
    assert len({_seed(*parts, *TEXTS[2]) for parts in ((), ("select",), ("estimate",))}) == 3


def test_a_guard_is_saved_with_its_tensors_and_hashed(tmp_path) -> None:
    model, tokenizer = small_bert(), small_tokenizer()
    bare = save_classifier(model, tmp_path / "bare", tokenizer)
    assert "guard.safetensors" not in bare
    put_guard(model, Dropping())
    Dropping().attach(model, {"weight": next(model.parameters()).detach().clone()})
    files = save_classifier(model, tmp_path / "guarded", tokenizer)
    assert files["model.safetensors"] == bare["model.safetensors"], "the model's own weights stay a plain file"
    loaded = load_classifier(tmp_path / "guarded")
    assert guard_of(loaded) == Dropping() and (loaded.guard.weight == model.guard.weight).all()
    identities = [load_any_classifier(str(tmp_path / name)).identity for name in ("bare", "guarded")]
    assert identities[0]["files"]["config.json"] != identities[1]["files"]["config.json"]
    assert "guard.safetensors" in identities[1]["files"] and "guard.safetensors" not in identities[0]["files"]


def test_without_a_mask_token_no_guard_reads_texts() -> None:
    tokenizer = small_tokenizer()
    tokenizer.mask_token = None
    with pytest.raises(ValueError, match="one with a mask token"):
        GuardedVictim(small_bert(), tokenizer, guard=replace(Dropping()), max_length=32)
