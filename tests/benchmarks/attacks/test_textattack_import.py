"""TextAttack in a fresh environment without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import benchmarks

CODE = """
import os, socket
def refuse(*args, **options):
    raise OSError("no network here")
socket.socket.connect = refuse
socket.create_connection = refuse
socket.getaddrinfo = refuse
from benchmarks.attacks.textattack_import import import_textattack
before = dict(os.environ)
textattack = import_textattack()
changed = {name for name in before.keys() | os.environ.keys() if before.get(name) != os.environ.get(name)}
assert not changed & {"TA_CACHE_DIR", "HF_HOME", "XDG_CACHE_HOME", "TFHUB_CACHE_DIR"}, changed
from textattack.shared.utils import install
assert install.TEXTATTACK_CACHE_DIR == os.path.expanduser("~/.cache/textattack")
from textattack.constraints.pre_transformation import StopwordModification
assert "the" in StopwordModification().stopwords
assert import_textattack() is textattack
"""


def test_a_fresh_home_without_a_network_suffices_and_stays_unmarked(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("NLTK_DATA", "TA_CACHE_DIR", "HF_HOME")}
    root = Path(benchmarks.__file__).parents[1]
    subprocess.run([sys.executable, "-c", CODE], check=True, cwd=root, env=kept | {"HOME": str(tmp_path)})
    assert not (tmp_path / ".cache" / "textattack").exists()
