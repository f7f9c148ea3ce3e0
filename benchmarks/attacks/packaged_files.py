"""The data files that come with the package, checked before they are used."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from baselines.validation import MachineError


def packaged(name: str, sha256: str) -> bytes:
    """The content of a file in `packaged/`.

    Raises:
        MachineError: if its hash is another one: the file was changed.
    """
    content = files("benchmarks").joinpath("attacks", "packaged", name).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise MachineError(
            f"the packaged file {name} has the SHA-256 {found}, expected {sha256}; install the package again"
        )
    return content
