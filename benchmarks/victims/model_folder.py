"""A folder with a model: required files, allowed content and sizes, and its identity."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers import CONFIG_MAPPING, PretrainedConfig
from transformers.activations import ACT2FN

from baselines.primitives.encoders import KNOWN_ARCHITECTURES, find_architecture, unknown_architecture
from baselines.validation import UserError, require, unknown
from benchmarks.data.classes import MOST_CLASSES
from benchmarks.data.digests import sha256_of

CONFIG = "config.json"
ADAPTER = "adapter_config.json"  # transformers adds the adapter to the weights beside it, or not: by what is installed
WEIGHTS = "model.safetensors"
GUARD_WEIGHTS = "guard.safetensors"  # what a guard needs at inference beside the model's own weights
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
)

# Entries about the file's author and last use; no answer depends on them.
VOLATILE = (
    "transformers_version",
    "_name_or_path",
    "name_or_path",
    "tokenizer_file",
    "special_tokens_map_file",
    "truncation",
    "padding",
)

LARGEST_CONFIG = 1 << 22  # bytes
LARGEST_TOKENIZER = 1 << 28
MOST_TENSORS = 10_000
MOST_SHOWN = 8
LFS_POINTER = b"version https://git-lfs"
MOST_LAYERS = 256
MOST_POSITIONS = 1 << 17
LARGEST_SIZE = 1 << 24  # upper bound of other numbers in config.json
SHARES = ("dropout", "dropout_prob")  # fractions, also where the default is 0
ACTIVATIONS = ("hidden_act", "activation", "hidden_activation", "classifier_activation", "pooler_hidden_act")

# Tensors that hold position numbers, not weights; checkpoints of transformers before 4.31 have them.
COUNTERS = ("position_ids", "token_type_ids")
FLOATS = ("F64", "F32", "F16", "BF16")


def read_model_folder(folder: Path) -> dict[str, Any]:
    """Read the configuration in a model's folder, and check all that can be checked without loading the model.

    Raises:
        UserError: in one sentence that says what to do: for a folder that lacks a file, holds an adapter, weights
            in another format or quantised ones, an unknown architecture, or damaged or too large files.
    """
    if (folder / ADAPTER).exists() and (folder / WEIGHTS).exists():
        raise UserError(f"the model folder {str(folder)!r} holds weights and an adapter{_advice(folder)}")
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise UserError(f"the model folder {str(folder)!r} lacks {' and '.join(missing)}{_advice(folder)}")
    for name in (CONFIG, *TOKENIZER):
        path, most = folder / name, LARGEST_CONFIG if name == CONFIG else LARGEST_TOKENIZER
        require(not path.exists() or path.is_file(), str(path), "a regular file", "something else")
        require(not path.exists() or path.stat().st_size <= most, str(path), f"{most} bytes at most", "a larger file")
    try:
        values = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{folder / CONFIG} is not JSON: {' '.join(str(error).split())[:200]}") from error
    require(isinstance(values, dict), str(folder / CONFIG), "a JSON object", type(values).__name__)
    check_configuration(values, str(folder / CONFIG))
    return values


def check_configuration(values: Mapping[str, Any], where: str) -> None:
    """Reject a configuration that the suite cannot use.

    Args:
        values: the content of a `config.json`. where: its name in messages.
    Raises:
        UserError: for an unknown architecture, quantised weights, and values of a wrong type or absurd size.
    """
    kind = values.get("model_type")
    if not isinstance(kind, str) or kind not in KNOWN_ARCHITECTURES:
        raise UserError(
            f"{unknown_architecture(str(kind))}; its classifier is a victim for "
            f"'earlyrobust evaluate --callable FILE.py:FUNCTION'"
        )
    find_architecture(values)
    if values.get("quantization_config"):
        raise UserError(f"{where} has quantised weights, which cannot be used in fp32; give the unquantised model")
    kept = values.get("architectures") or []
    require(
        isinstance(kept, list) and all(isinstance(each, str) for each in kept),
        f"architectures in {where}",
        "names",
        kept,
    )
    defaults = CONFIG_MAPPING[kind]().to_dict()
    shared = PretrainedConfig().to_dict()
    expected = {name: value for name, value in defaults.items() if name not in shared}
    expected |= {"is_decoder": False, "add_cross_attention": False, "chunk_size_feed_forward": 0}
    for name, value in values.items():
        if name in expected:
            _check_value(f"{name} in {where}", name, value, expected[name])
        if name in ACTIVATIONS and value not in ACT2FN:
            raise unknown(f"{name} in {where}", str(value), ACT2FN)
    count = values.get("num_labels")
    classes = count is None or (type(count) is int and 1 <= count <= MOST_CLASSES)
    require(classes, f"num_labels in {where}", f"a whole number from 1 to {MOST_CLASSES}", _shown(count))


def _check_value(where: str, name: str, value: Any, default: Any) -> None:
    """Reject a value of another type than the default's, and numbers out of bounds."""
    if isinstance(default, bool):
        require(isinstance(value, bool), where, "true or false", _shown(value))
    elif isinstance(default, int) and not name.endswith(SHARES):
        most = MOST_LAYERS if "layers" in name else MOST_POSITIONS if "position" in name else LARGEST_SIZE
        fits = type(value) is int and (0 <= value <= most or value == default)  # some defaults are -1, for none
        require(fits, where, f"a whole number from 0 to {most}", _shown(value))
    elif isinstance(default, int | float):
        fits = type(value) in (int, float) and math.isfinite(value)
        require(fits, where, "a number", _shown(value))
    elif isinstance(default, str):
        require(isinstance(value, str), where, "a name", _shown(value))


