"""Verbs about the packaged list of synonyms."""

from __future__ import annotations

from pathlib import Path

from baselines.validation import require
from benchmarks.experiments.options import CHOICES, DEFAULTS, SPREAD, Options, refuse_unread
from earlyrobust.cli.answers import say


def build_synonyms(*, wordnet: Path, out: Path) -> int:
    """Build the neighbour list of the offline attacks from WordNet and MiniLM.

    Takes some minutes of one CPU core.

    Args:
        wordnet: folder of WordNet's database files, for example /usr/share/wordnet of Debian's package wordnet-base.
        out: file to write; --synonyms takes it.
    """
    from baselines.threads import cpu_threads
    from benchmarks.attacks.sentence_encoder import MeanPooledEncoder
    from benchmarks.attacks.synonym_builder import build_synonyms as build
    from benchmarks.attacks.wordnet import WordNet
    from benchmarks.victims.backbones import find_backbone
    from reports.output_files import require_output, write_output

    require_output(out, "--out")
    with cpu_threads(1):
        table = build(WordNet(wordnet), MeanPooledEncoder(find_backbone("minilm")), say=say)
    content = table.to_bytes()
    write_output(out, content)
    say(f"{out}: {len(table.words)} words, {len(table.pairs)} pairs of neighbours, {len(content) / 1e6:.1f} MB")
    return 0


def synonym_quality(
    to: Path,
    options: Options = DEFAULTS,
    *,
    wordnet: Path,
    listed: Path,
    tagger: Path | None = None,
    pairs: int = 200,
) -> int:
    """Measure the packaged synonyms and write the page about them.

    They are compared with another list and with WordNet, and TextFooler attacks with four sources. The victim is the
    first fine-tuned model of each task; it is trained if --out has none, and stored attacks are not repeated. The page
    also shows the attacks of earlier calls with the same --out.

    Args:
        to: file to write, in Markdown.
        options: the tasks and the attacked texts, and the folder of results.
        wordnet: folder of WordNet's database files.
        listed: a real counter-fitted list: JSON, word to neighbours.
        tagger: folder with NLTK's tagger; the attacks are repeated with its parts of speech.
        pairs: how many random pairs the page shows.
    """
    from dataclasses import replace

    from benchmarks.attacks.packed_synonyms import packaged_synonyms
    from benchmarks.attacks.synonym_builder import is_development_word
    from benchmarks.attacks.synonym_quality import FirstNeighbours, quality, random_pairs
    from benchmarks.attacks.synonyms import NeighbourList, Synonyms, WordVectors
    from benchmarks.attacks.wordnet import WordNet
    from benchmarks.jobs.context import RunSpec
    from benchmarks.jobs.synonym_sources import attack_with_sources, stored_attacks
    from benchmarks.victims.backbones import find_backbone
    from reports.output_files import require_output, write_output
    from reports.synonyms import DICTIONARY, NAMES, TAGGER, synonyms_page

    refuse_unread(options, "synonym-quality", (*CHOICES, *SPREAD, "recipes", "synonyms", "track", "json"))
    require_output(to, "TO")
    require(pairs >= 0, "--pairs", "0 or more", pairs)
    packaged, real = packaged_synonyms(), NeighbourList.from_file(listed)
    sources: dict[str, Synonyms] = dict(
        zip(
            NAMES,
            (WordVectors.of_backbone(find_backbone("minilm")), real, FirstNeighbours(packaged, 8), packaged),
            strict=True,
        )
    )
    known = set(packaged.table.words)
    words = [word for word in real.words() if word in known and not is_development_word(word)]
    neighbours = {word: real.neighbours(word, 50) for word in words}
    lexicon = WordNet(wordnet)
    qualities = {NAMES[name]: quality(source, neighbours, words, lexicon) for name, source in sources.items()}
    context = RunSpec(options).load()
    attack_with_sources(context, sources, DICTIONARY, say)
    if tagger is not None:
        attack_with_sources(RunSpec(replace(options, nltk_data=tagger)).load(), sources, TAGGER, say)
    page = synonyms_page(
        packaged,
        qualities,
        stored_attacks(context.store, DICTIONARY, list(NAMES)),
        stored_attacks(context.store, TAGGER, list(NAMES)),
        random_pairs(packaged, packaged.table.words, pairs),
    )
    write_output(to, page)
    say(str(to))
    return 0
