"""The Universal Sentence Encoder, on a stand-in for TensorFlow Hub."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from benchmarks.attacks import universal_sentence_encoder
from benchmarks.attacks.universal_sentence_encoder import WIDTH, UniversalSentenceEncoder


class Tensor:
    """What a model gives back."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def numpy(self) -> np.ndarray:
        return self.rows


@pytest.fixture(params=["tensor", "dictionary"])
def loaded(request, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """TensorFlow as two modules that say what was asked of them."""
    seen = SimpleNamespace(folders=[], asked=[], hidden=[])

    def model(texts: list[str]):
        seen.asked.append(texts)
        rows = Tensor(np.array([[len(text)] * WIDTH for text in texts], np.float32))
        return rows if request.param == "tensor" else {"outputs": rows}

    def load(folder: str):
        seen.folders.append(folder)
        return model

    config = SimpleNamespace(set_visible_devices=lambda devices, kind: seen.hidden.append((devices, kind)))
    for name, content in (("tensorflow", {"config": config}), ("tensorflow_hub", {"load": load})):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return seen


def test_each_text_is_encoded_once_from_the_folder_and_beside_the_victims_gpu(loaded, tmp_path: Path) -> None:
    encoder = UniversalSentenceEncoder(tmp_path)
    assert loaded.folders == [], "loaded at first use"
    first = encoder.encode(["a", "bb", "a"])
    assert first.dtype == np.float32 and first[:, 0].tolist() == [1, 2, 1]
    assert encoder.encode(["bb", "ccc"])[:, 0].tolist() == [2, 3]
    assert loaded.asked == [["a", "bb"], ["ccc"]]
    assert loaded.folders == [str(tmp_path)] and loaded.hidden == [([], "GPU")]


def test_no_texts_no_rows(loaded, tmp_path: Path) -> None:
    assert UniversalSentenceEncoder(tmp_path).encode([]).shape == (0, WIDTH)
    assert loaded.folders == []


def test_identity_follows_the_files(loaded, tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"model")
    before = UniversalSentenceEncoder(tmp_path).identity()
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "data").write_bytes(b"weights")
    assert UniversalSentenceEncoder(tmp_path).identity() != before
    assert before["version"] == 3 and "Universal Sentence Encoder 3" in UniversalSentenceEncoder(tmp_path).describe()


def test_without_tensorflow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(universal_sentence_encoder, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"tensorflow and tensorflow_hub.*pip install 'earlyrobust\[use\]'"):
        UniversalSentenceEncoder(tmp_path)
