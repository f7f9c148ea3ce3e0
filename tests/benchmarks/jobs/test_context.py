"""What a run resolves before it starts, and every mistake it names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from demo_jobs import context_of
from transformers import BertConfig, BertForSequenceClassification

from baselines.validation import UserError
from benchmarks.data.examples import Example
from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.experiment import AttackProtocol
from benchmarks.jobs.context import RunSpec, random_subset
from benchmarks.jobs.provenance import provenance_of
from benchmarks.victims.backbones import find_backbone
from benchmarks.victims.saved import save_classifier


def test_everything_is_resolved(options) -> None:
    context = context_of(options)
    task = context.tasks["demo"]
    assert (len(task.dataset.train), len(task.dataset.test), len(task.attacked)) == (40, 20, 3)
    assert [recipe.key for recipe in context.recipes] == ["textfooler", "textbugger", "bertattack_official"]
    assert context.machine["threads"] == 1


def test_a_length_that_nobody_asked_for_is_at_most_what_the_backbone_reads(options, tmp_path) -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    model = BertForSequenceClassification(BertConfig(**sizes, max_position_embeddings=20))
    save_classifier(model, tmp_path / "short", find_backbone("minilm").load_tokenizer())
    short = replace(options, backbone=str(tmp_path / "short"))
    context = context_of(short)
    assert context.tasks["demo"].max_length == 20
    assert (
        context.chosen
        == f"preset demo, as asked; texts of demo are cut at 20 tokens, the most that {short.backbone} reads"
    )
    assert context_of(replace(short, max_length=20)).chosen == "preset demo, as asked"
    with pytest.raises(UserError, match=r"--max-length must be 3 to 20 tokens, .*, got 21"):
        context_of(replace(short, max_length=21))


def test_the_subset_does_not_depend_on_the_model_and_keeps_the_order() -> None:
    examples = [Example(f"test-{n}", ("x",), 0) for n in range(100)]
    drawn = random_subset(examples, 10)
    assert drawn == random_subset(examples, 10)
    numbers = [int(example.id[5:]) for example in drawn]
    assert numbers == sorted(set(numbers)) and len(numbers) == 10
    assert random_subset(examples, 500) == tuple(examples)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"preset": "dmeo"}, "unknown preset 'dmeo'; did you mean 'demo'"),
        ({"tasks": "imbd"}, "unknown task 'imbd'; did you mean 'imdb'"),
        ({"recipes": "textfoler"}, "unknown recipe 'textfoler'; did you mean 'textfooler'"),
        ({"recipes": "bertattack"}, "needs a masked language model"),
        ({"backbone": ""}, "unknown backbone ''"),
        ({"encoder": ""}, "unknown backbone ''"),
        ({"backbone": "minilmm"}, "unknown backbone 'minilmm'"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"precision": "fp16"}, "did you mean 'bf16'? known: auto, bf16, fp32, tf32"),
        ({"device": "cpu", "capture": True}, "--capture records CUDA graphs, and this run uses the CPU"),
        ({"recipes": "textattack:DeepWordBugGao2018"}, "which runs in TextAttack's own loop: 'earlyrobust attack"),
        ({"max_length": 1}, "--max-length must be 3 to 512 tokens"),
        ({"max_length": 513}, "--max-length must be 3 to 512 tokens"),
        ({"max_words": 0}, "--max-words must be 1 or more, got 0"),
        ({"max_words": 3}, "at most 3 are attacked"),
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
        context_of(replace(options, **changes))
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.fixture
def full(options, tiny_assets):
    """The paper's preset on the generated texts, with the assets it needs."""
    return replace(options, preset="paper", tasks="demo", assets=tiny_assets.folder)


def test_a_full_preset_attacks_with_what_prepare_fetched(full) -> None:
    context = context_of(full)
    assert context.tasks["demo"].resources.profile == "full"
    assert context.tasks["demo"].resources.masked_model is None
    with_masked = context_of(replace(full, recipes="textfooler,bertattack"))
    fooler = with_masked.recipes[0]
    identities = [each.tasks["demo"].attack_identity(fooler) for each in (context, with_masked)]
    assert identities[0] == identities[1], "a further recipe leaves stored attacks valid"


def test_the_offline_presets_take_no_more_than_the_masked_model_from_the_assets(options, tiny_assets) -> None:
    plain = context_of(options)
    context = context_of(replace(options, assets=tiny_assets.folder, recipes="textfooler,bertattack"))
    assert context.tasks["demo"].resources.profile == "offline"
    identities = [each.tasks["demo"].attack_identity(plain.recipes[0]) for each in (plain, context)]
    assert identities[0] == identities[1]


@pytest.mark.parametrize("changes", [{"synonyms": Path("list.json")}, {"nltk_data": Path("nltk")}], ids=str)
def test_options_of_the_offline_profile_are_refused_in_the_full_one(full, changes: dict) -> None:
    with pytest.raises(ValueError, match="is for the offline profile, and"):
        context_of(replace(full, **changes))