def _shown(value: Any) -> Any:
    """A value of unknown size, shortened for a message."""
    return value if isinstance(value, bool | float) or value is None else str(value)[:80]


def _advice(folder: Path) -> str:
    """What to do with a folder that does not hold a complete model."""
    place = repr(str(folder))
    if (folder / ADAPTER).exists():
        return (
            f'; it is an adapter of PEFT: merge it into its model with python -c "from peft import '
            f"AutoPeftModelForSequenceClassification as M; M.from_pretrained({place}).merge_and_unload()"
            f".save_pretrained('MERGED')\", and give MERGED with the tokenizer's files"
        )
    convert = (
        f'python -c "from transformers import AutoModelForSequenceClassification as M; '
        f"M.from_pretrained({place}).save_pretrained({place}, max_shard_size='1TB')\""
    )
    if (folder / f"{WEIGHTS}.index.json").exists():
        return f"; its weights are in several files: put them into one with {convert}"
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt")):
        return (
            f"; its weights are pickled, and pickles are not opened: convert them where you trust them, with {convert}"
        )
    for name, option in (("tf_model.h5", "from_tf"), ("flax_model.msgpack", "from_flax")):
        if (folder / name).exists():
            return f"; convert {name} with {convert.replace(f'{place})', f'{place}, {option}=True)', 1)}"
    inside = sorted(path.parent.name for path in folder.glob(f"*/{CONFIG}"))
    if inside:
        return f"; give one of the folders in it: {', '.join(inside[:MOST_SHOWN])}"
    return ""


def count_weights(folder: Path) -> int:
    """The number of values in the weights' file, read from its header only.

    Raises:
        UserError: for a file that is not in safetensors format, has too many tensors, or weights that are not floats.
    """
    path = folder / WEIGHTS
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise UserError(f"{path} is a pointer of Git LFS, not the weights; fetch them with 'git lfs pull'")
    try:
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            require(len(names) <= MOST_TENSORS, str(path), f"of {MOST_TENSORS} tensors at most", len(names))
            parts = {name: file.get_slice(name) for name in names}
            kinds = {name: part.get_dtype() for name, part in parts.items() if not name.endswith(COUNTERS)}
            sizes = [math.prod(part.get_shape()) for part in parts.values()]
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged: {' '.join(str(error).split())[:200]}") from error
    other = next((name for name, kind in kinds.items() if kind not in FLOATS), None)
    if other is not None:
        raise UserError(
            f"the tensor {other[:80]!r} in {path} must be of floating point, got {kinds[other]}; weights that were "
            f"quantised cannot be computed in fp32"
        )
    return sum(sizes)


def folder_identity(folder: Path) -> dict[str, Any]:
    """Hashes of every file that decides a model's answers: weights, configuration and tokenizer.

    JSON files are hashed by their content, without the entries in `VOLATILE`, so that saving a model again changes
    nothing.
    """
    names = [name for name in (CONFIG, *TOKENIZER, GUARD_WEIGHTS) if (folder / name).is_file()]
    return {
        "weights_sha256": sha256_of(folder / WEIGHTS),
        "files": {name: _content_hash(folder / name) for name in names},
    }


def _content_hash(path: Path) -> str:
    if path.suffix != ".json":
        return sha256_of(path)
    try:
        values = json.loads(path.read_text("utf-8"))
        lasting = {name: value for name, value in values.items() if name not in VOLATILE}
        written = json.dumps(lasting, sort_keys=True, separators=(",", ":"))
    except (ValueError, AttributeError, RecursionError):
        return sha256_of(path)  # its reader will report the error
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()
