"""What a run resolves before it starts, and every mistake it names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.data.examples import Example
from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.experiment import Terms, cells
from benchmarks.jobs.resolve import random_subset, resolve
from benchmarks.jobs.work import RunSpec
from benchmarks.results.store import content_key


def test_everything_is_resolved(options) -> None:
    setup = resolve(options)
    task = setup.tasks["demo"]
    assert (len(task.dataset.train), len(task.dataset.test), len(task.attacked)) == (40, 20, 3)
    assert [recipe.key for recipe in setup.recipes] == ["textfooler", "textbugger", "bertattack_official"]
    assert setup.machine["threads"] == 1


def test_the_subset_does_not_depend_on_the_model_and_keeps_the_order() -> None:
    examples = [Example(f"test-{n}", ("x",), 0) for n in range(100)]
    drawn = random_subset(examples, 10)
    assert drawn == random_subset(examples, 10)
    numbers = [int(example.id[5:]) for example in drawn]
    assert numbers == sorted(set(numbers)) and len(numbers) == 10
    assert random_subset(examples, 500) == tuple(examples)


def test_identities_tell_apart_what_decides_the_weights(options) -> None:
    setup = resolve(options)
    first, second = cells(setup.preset, ["demo"], ["fine_tune"], runs=2)
    identities = [setup.training_identity(cell) for cell in (first, second)]
    other = resolve(replace(options, train_texts=39)).training_identity(first)
    assert identities[0] != identities[1]
    assert {name for name in other if other[name] != identities[0][name]} == {"data"}


def test_threads_are_in_the_identity_of_trainings_on_a_cpu(options) -> None:
    setup = resolve(options)
    (cell,) = cells(setup.preset, ["demo"], ["fine_tune"], runs=1)
    on_two = replace(setup, machine=setup.machine | {"threads": 2})
    assert on_two.training_identity(cell) == setup.training_identity(cell) | {"threads": 2}
    assert "threads" not in setup.training_identity(cell), "one thread keeps its keys"
    assert "threads" not in replace(on_two, device="cuda").training_identity(cell)
    assert RunSpec.of(setup).options.threads == 1


def test_what_a_defense_needs_is_in_its_identity_and_in_no_other(options, tmp_path) -> None:
    setup = resolve(options)
    names = ["fine_tune", "rift", "ascc", "adv_hotflip", "augmentation"]
    planned = {cell.defense.key: cell for cell in cells(setup.preset, ["demo"], names, runs=1)}
    identities = {name: setup.training_identity(cell) for name, cell in planned.items()}
    assert set(identities["fine_tune"]) == set(identities["adv_hotflip"])
    assert set(identities["ascc"]) - set(identities["fine_tune"]) == {"substitutes"}
    assert identities["ascc"]["substitutes"] == identities["rift"]["substitutes"]
    added = identities["augmentation"]["adversarial_texts"]
    assert added["base"] == content_key(identities["fine_tune"]) and added["recipe"]["key"] == "textfooler"
    assert replace(planned["augmentation"].defense, share=0.1) != planned["augmentation"].defense
    unknown = replace(planned["augmentation"], defense=replace(planned["augmentation"].defense, recipe="pwws"))
    with pytest.raises(ValueError, match="unknown recipe 'pwws'"):
        setup.training_identity(unknown)


def test_capture_is_in_the_identity_of_captured_trainings_alone(options) -> None:
    setup = resolve(options)
    (cell,) = cells(setup.preset, ["demo"], ["fine_tune"], runs=1)
    plain, captured = setup.training_identity(cell), replace(setup, capture=True).training_identity(cell)
    assert captured == plain | {"capture": True} and "capture" not in plain
    assert setup.graphs() is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"preset": "dmeo"}, "unknown preset 'dmeo'; did you mean 'demo'"),
        ({"tasks": "imbd"}, "unknown task 'imbd'; did you mean 'imdb'"),
        ({"recipes": "textfoler"}, "unknown recipe 'textfoler'; did you mean 'textfooler'"),
        ({"recipes": "bertattack"}, "needs a masked language model"),
        ({"backbone": "minilmm"}, "unknown backbone 'minilmm'"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"precision": "fp16"}, "unknown precision 'fp16'"),
        ({"device": "cpu", "capture": True}, "--capture records CUDA graphs, and this run uses the CPU"),
        ({"recipes": "textattack:DeepWordBugGao2018"}, "which runs in TextAttack's own loop: 'earlyrobust attack"),
        ({"max_length": 1}, "--max-length must be 3 to 512 tokens"),
        ({"max_length": 513}, "--max-length must be 3 to 512 tokens"),
        ({"runs": 0}, "--runs must be 1 or more, got 0"),
        ({"attacked": -3}, "--attacked must be 1 or more, got -3"),
        ({"threads": 0}, "--threads must be 1 or more, got 0"),
        ({"threads": 100_000}, "the cores of this machine, got 100000"),
        ({"tasks": "sst2", "data": Path("nowhere")}, "the data folder nowhere does not exist"),
        ({"tasks": "sst2", "offline": True}, "needs the data set nyu-mll/glue@"),
    ],
    ids=str,
)
def test_mistakes_are_named(options, changes: dict, sentence: str, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    with pytest.raises(ValueError) as refusal:
        resolve(replace(options, **changes))
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.fixture
def full(options, tiny_assets):
    """The paper's preset on the generated texts, with the assets it needs."""
    return replace(options, preset="paper", tasks="demo", assets=tiny_assets.folder)


