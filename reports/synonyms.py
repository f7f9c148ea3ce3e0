"""The page on the packaged synonyms: compared with a counter-fitted list and with WordNet, and used in attacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tabulate import tabulate

from benchmarks.attacks.packed_synonyms import PackedSynonyms
from benchmarks.attacks.synonym_quality import Quality
from benchmarks.jobs.synonym_sources import SourceAttack
from benchmarks.results.metrics import (
    aua_percent,
    clean_percent,
    mean_queries,
    mean_similarity,
    modification_percent,
)
from benchmarks.results.records import Outcome

HEAD = """# The packaged synonyms

Offline attacks take synonyms from a list that comes with the package. It is built from WordNet 3.1 and the packaged
MiniLM. Each word is encoded alone. Words that share a sense are then pulled together and opposites pushed apart
(counter-fitting, Mrksic et al. 2016). A word keeps its nearest neighbours: at most 50, of cosine 0.5 or more, of the
same part of speech and the same inflection. MiniLM knows a word of several word pieces by its spelling, so such a word
needs a neighbour that shares a sense, or a cosine of 0.7. Names that are one piece are in the list, too; the neighbours
of a name are names. WordNet's antonyms are left out. The constants are in `benchmarks/attacks/synonym_builder.py`.

```
earlyrobust show synonyms good slow performance
earlyrobust prepare --assets ASSETS --only wordnet
earlyrobust build-synonyms --wordnet ASSETS/wordnet --out synonyms.safetensors.xz
```

`--synonyms` takes the file that `build-synonyms` wrote, or JSON: `{"good": ["decent", "fine"]}`. With cosines,
`{"good": [["decent", 0.81], ["fine", 0.74]]}`, a recipe's bound on word similarity uses them. The same inputs give the
same file on one machine; another processor may round a cosine otherwise.

This page is written by `earlyrobust synonym-quality`; no number in it is typed.
"""

DICTIONARY, TAGGER = "dictionary", "tagger"

NAMES = {
    "word vectors": "(a) MiniLM's input word vectors, the former source",
    "listed": "(b) a real counter-fitted list, at most 8 a word",
    "packaged 8": "(c) the packaged list, cut to 8 a word",
    "packaged": "(d) the packaged list",
}


def synonyms_page(
    packaged: PackedSynonyms,
    qualities: Mapping[str, Quality],
    attacks: Sequence[SourceAttack],
    taggers: Sequence[SourceAttack],
    pairs: Sequence[tuple[str, str, float | None]],
) -> str:
    """The page, in Markdown.

    Args:
        qualities: quality of each list, by its name.
        attacks: attacks with parts of speech from a dictionary, with each source of `NAMES`.
        taggers: the same with NLTK's tagger; may be empty.
        pairs: words, each with a neighbour and their cosine.
    """
    table = packaged.table
    sizes = (
        f"{len(table.words)} words, {len(table.pairs)} pairs of neighbours, {len(table.antonyms)} pairs of antonyms."
    )
    sections = [HEAD, f"## What is in it\n\n{sizes}\n", _quality_section(qualities), _attack_section(attacks)]
    if taggers:
        sections.append(_tagger_section(attacks, taggers))
    sections.append(_pairs_section(pairs))
    return "\n".join(sections)


def _quality_section(qualities: Mapping[str, Quality]) -> str:
    rows = [
        (
            name,
            each.words,
            *(f"{100 * share:.1f}" for share in each.recall.values()),
            f"{each.neighbours / each.words:.1f}",
            f"{each.antonyms} of {each.neighbours}",
            f"{100 * each.same_part / each.known_parts:.1f}" if each.known_parts else "–",
        )
        for name, each in qualities.items()
    ]
    cuts = list(next(iter(qualities.values())).recall)
    heads = (
        "List",
        "Words",
        *(f"Recall at {cut}, %" for cut in cuts),
        "Neighbours a word",
        "Antonyms",
        "Same part of speech, %",
    )
    return f"""## Against a real list and WordNet

Recall is the mean share of the real list's neighbours of a word that are among the first neighbours here. An antonym is
a neighbour that WordNet calls the word's antonym in whatever sense and form. The words are those of the real list that
were not looked at when the constants were chosen, half of all.

{_markdown(rows, heads)}
"""


def _attack_section(attacks: Sequence[SourceAttack]) -> str:
    if not attacks:
        return ""
    notes = {
        each.task: f"{each.task} {len(each.outcomes)} texts, victim trained on {each.train_texts}" for each in attacks
    }
    return f"""## Under attack

TextFooler on fine-tuned MiniLM, offline profile, with the dictionary of parts of speech: {"; ".join(notes.values())}.
Similarity is the mean over successful attacks of the recipe's own measure, where it computed one.

{_markdown([(each.task, NAMES[each.source], *_numbers(each.outcomes)) for each in attacks], _ATTACK_HEADS)}
"""


_ATTACK_HEADS = ("Task", "Synonyms", "Clean %", "Aua %", "#Query", "Words changed, %", "Similarity")


def _numbers(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    return (
        f"{clean_percent(outcomes):.1f}",
        f"{aua_percent(outcomes):.1f}",
        f"{mean_queries(outcomes):.1f}",
        f"{modification_percent(outcomes):.1f}",
        f"{mean_similarity(outcomes):.3f}",
    )


def _tagger_section(attacks: Sequence[SourceAttack], taggers: Sequence[SourceAttack]) -> str:
    dictionary = {(each.task, each.source): aua_percent(each.outcomes) for each in attacks}
    rows = [
        (
            each.task,
            NAMES[each.source],
            f"{dictionary[each.task, each.source]:.1f}",
            f"{aua_percent(each.outcomes):.1f}",
            f"{aua_percent(each.outcomes) - dictionary[each.task, each.source]:+.1f}",
        )
        for each in taggers
    ]
    return f"""## Parts of speech: the dictionary or NLTK's tagger

TextFooler asks that a substitute has the word's part of speech. The dictionary knows all that a word may be, whatever
its context. The tagger, which `--nltk-data` gives, tags the word in its context.

{_markdown(rows, ("Task", "Synonyms", "Aua % with the dictionary", "with the tagger", "Change"))}
"""


def _pairs_section(pairs: Sequence[tuple[str, str, float | None]]) -> str:
    cells = [f"{word} – {other}" + ("" if cosine is None else f" ({cosine:.2f})") for word, other, cosine in pairs]
    width = 4
    rows = [cells[start : start + width] for start in range(0, len(cells), width)]
    rows = [row + [""] * (width - len(row)) for row in rows]
    return f"""## {len(pairs)} pairs drawn at random

A word drawn at random, one of its neighbours drawn at random, and their cosine.

{_markdown(rows, ("",) * width)}
"""


def _markdown(rows: Sequence[Sequence[object]], heads: Sequence[str]) -> str:
    return tabulate(rows, heads, tablefmt="pipe", disable_numparse=True)