def test_missing_assets_are_named_before_anything_is_loaded(full, tmp_path, monkeypatch) -> None:
    for loader in ("find_backbone", "load", "Store"):
        monkeypatch.setattr(f"benchmarks.jobs.context.{loader}", None)
    with pytest.raises(ValueError, match=r"'paper' attacks in the full profile, which needs synonyms, .*--preset demo"):
        context_of(replace(full, assets=None))
    with pytest.raises(ValueError) as refusal:
        context_of(replace(full, assets=tmp_path / "empty"))
    sentence = str(refusal.value)
    assert "archives/paragramcf.zip (missing)" in sentence and "earlyrobust prepare --assets" in sentence
    assert "bert-base-uncased" not in sentence, "no recipe asks the masked model"


def test_texts_too_long_to_attack_are_refused_before_the_work(options, tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    for split in ("train", "test"):
        rows = ["good,1", "bad,0", " ".join(["good"] * 5001) + ",1"]
        (tmp_path / "mine" / f"{split}.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    mine = replace(options, preset="small", tasks="mine", data=tmp_path, recipes="textbugger")
    with pytest.raises(UserError, match=r"the text test-2 has 5,001 words; at most 5,000 .* --max-words 5001"):
        context_of(mine)
    assert len(context_of(replace(mine, max_words=5001)).tasks["mine"].attacked) == 3
    assert RunSpec(mine, EXPERIMENTS["figure2"]).load()


def test_development_texts_are_never_those_of_the_tables(options) -> None:
    task, protocol = context_of(options).tasks["demo"], AttackProtocol(subset="development")
    held_out = task.attacked_under(protocol)
    assert len(held_out) == len(task.attacked) and set(held_out) < set(task.dataset.test)
    assert not set(held_out) & set(task.attacked)
    with pytest.raises(ValueError, match="every one of the 20 test texts of demo is attacked"):
        context_of(replace(options, attacked=20)).tasks["demo"].attacked_under(protocol)


def test_texts_are_found_by_their_ids_in_that_order(options) -> None:
    task = context_of(options).tasks["demo"]
    wanted = [task.dataset.test[3], task.dataset.train[5], task.dataset.test[0]]
    assert task.examples([example.id for example in wanted]) == wanted


def test_an_experiment_decides_what_the_options_leave_open(options) -> None:
    context = RunSpec(options, EXPERIMENTS["table3"]).load()
    assert (context.preset.runs, [recipe.key for recipe in context.recipes]) == (1, ["textfooler"])
    asked = RunSpec(replace(options, recipes="textbugger"), EXPERIMENTS["table3"]).load()
    assert [recipe.key for recipe in asked.recipes] == ["textbugger"]
    assert RunSpec(replace(options, recipes="textbugger"), EXPERIMENTS["figure2"]).load().recipes == ()


def test_a_full_preset_asks_no_assets_where_nothing_is_attacked(options) -> None:
    context = RunSpec(replace(options, preset="paper", tasks="demo"), EXPERIMENTS["figure5"]).load()
    assert context.recipes == ()


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
        context_of(replace(options, **changes))


def test_ray_is_named_where_it_is_missing_and_a_cluster_has_its_own_size(
    options, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.jobs import context as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"pip install 'earlyrobust\[ray\]'"):
        context_of(replace(options, executor="ray"))
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    with pytest.raises(ValueError, match=r"--workers is for this machine alone"):
        context_of(replace(options, executor="ray", ray_address="auto", workers=2))


def test_more_workers_than_gpus_are_refused(options, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.jobs import context as module

    monkeypatch.setattr(module, "choose_device", lambda name: "cuda")
    monkeypatch.setattr(module.torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"--workers must be at most 2, one for each GPU, got 3"):
        context_of(replace(options, workers=3))


def test_trainings_side_by_side_share_the_cores(options, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.jobs import context as module

    monkeypatch.setattr(module, "usable_cores", lambda: 8)
    monkeypatch.setattr(module.torch, "set_num_threads", lambda count: None)
    asked = replace(options, threads=None, untimed=True)
    assert context_of(replace(asked, workers=2)).machine["threads"] == 4
    assert context_of(asked).machine["threads"] == 1, "as many workers as cores"


def test_a_cascade_lacks_the_attacks_that_cannot_be_made_and_captions_name_its_words(options, tiny_assets) -> None:
    context = context_of(replace(options, recipes="textfooler,worst_v1"))
    assert [recipe.key for recipe in context.recipes] == ["textfooler", "worst_v1_partial"]
    assert context.recipes[1].title == "Worst case v1 without bertattack@0.3.11"
    assert "WordNet 3.0" in provenance_of(context).tasks["demo"].resources
    assert "WordNet 3.0" not in provenance_of(context_of(options)).tasks["demo"].resources
    of_function = context.for_function().recipes[1]
    assert of_function.title == "Worst case v1 without bertattack@0.3.11, gbda_words"
    with_masked = context_of(replace(options, recipes="worst_v1", assets=tiny_assets.folder))
    assert [recipe.key for recipe in with_masked.recipes] == ["worst_v1"]


def test_a_function_is_not_attacked_by_gradient(options) -> None:
    with pytest.raises(UserError, match="'a2t' needs a model"):
        context_of(replace(options, recipes="a2t")).for_function()
