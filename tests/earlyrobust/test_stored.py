"""A stored model comes with its tokenizer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from baselines.validation import MachineError
from earlyrobust.stored import load_model


def test_a_training_that_did_not_finish_has_no_model(tmp_path) -> None:
    record = SimpleNamespace(status="diverged", error="the loss is not finite")
    with pytest.raises(MachineError, match="the training has no model: it diverged"):
        load_model(tmp_path, record)
