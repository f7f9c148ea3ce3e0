"""The catalogue of the full profile's files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.attacks.downloads import DOWNLOADS, assets_of, masked_backbone, needed_for, require_assets
from benchmarks.attacks.recipes import find_recipe

ASSETS = assets_of(DOWNLOADS)


def test_keys_places_and_folders_are_each_their_own() -> None:
    folders = [asset.archive.folder for asset in ASSETS if asset.archive is not None]
    for values in ([asset.key for asset in ASSETS], [asset.path for asset in ASSETS], folders):
        assert len(set(values)) == len(values)


@pytest.mark.parametrize("asset", ASSETS, ids=lambda asset: asset.key)
def test_an_address_is_encrypted_and_a_pinned_one_names_its_revision(asset) -> None:
    assert asset.url.startswith("https://")
    if asset.is_pinned:
        assert re.fullmatch(r"[0-9a-f]{64}", asset.sha256)
        assert re.search(r"/[0-9a-f]{40}/|-\d+\.\d+\.\d+\.tgz$", asset.url)
    else:
        assert asset.key in ("synonyms", "sentence_encoder")


def test_an_unknown_resource_is_named() -> None:
    with pytest.raises(ValueError, match="unknown resource 'synonym'; did you mean 'synonyms'"):
        assets_of(["synonym"])


def test_the_masked_model_is_needed_by_its_recipes_alone() -> None:
    assert "masked_model" not in needed_for([find_recipe("textfooler"), find_recipe("bertattack_official")])
    assert needed_for([find_recipe("textfooler"), find_recipe("bertattack")]) == [
        name for name in DOWNLOADS if name != "wordnet"
    ]


def test_every_missing_file_and_the_command_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "my assets"
    with pytest.raises(ValueError) as refusal:
        require_assets(folder, list(DOWNLOADS))
    sentence = str(refusal.value)
    assert all(f"{asset.path} (missing)" in sentence for asset in ASSETS)
    assert f"earlyrobust prepare --assets '{folder}'" in sentence and "\n" not in sentence


def test_the_tag_set_is_the_one_at_hand(shared_resources: Path) -> None:
    from benchmarks.data.digests import sha256_of

    (tag_set,) = (asset for asset in ASSETS if asset.key == "part_of_speech/tag_set")
    assert sha256_of(shared_resources / "nltk_data" / "taggers" / "universal_tagset.zip") == tag_set.sha256


def test_the_masked_model_goes_by_its_own_name(tiny_assets) -> None:
    assert masked_backbone(tiny_assets.folder).name == "bert-base-uncased"
