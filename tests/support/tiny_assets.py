"""The full profile's files in their original layouts, tiny, behind a server on this machine."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from archives import tarred, zipped
from file_server import FileServer
from tiny_wordnet import tiny_wordnet_files

from benchmarks.data.assets import Asset

WORDS = ("good", "great", "fine", "bad", "awful", "film", "movie")
TAGGER = "averaged_perceptron_tagger_eng"


@dataclass(frozen=True)
class TinyAssets:
    """Where they are served, and where they go.

    Attributes:
        folder: the assets folder.
        server: what answers.
        downloads: the catalogue, its addresses and hashes those of the tiny files.
    """

    folder: Path
    server: FileServer
    downloads: dict[str, tuple[Asset, ...]]


def served(downloads: dict[str, tuple[Asset, ...]], server: FileServer, masked_model: Path) -> dict:
    """The catalogue for tiny files, which the server then holds."""
    contents = tiny_contents(masked_model)
    return {
        name: tuple(_served(asset, contents[asset.key], server) for asset in group) for name, group in downloads.items()
    }


def _served(asset: Asset, content: bytes, server: FileServer) -> Asset:
    server.files[f"/{asset.key}"] = content
    sha256 = hashlib.sha256(content).hexdigest() if asset.is_pinned else None
    return replace(asset, url=f"{server.address}/{asset.key}", sha256=sha256, size=None)


def tiny_contents(masked_model: Path) -> dict[str, bytes]:
    """Each file's content by key; the masked model's are those of a saved one."""
    weights = {"bias": {"NN": 1.0}, "i word good": {"JJ": 9.0}, "i word bad": {"JJ": 9.0}}
    vectors = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32)
    nearest = np.argsort(np.linalg.norm(vectors[:, None] - vectors[None], axis=2), axis=1)
    contents = {
        "synonyms": zipped(
            {
                "paragramcf/paragram.npy": _npy(vectors),
                "paragramcf/nn.npy": _npy(nearest),
                "paragramcf/wordlist.pickle": pickle.dumps({word: row for row, word in enumerate(WORDS)}),
                "paragramcf/cos_sim.p": pickle.dumps({}),
                "paragramcf/mse_dist.p": pickle.dumps({}),
            }
        ),
        "sentence_encoder": tarred({"./saved_model.pb": b"model", "./variables/variables.index": b"weights"}),
        "part_of_speech/tagger": zipped(
            {
                f"{TAGGER}/{TAGGER}.weights.json": json.dumps(weights).encode(),
                f"{TAGGER}/{TAGGER}.tagdict.json": b'{"the": "DT"}',
                f"{TAGGER}/{TAGGER}.classes.json": b'["NN", "JJ", "DT"]',
            }
        ),
        "part_of_speech/tag_set": zipped({"universal_tagset/en-ptb.map": b"NN\tNOUN\nJJ\tADJ\nDT\tDET\n"}),
        "wordnet": tarred({f"package/dict/{name}": content for name, content in tiny_wordnet_files().items()}),
        "stop_words": zipped({"stopwords/english": b"the\nwas\n", "stopwords/german": b"der\n"}),
    }
    for path in masked_model.iterdir():
        contents[f"masked_model/{path.name}"] = path.read_bytes()
    return contents


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
