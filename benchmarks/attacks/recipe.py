"""What an attack recipe is: how it ranks words, what it changes, its bounds, and how it searches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from baselines.validation import UserError, require, unknown


@dataclass(frozen=True)
class Substitute:
    """Replace a word by one of its nearest neighbours.

    Attributes:
        neighbours: number of neighbours that are tried.
    """

    neighbours: int


@dataclass(frozen=True)
class MaskedSubstitute:
    """Replace a word by proposals of a masked language model, as BERT-Attack does.

    Attributes:
        candidates: K, proposals for each word piece.
    """

    candidates: int


@dataclass(frozen=True)
class MaskedWord:
    """Replace a word by proposals of a masked language model that reads a mask in its place, as BAE does.

    Attributes:
        candidates: K, the likeliest words of the model.
    """

    candidates: int


@dataclass(frozen=True)
class InsertSpace:
    """Insert a space at a random place inside the word."""


@dataclass(frozen=True)
class DeleteInner:
    """Delete a random inner letter of the word."""


@dataclass(frozen=True)
class SwapInner:
    """Swap a random inner letter with its inner neighbour."""


@dataclass(frozen=True)
class Homoglyph:
    """Replace one letter by a look-alike; each position is a candidate."""


@dataclass(frozen=True)
class WordNetSynonym:
    """Replace a word by WordNet's synonyms of the word and of its base forms, spelt as WordNet does."""


@dataclass(frozen=True)
class SwapLetters:
    """Swap two neighbouring letters at a random place."""


@dataclass(frozen=True)
class SubstituteLetter:
    """Replace the letter at a random place by a random one of the 52 ASCII letters."""


@dataclass(frozen=True)
class DeleteLetter:
    """Delete the letter at a random place."""


@dataclass(frozen=True)
class InsertLetter:
    """Insert a random one of the 52 ASCII letters before the letter at a random place."""


@dataclass(frozen=True)
class EveryEdit:
    """Every word at one edit: two neighbouring letters swapped, or a letter deleted, substituted or inserted.

    New letters are the 26 lower-case ones.
    """


Transformation = Substitute | MaskedSubstitute | InsertSpace | DeleteInner | SwapInner | Homoglyph
Transformation |= MaskedWord | WordNetSynonym | SwapLetters | SubstituteLetter | DeleteLetter | InsertLetter | EveryEdit


Metric = Literal["angular", "cosine"]


@dataclass(frozen=True)
class SentenceBound:
    """A lower bound on the similarity of sentence encodings.

    Attributes:
        metric: "cosine", or "angular" = 1 - acos(cosine) / pi.
        threshold: minimum similarity, inclusive.
        window: number of encoded words around the changed one; None for all.
        against: whether candidates are compared with the current or with the original text.
        skip_short: whether texts with fewer words than the window are accepted without measuring.
    """

    metric: Metric
    threshold: float
    window: int | None = None
    against: Literal["current", "original"] = "original"
    skip_short: bool = False


@dataclass(frozen=True)
class ModificationRate:
    """A bound on the number of words that may be changed.

    Attributes:
        share: share of the text's words, in [0, 1]; rounded up.
        at_least: number of words that may be changed in any text.
    """

    share: float
    at_least: int


@dataclass(frozen=True)
class ColumnRule:
    """Columns that are not changed if the text has exactly these columns.

    Attributes:
        columns: the columns of the text, in order.
        kept: the columns that are not changed.
    """

    columns: tuple[str, ...]
    kept: tuple[str, ...]


@dataclass(frozen=True)
class CharacterEdits:
    """Edit single characters where the victim reacts most, in a search of its own: Charmer.

    Attributes:
        places: n, places at which characters are tried in each step: those at which a space raises the score most.
        steps: k, most edits of a text.
        within_words: whether only inner letters of words of four letters or more are edited, each word once, and only
            by small letters; otherwise by all characters of the task's texts, anywhere.
    """

    places: int
    steps: int
    within_words: bool = False


@dataclass(frozen=True)
class Gradients:
    """Choose among the recipe's substitutes by the gradient of the victim's margin, in a search of its own: GBDA.

    Attributes:
        start: probability of a word itself at the start. GBDA starts at 0.99, where candidates hardly count.
        iterations: most updates of the words' distributions.
        samples: G, Gumbel-softmax draws in each, at temperature 1.
        learning_rate: Adam's.
        margin: kappa; a sample whose margin exceeds it is left alone.
        change_cost: mu, weight of the expected share of changed words.
        draws: hard draws that are tried at the end.
        straight_through: whether samples are hard and only their gradients soft.
    """

    start: float = 0.1
    iterations: int = 100
    samples: int = 10
    learning_rate: float = 0.3
    margin: float = 5.0
    change_cost: float = 1.0
    draws: int = 100
    straight_through: bool = False


@dataclass(frozen=True)
class Stage:
    """One attack of a cascade.

    Attributes:
        threat: the threat model that it belongs to.
        recipe: the attack.
    """

    threat: str
    recipe: Recipe


