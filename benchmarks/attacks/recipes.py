"""The attack recipes as values: what each changes, its constraints, and where paper and code differ."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from baselines.validation import unknown
from benchmarks.attacks.recipe import (
    MARK,
    CharacterEdits,
    ColumnRule,
    DeleteInner,
    DeleteLetter,
    EveryEdit,
    Gradients,
    Homoglyph,
    InsertLetter,
    InsertSpace,
    MaskedSubstitute,
    MaskedWord,
    ModificationRate,
    Recipe,
    SentenceBound,
    Stage,
    Substitute,
    SubstituteLetter,
    SwapInner,
    SwapLetters,
    WordNetSynonym,
)

TEXTFOOLER = Recipe(
    key="textfooler",
    title="TextFooler",
    source="Jin et al. 2020; TextAttack 0.3.11, TextFoolerJin2019",
    note="the paper says word cosine 0.7, the authors' code and TextAttack use 0.5; the code forgets to divide the "
    "angle by pi, so its 0.5 is 1 - 0.5 / pi here",
    ranking="delete",
    transformations=(Substitute(50),),
    min_word_similarity=0.5,
    part_of_speech=True,
    sentence=SentenceBound("angular", 0.840845057, window=15, against="current", skip_short=True),
    stop_words="textfooler",
    column_rules=(ColumnRule(("premise", "hypothesis"), ("premise",)),),
)

TEXTFOOLER_STRICT = replace(
    TEXTFOOLER,
    key="textfooler@strict",
    title="TextFooler, strict",
    source="Morris et al. 2020 (Reevaluating Adversarial Examples in NLP), TFAdjusted",
    note="TextFooler with the bounds at which people found the meaning kept; their grammar checker is left out",
    min_word_similarity=0.9,
    sentence=SentenceBound("angular", 0.98, window=15, against="current", skip_short=True),
)

TEXTBUGGER = Recipe(
    key="textbugger",
    title="TextBugger",
    source="Li et al. 2019; TextAttack 0.3.11, TextBuggerLi2018",
    note="TextAttack tries every look-alike position and one random place of each other bug",
    ranking="delete",
    transformations=(InsertSpace(), DeleteInner(), SwapInner(), Homoglyph(), Substitute(5)),
    sentence=SentenceBound("angular", 0.8),
)


def _bert_attack(key: str, title: str, source: str, candidates: int) -> Recipe:
    return Recipe(
        key=key,
        title=title,
        source=source,
        note="TextAttack discards the sort of its word-piece combinations, so the first K in product order are tried",
        ranking="unk",
        transformations=(MaskedSubstitute(candidates),),
        sentence=SentenceBound("cosine", 0.2),
        max_words_changed=0.4,
    )


BERT_ATTACK = _bert_attack("bertattack", "BERT-Attack", "Li et al. 2020; TextAttack 0.3.4, BERTAttackLi2020", 48)
BERT_ATTACK_8 = _bert_attack(
    "bertattack@0.3.11", "BERT-Attack (K=8)", "Li et al. 2020; TextAttack 0.3.11, BERTAttackLi2020", 8
)

BERT_ATTACK_OFFICIAL = Recipe(
    key="bertattack_official",
    title="BERT-Attack (as released)",
    source="the EarlyRobust and RobusT releases, on BAE (Garg and Ramakrishnan 2020)",
    note="what the releases run under BERT-Attack's name: 50 embedding neighbours in place of a masked language model",
    ranking="delete",
    transformations=(Substitute(50),),
    part_of_speech=True,
    sentence=SentenceBound("cosine", 0.2, window=15),
    column_rules=(
        ColumnRule(("sentence1", "sentence2"), ("sentence1",)),
        ColumnRule(("sentence", "question"), ("sentence",)),
    ),
)


def _charmer(key: str, title: str, edits: CharacterEdits) -> Recipe:
    return Recipe(
        key=key,
        title=title,
        source="Abad Rocamora et al. 2024, its released scripts (margin loss, no projected gradients)",
        note="the scripts take k = 10 steps, and 20 for AG News; the alphabet is that of the task's test texts, "
        "sorted; a step that changes nothing ends the search",
        ranking="delete",
        transformations=(),
        score="margin",
        character_edits=edits,
    )


CHARMER = _charmer("charmer", "Charmer", CharacterEdits(places=20, steps=10))
CHARMER_FAST = _charmer("charmer_fast", "Charmer, one place", CharacterEdits(places=1, steps=10))
CHARMER_PJC = _charmer("charmer@pjc", "Charmer, inside words", CharacterEdits(places=20, steps=10, within_words=True))

BAD_CHARACTERS = Recipe(
    key="bad_characters",
    title="Bad characters",
    source="Boucher et al. 2022 (Bad Characters), its homoglyphs, in a greedy search",
    note="the paper searches by differential evolution, and also inserts invisible characters, deletions and "
    "reorderings, which tokenizers like BERT's drop before they look words up",
    ranking="delete",
    transformations=(Homoglyph(),),
    most_words_changed=5,
)

PROPOSALS = Recipe(
    key="proposals",
    title="Rewrites from a file",
    source="rewrites made elsewhere, as those of PromptAttack (Xu et al. 2024); sentence bound of TextBugger",
    note="the file names the model and the prompts; the first rewrite that is misread and similar enough is taken",
    ranking="delete",
    transformations=(),
    sentence=SentenceBound("angular", 0.8),
    proposals=True,
)

TEXTFOOLER_TOKENS = replace(
    TEXTFOOLER,
    key="textfooler_same_tokens",
    title="TextFooler, same tokens",
    note="TextFooler by margin, with the substitutes of gbda_words alone: those with as many tokens as the word",
    score="margin",
    same_tokens=True,
)

GBDA_WORDS = replace(
    TEXTFOOLER_TOKENS,
    key="gbda_words",
    title="GBDA on TextFooler's words",
    source="Guo et al. 2021 (GBDA), on the candidates and bounds of TextFooler; needs the victim's gradients",
    note="GBDA itself chooses among the whole vocabulary and needs a language model with the victim's tokenizer; here "
    "a word's choices are the recipe's substitutes with as many tokens",
    gradients=Gradients(),
)

PWWS = Recipe(
    key="pwws",
    title="PWWS",
    source="Ren et al. 2019; TextAttack 0.3.11, PWWSRen2019",
    note="candidates are in alphabetical order; TextAttack's come from a Python set, in another order in each process; "
    "by margin, a word's weight is its gain, since a margin has no zero",
    ranking="weighted_saliency",
    transformations=(WordNetSynonym(),),
)

PWWS_PAPER = Recipe(
    key="pwws@paper",
    title="PWWS (paper)",
    source="Ren et al. 2019, equations 4 to 8",
    note="the substitute of a word is chosen once, on the original text; named entities are not swapped, since that "
    "needs the entities of all classes' texts",
    ranking="weighted_gain",
    transformations=(WordNetSynonym(),),
    part_of_speech=True,
    fixed_substitutes=True,
)

DEEP_WORD_BUG = Recipe(
    key="deepwordbug",
    title="DeepWordBug",
    source="Gao et al. 2018; TextAttack 0.3.11, DeepWordBugGao2018",
    note="the paper ranks words by the scores of the texts before and after them; TextAttack, and this recipe, by the "
    'text with "[UNK]" in the word\'s place',
    ranking="unk",
    transformations=(SwapLetters(), SubstituteLetter(), DeleteLetter(), InsertLetter()),
    max_edits=30,
)

CHAR_BUG = Recipe(
    key="charbug",
    title="CharBug",
    source="this suite; DeepWordBug (Gao et al. 2018) with every edit in place of four random ones",
    note="no paper; it draws nothing at random",
    ranking="unk",
    transformations=(EveryEdit(),),
    max_edits=30,
)

BAE = Recipe(
    key="bae",
    title="BAE",
    source="Garg and Ramakrishnan 2020 (BAE-R); TextAttack 0.3.11, BAEGarg2019",
    note="the paper's bound on similarity, 0.8, is 1 - 0.2 / pi here, since the code forgets to divide the angle by pi",
    ranking="delete",
    transformations=(MaskedWord(50),),
    part_of_speech=True,
    sentence=SentenceBound("cosine", 0.936338023, window=15, skip_short=True),
)

A2T = Recipe(
    key="a2t",
    title="A2T",
    source="Yoo and Qi 2021; TextAttack 0.3.11, A2TYoo2021",
    note="the gradient is that of the model as it answers; TextAttack takes it with dropout. Sentences are encoded by "
    "the profile's encoder, in TextAttack by a distilBERT",
    ranking="gradient",
    transformations=(Substitute(20),),
    min_word_similarity=0.8,
    part_of_speech=True,
    noun_for_verb=False,
    sentence=SentenceBound("cosine", 0.9),
    column_rules=(ColumnRule(("premise", "hypothesis"), ("premise",)),),
    modification_rate=ModificationRate(0.1, at_least=4),
)

RECIPES = {
    recipe.key: recipe
    for recipe in (
        TEXTFOOLER,
        TEXTBUGGER,
        BERT_ATTACK_OFFICIAL,
        BERT_ATTACK,
        BERT_ATTACK_8,
        TEXTFOOLER_STRICT,
        CHARMER,
        CHARMER_FAST,
        CHARMER_PJC,
        TEXTFOOLER_TOKENS,
        GBDA_WORDS,
        BAD_CHARACTERS,
        PROPOSALS,
        PWWS,
        PWWS_PAPER,
        DEEP_WORD_BUG,
        CHAR_BUG,
        BAE,
        A2T,
    )
}

# The attacks of `worst_v1`, in order, by threat model. The table is the version: another one is another version.
WORST_V1 = {
    "words": ("textfooler", "textfooler+margin+width4", "pwws", "bertattack@0.3.11", "gbda_words"),
    "letters": ("deepwordbug", "textbugger", "charbug", "charmer@pjc"),
    "free letters": ("charmer_fast", "charmer"),
}


def _worst_v1() -> Recipe:
    whole = Recipe(
        key="worst_v1",
        title="Worst case v1",
        source="this suite; stages from the papers of its attacks, the cascade after Croce and Hein, ICML 2020",
        note="an attack is made on a text only where the earlier ones of its threat model have failed",
        ranking="delete",
        transformations=(),
    )
    return replace(
        whole, stages=tuple(Stage(threat, find_recipe(key)) for threat in WORST_V1 for key in WORST_V1[threat])
    )


LIBRARY = "textattack:"


def find_recipe(key: str) -> Recipe:
    """The recipe called `key`; `textattack:<Recipe>` is one of TextAttack's own recipes, run by its own attacker.

    Marks after the name choose another search: `textfooler+margin`, `+width4`, `+restarts3`, or several of them.

    Raises:
        UserError: for an unknown name or mark.
    """
    if key.startswith(LIBRARY):
        return _library_recipe(key)
    name, *marks = key.split(MARK)
    if name not in RECIPES:
        raise unknown("recipe", name, [*RECIPES, f"{LIBRARY}<Recipe>"])
    found = RECIPES[name]
    for mark in marks:
        number = re.fullmatch(r"(width|restarts)(\d{1,4})", mark)
        if mark != "margin" and number is None:
            raise unknown("mark of a recipe", mark, ("margin", "width4", "restarts3"))
        found = found.searching("margin") if number is None else found.searching(**{number[1]: int(number[2])})
    return found


def _library_recipe(key: str) -> Recipe:
    name = key.removeprefix(LIBRARY)
    known = library_recipes()
    if name not in known:
        raise unknown("recipe of TextAttack", name, known)
    return Recipe(
        key=key,
        title=name,
        source=f"TextAttack's {name}",
        note="TextAttack's own parts with the resources it downloads itself; the profile in the caption is not theirs",
        ranking="delete",
        transformations=(),
        library=name,
    )


RECIPES["worst_v1"] = _worst_v1()


def library_recipes() -> list[str]:
    """Names of TextAttack's recipes, read from its source without importing it; empty if it is not installed."""
    spec = find_spec("textattack")
    if spec is None or spec.origin is None:
        return []
    listed = ast.parse((Path(spec.origin).parent / "attack_recipes" / "__init__.py").read_text("utf-8"))
    names = [alias.name for node in ast.walk(listed) if isinstance(node, ast.ImportFrom) for alias in node.names]
    return sorted(name for name in names if name != "AttackRecipe")
