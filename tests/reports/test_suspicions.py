"""Flags are raised by counts above a tenth, and by differences whose interval excludes 0."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from made_up import outcome, training

from benchmarks.attacks.recipes import TEXTFOOLER
from benchmarks.jobs.suspect import Measurements
from benchmarks.results.store import Store
from reports.suspicions import file_of, flags, suspicion_notes, suspicion_table
from reports.tables import write_table

N = 20
STOOD = tuple(outcome(n, "failed", 50, words=5) for n in range(N))
FALLEN = tuple(outcome(n, "successful", 20, words=5) for n in range(N))
HALF = (*STOOD[:10], *FALLEN[10:])
HONEST = Measurements(
    recipe=TEXTFOOLER,
    labels=np.array([0, 1] * (N // 2)),
    probabilities=np.full((N, 2), 0.5),
    repeated=0.0,
    company=0.0,
    direct=HALF,
    margin=HALF,
    tempered=HALF,
    white=HALF,
    black=HALF,
    random=STOOD,
    replaced=np.zeros(N, bool),
    transferred=np.array([True] * 10 + [False] * 10),
)


def raised(**changes) -> list[str]:
    return [flag.name for flag in flags(replace(HONEST, **changes)) if flag.raised]


def test_each_sign_raises_one_flag() -> None:
    assert raised() == []
    sure = np.array([[1.0, 0.0], [0.5, 0.5]] * 2 + [[0.5, 0.5]] * (N - 4))
    assert raised(probabilities=sure) == [] and raised(probabilities=np.eye(2)[HONEST.labels]) == ["saturated"]
    starving = tuple(replace(each, equal_ranking_share=0.9, idle_step_share=0.9) for each in HALF[:3])
    rested = tuple(replace(each, equal_ranking_share=0.1, idle_step_share=0.1) for each in HALF[3:])
    assert raised(direct=(*starving, *rested)) == ["starved"]
    assert raised(tempered=FALLEN) == ["temperature matters"] and raised(tempered=STOOD) == []
    assert raised(margin=FALLEN) == ["margin matters"]
    assert raised(white=STOOD) == ["gradient masked"] and raised(white=FALLEN) == []
    assert raised(random=FALLEN) == ["noise beats search"]
    assert raised(replaced=np.ones(N, bool)) == ["not breakable"]
    assert raised(recipe=TEXTFOOLER.budgeted(50)) == raised(recipe=TEXTFOOLER.budgeted("10/word")) == ["budget ends it"]
    assert raised(transferred=np.zeros(N, bool)) == ["transfer is stronger"]
    assert raised(company=1e-3) == ["company matters"] and raised(repeated=1e-3, company=1) == ["random answers"]
    few = (*FALLEN[:1], *HALF[1:])
    assert raised(margin=few) == [], "one text of twenty may be chance"


def test_a_row_s_flags_are_found_by_its_model(tmp_path) -> None:
    store = Store(tmp_path)
    record, other = training(seed=42, weights_sha256="a" * 64), training(seed=43, weights_sha256="b" * 64)
    assert suspicion_notes(store, [record, other], []) == []
    identity = {"weights_sha256": record.weights_sha256, "files": {}}
    write_table(suspicion_table("mine", replace(HONEST, margin=FALLEN)), tmp_path, file_of(identity))
    (note,) = suspicion_notes(store, [record, other], [])
    assert note == "Signs of a failed attack on Fine Tune seed 42 (SST-2): margin matters."
    assert file_of({"hub": "a/b"}) != file_of({"hub": "a/c"})


def test_the_table_names_what_is_raised_and_what_broke() -> None:
    table = suspicion_table("mine", replace(HONEST, margin=FALLEN, white=None, black=None))
    assert table.caption[0] == "mine: margin matters on 20 texts under TextFooler." and not table.incomplete
    rows = {row["flag"]: row for row in table.records()}
    assert len(rows) == 11 and rows["gradient masked"]["raised"] == "–"
    assert rows["margin matters"]["measured"].startswith("Aua % 50.0 becomes 0.0 (difference ")
    broken = (replace(HALF[0], status="error", error="ValueError: no"), *HALF[1:])
    table = suspicion_table("mine", replace(HONEST, direct=broken))
    assert table.incomplete and table.caption[-1] == "1 of 20 texts broke: ValueError: no."
