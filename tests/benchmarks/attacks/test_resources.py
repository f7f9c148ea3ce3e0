"""The two profiles."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks.attacks.packed_synonyms import packaged_synonyms
from benchmarks.attacks.recipes import find_recipe
from benchmarks.attacks.resources import full_resources, offline_resources
from benchmarks.attacks.stop_words import StopWords
from benchmarks.attacks.synonyms import NeighbourList, WordVectors


@pytest.mark.parametrize("key", ["bertattack", "bertattack@0.3.11"])
def test_bertattack_without_a_masked_model_is_refused_with_the_next_step(resources, key: str) -> None:
    with pytest.raises(ValueError, match="earlyrobust prepare"):
        resources.check(find_recipe(key))


@pytest.mark.parametrize("key", ["textfooler", "textbugger", "bertattack_official"])
def test_the_other_recipes_need_no_masked_model(resources, key: str) -> None:
    resources.check(find_recipe(key))


def test_each_recipe_gets_its_stop_words(resources) -> None:
    chosen = dataclasses.replace(resources, nltk_stop_words=StopWords(frozenset({"x"}), "other"))
    assert chosen.stop_words_for(find_recipe("textbugger")) == {"x"}
    assert chosen.stop_words_for(find_recipe("textfooler")) == resources.textfooler_stop_words.words
    assert "a test and other" in chosen.describe()


def test_identity_is_plain_and_changes_with_a_part(resources) -> None:
    other = dataclasses.replace(resources, synonyms=NeighbourList({}, "none"))
    assert json.dumps(resources.identity()) != json.dumps(other.identity())


def test_synonyms_come_from_the_file_then_the_package(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text('{"good": ["grand"]}')
    listed, packaged = offline_resources(synonyms=path), offline_resources()
    assert listed.synonyms.neighbours("good", 5) == ["grand"]
    assert packaged.synonyms is packaged_synonyms()
    assert "WordNet and MiniLM, counter-fitted" in packaged.describe()


def test_a_packed_list_is_read_by_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"  # whatever it is called
    path.write_bytes(packaged_synonyms().table.to_bytes())
    synonyms = offline_resources(synonyms=path).synonyms
    assert synonyms.identity() == packaged_synonyms().identity()
    assert synonyms.similarities("good", synonyms.neighbours("good", 1))[0] >= 0.5


def test_the_old_source_is_another_profile_and_says_so(tiny_backbone) -> None:
    """Attacks stored with word vectors keep their caption, and are not found in place of new ones."""
    packaged = offline_resources()
    old = dataclasses.replace(packaged, synonyms=WordVectors.of_backbone(tiny_backbone))
    assert old.identity() != packaged.identity()
    assert "the input word vectors of" in old.describe() and "the input word vectors of" not in packaged.describe()


def test_antonyms_decide_only_recipes_that_exclude_them(resources) -> None:
    plain = find_recipe("textfooler")
    excluding = dataclasses.replace(plain, exclude_antonyms=True)
    assert "antonyms" not in resources.identity(plain) and "exclude_antonyms" not in plain.identity()
    assert resources.identity(excluding)["antonyms"] == packaged_synonyms().identity()
    assert excluding.identity() == plain.identity() | {"exclude_antonyms": True}


def test_a_folder_without_nltk_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither NLTK's tagger"):
        offline_resources(nltk_data=tmp_path)


def test_nltk_data_is_used_where_given(shared_resources: Path) -> None:
    resources = offline_resources(nltk_data=shared_resources / "nltk_data")
    assert "NLTK's perceptron" in resources.describe() and "NLTK's list" in resources.describe()


def test_the_full_profile_is_read_from_files_alone(tiny_assets, resources) -> None:
    full = full_resources(tiny_assets.folder, [find_recipe("bertattack")])
    assert full.profile == "full"
    assert full.synonyms.neighbours("good", 2) and full.synonyms.similarities("good", ["good"])[0] == pytest.approx(1)
    assert full.part_of_speech.tags_of((), ["good", "film"], ()) == [frozenset({"ADJ"}), frozenset({"NOUN"})]
    assert full.nltk_stop_words.words == {"the", "was"}
    assert full.masked_model.tokenizer.mask_token == "[MASK]" and full.masked_model.model.training is False
    sentence = full.describe()
    assert sentence.startswith(
        "full profile: synonyms from counter-fitted word vectors; sentence similarity by the Uni"
    )
    assert "masked language model bert-base-uncased" in sentence and str(tiny_assets.folder) not in sentence
    assert full.identity() != resources.identity()
    json.dumps(full.identity())


def test_only_recipes_with_a_masked_model_read_and_hash_it(tiny_assets) -> None:
    fooler, bert = find_recipe("textfooler"), find_recipe("bertattack")
    both, one = (full_resources(tiny_assets.folder, recipes) for recipes in ([fooler, bert], [fooler]))
    assert one.masked_model is None
    assert both.identity(fooler) == one.identity(fooler) == one.identity()
    assert both.identity(bert) != both.identity(fooler)


@pytest.mark.parametrize("name", ["nltk_data/taggers/universal_tagset.zip", "counter_fitted/nn.npy"])
def test_a_full_profile_with_a_changed_file_is_refused(tiny_assets, name: str) -> None:
    path = tiny_assets.folder / name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(ValueError, match=r"lacks \S+ \((damaged|not unpacked)\); run 'earlyrobust prepare"):
        full_resources(tiny_assets.folder, [find_recipe("textfooler")])


def test_the_offline_profile_takes_the_masked_model_from_the_assets(tiny_assets) -> None:
    without = offline_resources()
    resources = offline_resources(assets=tiny_assets.folder)
    assert resources.profile == "offline"
    resources.check(find_recipe("bertattack"))
    assert resources.identity(find_recipe("textfooler")) == without.identity()


def test_an_assets_folder_without_the_masked_model_changes_nothing(tmp_path: Path) -> None:
    assert offline_resources(assets=tmp_path).masked_model is None
    with pytest.raises(ValueError, match="does not exist; 'earlyrobust prepare' makes"):
        offline_resources(assets=tmp_path / "none")


def test_a_damaged_masked_model_is_refused_offline_too(tiny_assets) -> None:
    (tiny_assets.folder / "bert-base-uncased" / "vocab.txt").write_text("other")
    with pytest.raises(ValueError, match=r"bert-base-uncased/vocab.txt \(damaged\)"):
        offline_resources(assets=tiny_assets.folder)


def test_the_alphabet_is_part_of_the_identity_where_it_is_read(resources) -> None:
    one, other = (resources.with_alphabet([(text,)]) for text in ("aba", "abc"))
    assert one.alphabet == "ab" and one.with_alphabet([("xyz",)]) is one
    assert one.identity(find_recipe("charmer")) != other.identity(find_recipe("charmer"))
    for key in ("charmer@pjc", "textfooler"):
        assert (
            one.identity(find_recipe(key)) == other.identity(find_recipe(key)) == resources.identity(find_recipe(key))
        )
