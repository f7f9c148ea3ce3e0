"""Fixtures of the whole suite: one torch thread, no network, tiny random encoders, real data where it lies near."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from baselines.batch import Batch
from baselines.needs import SynonymSets, Words
from benchmarks.contract.small import small_bert
from benchmarks.data.generated_needs import with_needs

torch.set_num_threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tables that tests hold to a small committed run are written again, to be read before they are committed."""
    parser.addoption("--renew-tables", action="store_true", help="write the tables of tests/data again")


SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """A shell that runs the tests in the background has them ignore Ctrl-C; some tests are about hearing it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; tests that need it are skipped where it is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("real data sets are not at hand")
    return folder


@pytest.fixture(scope="session")
def shared_resources() -> Path:
    """The folder of attack resources (neighbour lists, NLTK data)."""
    folder = SHARED / "resources"
    if not folder.is_dir():
        pytest.skip("attack resources are not at hand")
    return folder


def make_batch(
    lengths: tuple[int, ...] = (9, 5, 7, 3), labels: int = 2, seed: int = 0, pad_to: int | None = None
) -> Batch:
    """Random texts of the given lengths, padded on the right with token 0."""
    generator = torch.Generator().manual_seed(seed)
    width = pad_to or max(lengths)
    ids = torch.randint(5, 100, (len(lengths), width), generator=generator)
    mask = (torch.arange(width)[None] < torch.tensor(lengths)[:, None]).long()
    targets = torch.randint(0, labels, (len(lengths),), generator=generator)
    return Batch(ids * mask, mask, targets, torch.zeros_like(ids))


@pytest.fixture
def bert():
    """`small_bert` as a factory."""
    return small_bert


@pytest.fixture
def batch():
    """`make_batch` as a factory."""
    return make_batch


@pytest.fixture
def rich_batch(batch):
    """`make_batch` as a factory, with all that a defense may need.

    Odd tokens have substitutes, tokens from 20 on may replace each other and have synonyms, each token is a word, and
    the texts are the whole training set.
    """

    def make(**options) -> Batch:
        plain = with_needs(batch(**options), {Words(), SynonymSets()}, vocabulary=100, first_word=20, substitutes=4)
        ids = plain.input_ids.unsqueeze(-1)
        more = torch.where(ids % 2 == 1, torch.tensor([0, 1, 3, 0]), 0)
        tokens = plain.input_ids.numel()
        places = torch.arange(tokens).view_as(plain.input_ids).masked_fill(plain.attention_mask == 0, tokens)
        return replace(
            plain,
            substitutes=(ids + more) % 100,
            replaceable=torch.arange(100) >= 20,
            places=places,
            training_tokens=tokens,
            held_out=plain,
        )

    return make


@pytest.fixture(scope="session")
def saved_masked_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random masked language model with MiniLM's words."""
    from transformers import BertForMaskedLM

    from benchmarks.victims.backbones import find_backbone

    folder = tmp_path_factory.mktemp("masked")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 32}
    BertForMaskedLM(BertConfig(**sizes)).save_pretrained(folder)
    find_backbone("minilm").load_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory) -> Path:
    """The folder of a two-layer BERT with MiniLM's words."""
    from benchmarks.victims.backbones import find_backbone
    from benchmarks.victims.saved import save_classifier

    folder = tmp_path_factory.mktemp("tiny") / "backbone"
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, initializer_range=0.1
    )
    save_classifier(BertForSequenceClassification(config), folder, find_backbone("minilm").load_tokenizer())
    return folder


@pytest.fixture
def options(tiny_backbone, tmp_path):
    """The demo preset on the tiny backbone: 40 texts, 3 attacked, one thread."""
    from benchmarks.experiments.options import Options

    return Options(
        preset="demo",
        backbone=str(tiny_backbone),
        out=tmp_path / "out",
        train_texts=40,
        test_texts=20,
        attacked=3,
        threads=1,
    )


@pytest.fixture
def served_assets(tmp_path: Path, saved_masked_model: Path, monkeypatch: pytest.MonkeyPatch):
    """The full profile's catalogue on tiny files behind a server of this machine; nothing is fetched yet."""
    from file_server import serving
    from tiny_assets import TinyAssets, served

    from benchmarks.attacks import downloads, universal_sentence_encoder
    from benchmarks.data import assets

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(assets, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(universal_sentence_encoder, "find_spec", lambda name: name)
    with serving() as server:
        catalogue = served(downloads.DOWNLOADS, server, saved_masked_model)
        monkeypatch.setattr(downloads, "DOWNLOADS", catalogue)
        yield TinyAssets(tmp_path / "assets", server, catalogue)


@pytest.fixture
def tiny_assets(served_assets, monkeypatch: pytest.MonkeyPatch):
    """The same, fetched, after which no socket can be opened."""
    import socket

    from benchmarks.data.assets import fetch

    for group in served_assets.downloads.values():
        for asset in group:
            fetch(asset, served_assets.folder)

    def refuse(*_: object, **__: object):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return served_assets
