"""The options of the command line. Imports nothing heavy, so that `--help` is fast."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path

from baselines.validation import UserError

MAX_WORDS = 5000


@dataclass(frozen=True)
class Options:
    """What to run, on which data, how large, and where the results go.

    Attributes:
        preset: demo (generated texts, minutes on two CPU cores), small, paper, or auto (paper where there is a CUDA
            device and --assets is given, otherwise demo).
        tasks: tasks, separated by commas; the preset's own when left out.
        defenses: defenses by name or as paths of Python files, separated by commas; Table 1's when left out.
        variants: rows or points of an experiment on one method, separated by commas; the preset's own when left out.
        runs: runs of each defense, with seeds 42, 43, ...; the preset's own when left out.
        data: folder with the data sets; left out, they come from the hub (the demo's are generated). A task of your own
            is a folder in it that holds train.csv and test.csv, or .tsv, .jsonl, .parquet.
        columns: the text column of such a task, or two separated by a comma; `text` when left out.
        label: its label column; `label` when left out.
        backbone: minilm, minilm:3 (its lowest three layers), a hub id, or a folder; the preset's own when left out.
        out: folder for records, models and tables; the same command with the same folder continues there.
        train_texts: training texts to use; the preset's own when left out.
        test_texts: test texts to use; the preset's own when left out.
        attacked: texts to attack in each run; the preset's own when left out.
        max_length: longest text in tokens; the task's or the preset's own when left out.
        max_words: most words in an attacked text; a longer one is refused before the work, which grows with their
            square.
        batch_size: texts in a batch; the task's or the preset's own when left out.
        recipes: attacks, separated by commas; the preset's own when left out.
        synonyms: file with the neighbours of words, for the offline profile: JSON, word to list (of words, or of
            [word, cosine]), may be gzipped; or a file of build-synonyms. The packaged list when left out.
        nltk_data: folder with NLTK's tagger and stop words, for the offline profile.
        assets: folder that `earlyrobust prepare` filled; the full profile needs it, the offline profile uses its masked
            language model.
        device: cpu, cuda, or auto.
        schedule: shared (the preset's epochs, rate, decay, warm-up and clipping for every method) or published (those
            of a method's authors where they differ; times under different schedules are not compared).
        precision: fp32, tf32, bf16, or auto (on a CPU: bf16 if that makes an update at least 1.5 times as fast,
            otherwise fp32).
        capture: on a GPU, record the passes of an update once per batch shape and replay them as CUDA graphs; an error
            for methods that cannot be recorded.
        threads: CPU threads for training; all cores when left out.
        allow_accumulation: if a training runs out of memory, cut its batches into parts that fit and add up their
            gradients; its time then does not count.
        offline: fetch nothing; an error names what is missing.
        track: tensorboard, wandb or trackio: log curves and numbers there after the work; no log when left out.
        executor: local (processes of this machine) or ray (needs the extra 'ray').
        workers: parallel workers on this machine; when left out 1 GPU, or one per CPU core. Without --untimed, a CPU
            runs one training at a time.
        untimed: on a CPU, run trainings and attacks in parallel; their records say that the times do not count.
        ray_address: address of a running Ray cluster, or auto; when left out, Ray is started on this machine.
        wait: wait for jobs that another command is running; --no-wait is an error instead.
        encoder: backbone of the offline profile's sentence encoder, as for --backbone; minilm when left out.
        json: file for the printed table as JSON.
    """

    preset: str = "auto"
    tasks: str | None = None
    defenses: str | None = None
    variants: str | None = None
    runs: int | None = None
    data: Path | None = None
    columns: str | None = None
    label: str | None = None
    backbone: str | None = None
    out: Path = Path("results")
    train_texts: int | None = None
    test_texts: int | None = None
    attacked: int | None = None
    max_length: int | None = None
    max_words: int = MAX_WORDS
    batch_size: int | None = None
    recipes: str | None = None
    synonyms: Path | None = None
    nltk_data: Path | None = None
    assets: Path | None = None
    device: str = "auto"
    schedule: str = "shared"
    precision: str = "fp32"
    capture: bool = False
    threads: int | None = None
    allow_accumulation: bool = False
    offline: bool = False
    track: str | None = None
    executor: str = "local"
    workers: int | None = None
    untimed: bool = False
    ray_address: str | None = None
    wait: bool = True
    encoder: str | None = None
    json: Path | None = None


DEFAULTS = Options()

# Options by what reads them: the choice of trainings, their spread over processes, attacks.
CHOICES = ("defenses", "variants", "runs")
SPREAD = ("executor", "workers", "untimed", "ray_address")
READ_BY_ATTACKS = ("recipes", "attacked", "max_words", "synonyms", "nltk_data", "encoder")


@dataclass(frozen=True)
class AttackOptions:
    """Which classifier to attack, on which texts, how, and where the outcomes go.

    Attributes:
        model: folder of a saved classifier (pruned ones too), or a hub id.
        data: file of labelled texts: CSV or TSV with a header, JSON lines, or Parquet.
        recipe: a name from 'earlyrobust ls recipes', or textattack:<Recipe> for any other of TextAttack's. Marks choose
            the search: textfooler+margin+width4.
        columns: its text column, or two separated by a comma.
        label: its label column: numbers, or the model's class names.
        engine: lockstep (the suite's own), or textattack (TextAttack's own loop).
        out: folder for outcomes; the same command with the same folder continues there.
        limit: attack the first texts only.
        max_length: longest input in tokens; the most that the model can read when left out.
        query_budget: most queries for one text; 50/word is 50 for each of its words.
        score: probability, or margin: the search raises the margin between two classes' logits, which does not saturate
            on an overconfident victim; the recipe's own when left out.
        width: texts that the search keeps after each word; the recipe's own, 1, when left out.
        restarts: random word orders to try after the ranked one has failed; the recipe's own, 0, when left out.
        max_words: most words in a text; an error for a longer one, since the work grows with the square of the words.
        temperature: divides the victim's logits; an overconfident victim gives attacks that search by score no hint.
        calibrate: labelled file, not the attacked one; the attack is made twice, on the victim as it is and with the
            temperature that fits its confidence to that file.
        seed: seed of the recipe's random draws.
        synonyms: file with the neighbours of words: JSON, word to list (of words, or of [word, cosine]), may be
            gzipped; or a file of build-synonyms. The packaged list when left out.
        nltk_data: folder with NLTK's tagger and stop words.
        assets: folder that `earlyrobust prepare` filled, for the masked language model of bertattack.
        proposals: file with rewrites of the texts that were made elsewhere, for the recipe proposals.
        device: cpu, cuda, or auto.
        threads: CPU threads; with more than one, the choice between candidates that tie within rounding may depend on
            where an attack was stopped and continued.
        wait: wait if another command is running the same attack; --no-wait is an error instead.
        offline: fetch nothing; an error names what is missing.
        json: file for the printed table as JSON.
    """

    model: str
    data: Path
    recipe: str = "textfooler"
    columns: str = "text"
    label: str = "label"
    engine: str = "lockstep"
    out: Path = Path("attack-results")
    limit: int | None = None
    max_length: int | None = None
    query_budget: str | None = None
    score: str | None = None
    width: int | None = None
    restarts: int | None = None
    max_words: int = MAX_WORDS
    temperature: float = 1.0
    calibrate: Path | None = None
    seed: int = 42
    synonyms: Path | None = None
    nltk_data: Path | None = None
    assets: Path | None = None
    proposals: Path | None = None
    device: str = "auto"
    threads: int = 1
    wait: bool = True
    offline: bool = False
    json: Path | None = None


def refuse_unread(options: Options, where: str, names: Collection[str]) -> None:
    """Raise an error for options that change nothing.

    Args:
        where: what does not read them, such as a verb.
        names: fields of `Options`.
    Raises:
        UserError: naming the first that was given.
    """
    for name in names:
        default = getattr(DEFAULTS, name)
        if getattr(options, name) != default:
            no = "no-" if default is True else ""
            raise UserError(f"--{no}{name.replace('_', '-')} changes nothing in {where!r}; leave it out")


def unread_but(*names: str) -> tuple[str, ...]:
    """All options but these."""
    return tuple(field.name for field in fields(Options) if field.name not in names)


def split_names(text: str | None, default: tuple[str, ...]) -> tuple[str, ...]:
    """`"a, b"` as `("a", "b")`; `default` for None.

    Raises:
        UserError: if a name is empty or given twice.
    """
    if text is None:
        return default
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UserError(f"names are separated by single commas, got {text!r}")
    if len(set(names)) < len(names):
        raise UserError(f"a name is given twice in {text!r}")
    return names