def test_a_full_preset_attacks_with_what_prepare_fetched(full) -> None:
    setup = resolve(full)
    assert setup.tasks["demo"].resources.profile == "full"
    assert setup.tasks["demo"].resources.masked_model is None
    with_masked = resolve(replace(full, recipes="textfooler,bertattack"))
    fooler = with_masked.recipes[0]
    identities = [each.attack_identity("key", "demo", fooler, 42, "engine") for each in (setup, with_masked)]
    assert identities[0] == identities[1], "a further recipe leaves stored attacks valid"


def test_the_offline_presets_take_no_more_than_the_masked_model_from_the_assets(options, tiny_assets) -> None:
    plain = resolve(options)
    setup = resolve(replace(options, assets=tiny_assets.folder, recipes="textfooler,bertattack"))
    assert setup.tasks["demo"].resources.profile == "offline"
    identities = [each.attack_identity("key", "demo", plain.recipes[0], 42, "engine") for each in (plain, setup)]
    assert identities[0] == identities[1]


@pytest.mark.parametrize("changes", [{"synonyms": Path("list.json")}, {"nltk_data": Path("nltk")}], ids=str)
def test_options_of_the_offline_profile_are_refused_in_the_full_one(full, changes: dict) -> None:
    with pytest.raises(ValueError, match="is for the offline profile, and the preset 'paper' attacks in the full one"):
        resolve(replace(full, **changes))


def test_missing_assets_are_named_before_anything_is_loaded(full, tmp_path, monkeypatch) -> None:
    for loader in ("find_backbone", "load", "Store"):
        monkeypatch.setattr(f"benchmarks.jobs.resolve.{loader}", None)
    with pytest.raises(ValueError, match=r"'paper' attacks in the full profile, which needs synonyms, .*--preset demo"):
        resolve(replace(full, assets=None))
    with pytest.raises(ValueError) as refusal:
        resolve(replace(full, assets=tmp_path / "empty"))
    sentence = str(refusal.value)
    assert "archives/paragramcf.zip (missing)" in sentence and "earlyrobust prepare --assets" in sentence
    assert "bert-base-uncased" not in sentence, "no recipe asks the masked model"