MARK = "+"
PARTIAL = "_partial"
_ADDED_LATER = (
    "exclude_antonyms",
    "score",
    "width",
    "restarts",
    "character_edits",
    "most_words_changed",
    "proposals",
    "same_tokens",
    "gradients",
    "queries_per_word",
    "fixed_substitutes",
    "max_edits",
    "noun_for_verb",
    "modification_rate",
    "stages",
    "missing",
)

# How a search scores a text: 1 minus the probability of the gold label, or the margin of another label's logit over
# that of the gold label.
Score = Literal["probability", "margin"]


@dataclass(frozen=True)
class Recipe:
    """An attack. Recipes change no word twice and no stop word, and search greedily along a word ranking; those with
    character edits, gradients or proposals search in their own way.

    Attributes:
        key, title: its name in commands and in tables.
        source: the paper and the code it follows.
        note: differences between paper and code.
        ranking: how a word's importance is measured: by the score with the word deleted, or replaced by "[UNK]"; or by
            PWWS's weighted saliency, the softmax over words of the latter, times the best candidate's score
            ("weighted_saliency") or the best candidate's gain ("weighted_gain"); or by the victim's gradient, which no
            query asks for: the L1 norm of the mean gradient of the loss by the word's pieces ("gradient").
        transformations: the ways a word is changed, in order.
        min_word_similarity: minimum cosine between a word and its substitute.
        part_of_speech: whether the substitute must share the word's part of speech (nouns and verbs count as one).
        sentence: the bound on sentence similarity.
        stop_words: which list of unchanged words is used.
        max_words_changed: maximum share of words changed, in [0, 1].
        most_words_changed: most words changed; None for no bound.
        column_rules: columns that are not changed in pair tasks.
        query_budget: maximum number of queries for one text; None for no bound.
        queries_per_word: maximum number of queries for each word of a text; None for no bound. TextDefender's bound.
        exclude_antonyms: whether WordNet's antonyms of the original word are refused, whatever proposes them.
            TextAttack's recipes refuse none.
        fixed_substitutes: whether the substitute that is best in the original text is taken for each word, without
            asking again; only with a weighted ranking, which knows it.
        max_edits: maximum Levenshtein distance to the original text.
        noun_for_verb: whether nouns and verbs count as one part of speech.
        modification_rate: the bound on the number of changed words, checked before a word is tried.
        score: what the search raises. A confident victim's probabilities are 1 after rounding, and then no candidate
            raises the score; the margin does not saturate.
        width: number of texts that are kept after each word; 1 is the greedy search of the papers.
        restarts: number of random word orders that are tried after the ranked one has failed.
        character_edits: the edits of a search over characters; None for a search over words.
        proposals: whether rewrites from a file are tried in their order, and nothing is searched.
        same_tokens: whether only single words with as many tokens as the original, for the victim, are tried.
        gradients: the settings of a white-box search over the substitutes; None for a search that only asks.
        library: the name of TextAttack's own recipe, for those that only its own attacker runs; our parts are then
            not used.
        stages: for a cascade, its attacks in order; our parts are then not used.
        missing: keys of the attacks that the cascade should have and that cannot be made here.
    """

    key: str
    title: str
    source: str
    note: str
    ranking: Literal["delete", "unk", "weighted_saliency", "weighted_gain", "gradient"]
    transformations: tuple[Transformation, ...]
    min_word_similarity: float | None = None
    part_of_speech: bool = False
    sentence: SentenceBound | None = None
    stop_words: Literal["textfooler", "nltk"] = "nltk"
    max_words_changed: float | None = None
    column_rules: tuple[ColumnRule, ...] = ()
    query_budget: int | None = None
    exclude_antonyms: bool = False
    fixed_substitutes: bool = False
    max_edits: int | None = None
    noun_for_verb: bool = True
    modification_rate: ModificationRate | None = None
    score: Score = "probability"
    width: int = 1
    restarts: int = 0
    character_edits: CharacterEdits | None = None
    most_words_changed: int | None = None
    proposals: bool = False
    same_tokens: bool = False
    gradients: Gradients | None = None
    queries_per_word: int | None = None
    library: str | None = None
    stages: tuple[Stage, ...] = ()
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(self.query_budget is None or self.query_budget >= 1, "query budget", "1 or more", self.query_budget)
        each = self.queries_per_word
        require(each is None or each >= 1, "queries per word", "1 or more", each)
        if self.score not in get_args(Score):
            raise unknown("score", self.score, get_args(Score))
        require(self.width >= 1, "width", "1 or more", self.width)
        require(self.restarts >= 0, "restarts", "0 or more", self.restarts)
        require(not self.fixed_substitutes or self.width == 1, "width", "1 with fixed substitutes", self.width)

    def budget_for(self, words: int) -> int | None:
        """Most queries for a text of so many words; the text itself is always asked about."""
        bounds = [self.query_budget, None if self.queries_per_word is None else max(1, self.queries_per_word * words)]
        return min((bound for bound in bounds if bound is not None), default=None)

    def budgeted(self, budget: int | str | None) -> Recipe:
        """The same recipe with a query budget: a number, or "50/word"; None leaves it as it is.

        Raises:
            UserError: for anything else.
        """
        if budget is None:
            return self
        found = re.fullmatch(r"([1-9][0-9]{0,8})(/word)?", str(budget).strip())
        if found is None:
            raise UserError(f"the query budget must be 1 or more, or a number per word like 50/word, got {budget!r}")
        name = "query_budget" if found[2] is None else "queries_per_word"
        return replace(self, **{name: int(found[1])})

    def identity(self) -> dict[str, Any]:
        """All parts that decide outcomes, as plain values, without texts for people."""
        if self.stages:
            stages = [{"threat": stage.threat, "recipe": stage.recipe.identity()} for stage in self.stages]
            budgets = {"query_budget": self.query_budget, "queries_per_word": self.queries_per_word}
            return {"key": self.key, "stages": stages, "missing": list(self.missing), **budgets}
        values = asdict(self)
        values["transformations"] = [{"kind": type(part).__name__, **asdict(part)} for part in self.transformations]
        unspoken = {"title", "source", "note"}
        # Added later: at their defaults they are left out, so that attacks stored before keep their identity.
        defaults = {field.name: field.default for field in fields(self)}
        unspoken |= {name for name in _ADDED_LATER if values[name] == defaults[name]}
        return {name: value for name, value in values.items() if name not in unspoken}

    @property
    def base_key(self) -> str:
        """The key without the marks of `searching`; together with the seed and the example's id it decides draws."""
        return self.key.partition(MARK)[0]

    def searching(self, score: Score | None = None, width: int | None = None, restarts: int | None = None) -> Recipe:
        """The same recipe with another search, which its key and its title name; None leaves a part as it is.

        `find_recipe("textfooler+margin+width4")` is `TEXTFOOLER.searching("margin", 4)`.

        Raises:
            UserError: for values out of range, or for one of TextAttack's own recipes.
        """
        found = replace(
            self,
            score=self.score if score is None else score,
            width=self.width if width is None else width,
            restarts=self.restarts if restarts is None else restarts,
        )
        parts = {
            "margin": found.score == "margin",
            f"width {found.width}": found.width != 1,
            f"restarts {found.restarts}": found.restarts != 0,
        }
        named = [part for part, is_set in parts.items() if is_set]
        if self.character_edits is not None or self.gradients is not None or self.proposals:
            raise UserError(f"the recipe {self.key!r} has a search of its own; leave out score, width and restarts")
        if named and self.library is not None:
            raise UserError(f"the recipe {self.key!r} runs in TextAttack's own loop, which has no {named[0]}")
        if named and self.stages:
            raise UserError(f"the stages of {self.key!r} have searches of their own; leave out {named[0]}")
        key = MARK.join([self.base_key, *(part.replace(" ", "") for part in named)])
        return replace(found, key=key, title=", ".join([self._base_title, *named]))

    @property
    def _base_title(self) -> str:
        marks = self.key.count(MARK)
        return self.title.rsplit(", ", marks)[0] if marks else self.title

    @property
    def needs_alphabet(self) -> bool:
        """Whether it tries all characters of the task's texts."""
        edits = self.character_edits
        is_free = edits is not None and not edits.within_words
        return is_free or any(stage.recipe.needs_alphabet for stage in self.stages)

    @property
    def needs_wordnet(self) -> bool:
        """Whether WordNet gives the substitutes."""
        return WordNetSynonym() in self.transformations or any(stage.recipe.needs_wordnet for stage in self.stages)

    @property
    def needs_masked_model(self) -> bool:
        """Whether a masked language model proposes the substitutes."""
        is_masked = any(isinstance(part, MaskedSubstitute | MaskedWord) for part in self.transformations)
        return is_masked or any(stage.recipe.needs_masked_model for stage in self.stages)

    @property
    def needs_model(self) -> bool:
        """Whether the attack reads tokens or gradients of the victim, which a function does not have."""
        reads = self.same_tokens or self.gradients is not None or self.ranking == "gradient"
        return reads or any(stage.recipe.needs_model for stage in self.stages)

    def within(self, *, has_masked_model: bool, is_model: bool = True) -> Recipe:
        """A cascade less the stages whose needs are absent, which its title then names; other recipes as they are."""
        lacking = [
            stage.recipe.key
            for stage in self.stages
            if (stage.recipe.needs_masked_model and not has_masked_model) or (stage.recipe.needs_model and not is_model)
        ]
        left = [stage for stage in self.stages if stage.recipe.key not in lacking]
        return partial_cascade(self, left, [*self.missing, *lacking]) if lacking else self


def partial_cascade(whole: Recipe, stages: Sequence[Stage], missing: Sequence[str]) -> Recipe:
    """`whole` with these stages alone, under another key; its title and its note name the missing ones."""
    key, title = whole.key.removesuffix(PARTIAL), whole.title.partition(" without ")[0]
    return replace(
        whole,
        key=key + PARTIAL,
        title=f"{title} without {', '.join(missing)}",
        note=f"{key} less {', '.join(missing)}",
        stages=tuple(stages),
        missing=tuple(missing),
    )
