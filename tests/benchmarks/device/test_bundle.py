"""A bundle holds what was packed, says how large it is, and is refused when it is not what was packed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.device import bundle as module
from benchmarks.device.bundle import Bundle, open_bundle, pack
from benchmarks.victims.backbones import WEIGHTS, find_backbone


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Bundle:
    """A bundle with three made-up texts."""
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "data" / "sst2").mkdir(parents=True)
    for name in ("train.tsv", "validation.tsv"):
        (folder / "data" / "sst2" / name).write_text("sentence\tlabel\na fine film \t1\na dull one \t0\n", "utf-8")
    (folder / "words.json").write_text(json.dumps({"fine": ["good"]}), "utf-8")
    return pack(folder / "sent", folder / "data", synonyms=folder / "words.json")


def test_what_was_packed_is_opened(packed: Bundle) -> None:
    opened = open_bundle(packed.folder)
    assert opened == packed
    assert opened.synonyms is not None and opened.nltk_data is None
    assert sum(opened.sizes().values()) == sum(
        path.stat().st_size for path in packed.folder.rglob("*") if path.is_file() and path.name != "manifest.json"
    )
    assert (opened.data / "sst2" / "train.tsv").is_file()
    assert (packed.folder / "site" / "rich" / "__init__.py").is_file()
    assert not list((packed.folder / "site").rglob("*.so"))


def test_the_backbone_is_minilm_rounded_to_half_precision(packed: Bundle) -> None:
    whole = load_file(Path(find_backbone("minilm").source) / WEIGHTS)
    halves = load_file(packed.backbone / WEIGHTS)
    assert whole.keys() == halves.keys()
    assert all(torch.equal(halves[name], whole[name].half()) for name in whole if whole[name].dtype == torch.float32)
    sent, known = find_backbone(str(packed.backbone)), find_backbone("minilm")
    assert sent.load_tokenizer()("a fine film")["input_ids"] == known.load_tokenizer()("a fine film")["input_ids"]
    assert next(sent.new_classifier(2, 0).parameters()).dtype == torch.float32


def test_a_bundle_that_is_too_large_names_its_parts_and_leaves_nothing(packed: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has \d\d\.\d MB and may have 1\.0: backbone 46\.\d, site"):
        pack(tmp_path / "sent", packed.data, limit_bytes=1_000_000)
    assert not (tmp_path / "sent").exists()


def test_a_folder_in_use_and_a_missing_input_are_refused(packed: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not empty; give a new one"):
        pack(packed.folder, packed.data)
    with pytest.raises(ValueError, match=r"train\.tsv.*which does not exist"):
        pack(tmp_path / "sent", tmp_path)


def test_a_changed_file_is_named(packed: Bundle) -> None:
    path = packed.folder / module.SYNONYMS
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    try:
        with pytest.raises(ValueError, match=r"synonyms\.json\.gz is not the file that was packed"):
            open_bundle(packed.folder)
    finally:
        path.write_bytes(content)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no bundle"):
        open_bundle(tmp_path)


def test_a_package_with_compiled_parts_is_not_packed(packed: Bundle, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "PACKAGES", ("numpy",))
    with pytest.raises(RuntimeError, match="numpy has compiled parts"):
        pack(tmp_path / "sent", packed.data)