def test_other_terms_change_the_attacks_and_no_training(options) -> None:
    setup = resolve(options)
    (cell,) = cells(setup.preset, ["demo"], ["fine_tune"], runs=1)
    assert setup.under(Terms()) is setup
    with pytest.raises(ValueError, match="the length under attack must be 3 to 512 tokens"):
        setup.under(Terms(max_length=513))
    first, longer = setup.under(Terms(subset="first")), setup.under(Terms(max_length=512))
    assert first.tasks["demo"].attacked == tuple(setup.tasks["demo"].dataset.test[:3]) != setup.tasks["demo"].attacked
    assert (longer.tasks["demo"].attack_length, longer.tasks["demo"].max_length) == (512, 64)
    for other in (first, longer):
        assert other.training_identity(cell) == setup.training_identity(cell)
    identities = [
        each.attack_identity("key", "demo", setup.recipes[0], 42, "engine") for each in (setup, first, longer)
    ]
    assert "max_length" not in identities[0], "attacks on the usual terms keep their keys"
    assert {name for name in identities[1] if identities[1][name] != identities[0][name]} == {"examples"}
    assert identities[2] == identities[0] | {"max_length": 512}


def test_development_texts_are_never_those_of_the_tables(options) -> None:
    setup = resolve(options)
    held_out = setup.under(Terms(subset="development")).tasks["demo"].attacked
    assert len(held_out) == len(setup.tasks["demo"].attacked) and set(held_out) < set(setup.tasks["demo"].dataset.test)
    assert not set(held_out) & set(setup.tasks["demo"].attacked)
    with pytest.raises(ValueError, match="every one of the 20 test texts of demo is attacked"):
        resolve(replace(options, attacked=20)).under(Terms(subset="development"))


def test_an_experiment_decides_what_the_options_leave_open(options) -> None:
    setup = resolve(options, experiment=EXPERIMENTS["table3"])
    assert (setup.preset.runs, [recipe.key for recipe in setup.recipes]) == (1, ["textfooler"])
    asked = resolve(replace(options, recipes="textbugger"), experiment=EXPERIMENTS["table3"])
    assert [recipe.key for recipe in asked.recipes] == ["textbugger"]
    assert resolve(replace(options, recipes="textbugger"), experiment=EXPERIMENTS["figure2"]).recipes == ()


def test_a_full_preset_asks_no_assets_where_nothing_is_attacked(options) -> None:
    setup = resolve(replace(options, preset="paper", tasks="demo"), experiment=EXPERIMENTS["figure5"])
    assert setup.recipes == ()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"executor": "slurm"}, r"unknown executor 'slurm'.*local, ray"),
        ({"workers": 0}, r"--workers must be 1 or more, got 0"),
        ({"ray_address": "auto"}, r"--ray-address is for --executor ray, and the executor is 'local'"),
    ],
)
def test_ways_of_working_that_are_not_to_be_had_are_refused(options, changes, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        resolve(replace(options, **changes))


def test_ray_is_named_where_it_is_missing_and_a_cluster_has_its_own_size(
    options, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.jobs import resolve as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"pip install 'earlyrobust\[ray\]'"):
        resolve(replace(options, executor="ray"))
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    with pytest.raises(ValueError, match=r"--workers is for this machine alone"):
        resolve(replace(options, executor="ray", ray_address="auto", workers=2))


def test_more_workers_than_gpus_are_refused(options, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.jobs import resolve as module

    monkeypatch.setattr(module, "choose_device", lambda name: "cuda")
    monkeypatch.setattr(module.torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"--workers must be at most 2, one for each GPU, got 3"):
        resolve(replace(options, workers=3))


def test_trainings_side_by_side_share_the_cores(options, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.jobs import resolve as module

    monkeypatch.setattr(module, "usable_cores", lambda: 8)
    monkeypatch.setattr(module.torch, "set_num_threads", lambda count: None)
    asked = replace(options, threads=None, untimed=True)
    assert resolve(replace(asked, workers=2)).machine["threads"] == 4
    assert resolve(asked).machine["threads"] == 1, "as many workers as cores"
