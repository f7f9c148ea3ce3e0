"""The resources of recipes: synonyms, sentence encoder, parts of speech, stop words, masked language model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from baselines.validation import UserError, require
from benchmarks.attacks.character_edits import alphabet_of
from benchmarks.attacks.counter_fitted import CounterFitted
from benchmarks.attacks.downloads import (
    COUNTER_FITTED,
    NLTK_DATA,
    SENTENCE_ENCODER,
    holds_masked_model,
    masked_backbone,
    needed_for,
    require_assets,
)
from benchmarks.attacks.masked_model import MaskedModel
from benchmarks.attacks.packed_synonyms import MAGIC, packaged_synonyms, read_packed
from benchmarks.attacks.part_of_speech import DictionaryTagger, PerceptronTagger, Tagger
from benchmarks.attacks.proposals import Proposals, read_proposals
from benchmarks.attacks.recipe import Recipe
from benchmarks.attacks.sentence_encoder import MeanPooledEncoder, SentenceEncoder
from benchmarks.attacks.stop_words import StopWords, nltk_stop_words, textfooler_stop_words
from benchmarks.attacks.synonyms import NeighbourList, Synonyms
from benchmarks.attacks.universal_sentence_encoder import UniversalSentenceEncoder
from benchmarks.attacks.wordnet_synonyms import packaged_wordnet
from benchmarks.data.files import read_file
from benchmarks.victims.backbones import find_backbone


@dataclass(frozen=True, eq=False)
class Resources:
    """One profile of resources; outcomes under different profiles are not compared.

    Attributes:
        profile: "offline" or "full".
        synonyms: neighbours of words.
        encoder: sentences to vectors.
        part_of_speech: the tagger.
        textfooler_stop_words, nltk_stop_words: the two lists that recipes name.
        masked_model: proposes substitutes for BERT-Attack.
        proposals: rewrites of texts, for the recipe of that name.
        alphabet: all characters of the task's texts, sorted, for recipes that edit characters; "" if not known.
    """

    profile: Literal["offline", "full"]
    synonyms: Synonyms
    encoder: SentenceEncoder
    part_of_speech: Tagger
    textfooler_stop_words: StopWords
    nltk_stop_words: StopWords
    masked_model: MaskedModel | None = None
    proposals: Proposals | None = None
    alphabet: str = ""

    def stop_words_for(self, recipe: Recipe) -> frozenset[str]:
        """The words that `recipe` never changes."""
        return (self.textfooler_stop_words if recipe.stop_words == "textfooler" else self.nltk_stop_words).words

    def check(self, recipe: Recipe) -> None:
        """Raise an error for a recipe that needs something this profile lacks.

        Raises:
            UserError: for a recipe with a masked language model, proposals or an alphabet, if there are none.
        """
        if recipe.proposals and self.proposals is None:
            raise UserError(f"the recipe {recipe.key!r} needs a file of rewrites; give --proposals FILE to 'attack'")
        if recipe.needs_alphabet and not self.alphabet:
            raise UserError(f"the recipe {recipe.key!r} needs resources with the alphabet of the texts; got none")
        if recipe.needs_masked_model and self.masked_model is None:
            raise UserError(
                f"the recipe {recipe.key!r} needs a masked language model, which the {self.profile} profile lacks; "
                f"fetch it with 'earlyrobust prepare --assets DIR' and name the folder with --assets, "
                f"or use 'bertattack_official'"
            )

    def fitted(self, recipe: Recipe, is_model: bool = True) -> Recipe:
        """A cascade less the stages that cannot be made with these resources, which its title then names.

        Args:
            is_model: whether the victim is a model; a function gives no tokens and no gradients.
        """
        return recipe.within(has_masked_model=self.masked_model is not None, is_model=is_model)

    def describe(self, *recipes: Recipe) -> str:
        """The profile in one sentence, for captions.

        Args:
            recipes: WordNet's synonyms are named if one of these uses them.
        """
        parts = [self.synonyms.describe(), self.encoder.describe(), self.part_of_speech.describe()]
        origins = dict.fromkeys((self.textfooler_stop_words.origin, self.nltk_stop_words.origin))
        parts.append("stop words from " + " and ".join(origins))
        if self.masked_model is not None:
            parts.append(self.masked_model.describe())
        if self.proposals is not None:
            parts.append(self.proposals.describe())
        if any(recipe.needs_wordnet for recipe in recipes):
            parts.append(packaged_wordnet().describe())
        return f"{self.profile} profile: {'; '.join(parts)}"

    def identity(self, recipe: Recipe | None = None) -> dict[str, Any]:
        """All that decides outcomes, for the hash of an attack.

        Args:
            recipe: leaves out the masked model if the recipe does not use it, so that downloading one changes no other
                hash.
        """
        identity = self._identity
        if recipe is not None and not recipe.needs_masked_model:
            identity = identity | {"masked_model": None}
        if recipe is not None and recipe.exclude_antonyms:
            identity = identity | {"antonyms": packaged_synonyms().identity()}
        if recipe is not None and recipe.needs_alphabet:
            identity = identity | {"alphabet": hashlib.sha256(self.alphabet.encode()).hexdigest()}
        if recipe is not None and recipe.proposals and self.proposals is not None:
            identity = identity | {"proposals": self.proposals.sha256}
        if recipe is not None and recipe.needs_wordnet:
            identity = identity | {"wordnet": packaged_wordnet().identity()}
        return identity

    def with_alphabet(self, texts: Iterable[Sequence[str]]) -> Resources:
        """The same resources with the characters of some texts, unless an alphabet is there already."""
        return self if self.alphabet else replace(self, alphabet=alphabet_of(texts))

    @cached_property
    def _identity(self) -> dict[str, Any]:
        return {
            "profile": self.profile,
            "synonyms": self.synonyms.identity(),
            "encoder": self.encoder.identity(),
            "part_of_speech": self.part_of_speech.identity(),
            "textfooler_stop_words": self.textfooler_stop_words.identity(),
            "nltk_stop_words": self.nltk_stop_words.identity(),
            "masked_model": None if self.masked_model is None else self.masked_model.identity(),
        }


def offline_resources(
    *,
    synonyms: Path | None = None,
    nltk_data: Path | None = None,
    assets: Path | None = None,
    encoder: str = "minilm",
) -> Resources:
    """The profile that downloads nothing.

    Args:
        synonyms: a neighbour list: JSON, or a file that `build-synonyms` wrote; None for the packaged list of English
            words.
        nltk_data: a folder of NLTK data, for its tagger and stop words.
        assets: a folder that `earlyrobust prepare` filled, for its masked model, if it holds one.
        encoder: name or folder of the backbone that encodes sentences.
    Raises:
        UserError: if a given file or folder lacks what it should hold.
    """
    tagger: Tagger = DictionaryTagger()
    textfooler = textfooler_stop_words()
    default = None
    if nltk_data is not None:
        default = nltk_stop_words(nltk_data)
        has_tagger = PerceptronTagger.is_in(nltk_data)
        if default is None and not has_tagger:
            raise UserError(
                f"the folder {str(nltk_data)!r} holds neither NLTK's tagger (taggers/averaged_perceptron_tagger_eng "
                f"with taggers/universal_tagset) nor its stop words (corpora/stopwords/english)"
            )
        if has_tagger:
            tagger = PerceptronTagger(nltk_data)
    return Resources(
        profile="offline",
        synonyms=packaged_synonyms() if synonyms is None else read_neighbours(synonyms),
        encoder=MeanPooledEncoder(find_backbone(encoder)),
        part_of_speech=tagger,
        textfooler_stop_words=textfooler,
        nltk_stop_words=default or textfooler,
        masked_model=None if assets is None else _masked_model_in(assets),
    )


def full_resources(assets: Path, recipes: Sequence[Recipe]) -> Resources:
    """The profile of TextAttack's own recipes for every task, read from files only.

    Args:
        assets: a folder that `earlyrobust prepare` filled.
        recipes: the attacks; the masked model is read only if one of them uses it.
    Raises:
        UserError: naming the files that are missing or damaged.
        MachineError: if TensorFlow is not installed.
    """
    needed = needed_for(recipes)
    require_assets(assets, needed)
    default = nltk_stop_words(assets / NLTK_DATA)
    assert default is not None
    return Resources(
        profile="full",
        synonyms=CounterFitted(assets / COUNTER_FITTED),
        encoder=UniversalSentenceEncoder(assets / SENTENCE_ENCODER),
        part_of_speech=PerceptronTagger(assets / NLTK_DATA),
        textfooler_stop_words=textfooler_stop_words(),
        nltk_stop_words=default,
        masked_model=MaskedModel(masked_backbone(assets)) if "masked_model" in needed else None,
    )


def _masked_model_in(assets: Path) -> MaskedModel | None:
    if not assets.is_dir():
        raise UserError(f"the assets folder {str(assets)!r} does not exist; 'earlyrobust prepare' makes and fills it")
    if not holds_masked_model(assets):
        return None
    require_assets(assets, ("masked_model",))
    return MaskedModel(masked_backbone(assets))


def read_neighbours(path: Path) -> Synonyms:
    """The neighbour list in a file: JSON, or what `build-synonyms` wrote.

    Raises:
        UserError: where it is missing or has another layout.
    """
    is_packed = read_file(path)[: len(MAGIC)] == MAGIC
    return read_packed(path) if is_packed else NeighbourList.from_file(path)


def with_proposals(resources: Resources, recipe: Recipe, path: Path | None) -> Resources:
    """The resources with the rewrites in a file; without a file, as they are.

    Raises:
        UserError: for a malformed file, or a recipe that does not read it.
    """
    if path is None:
        return resources
    require(recipe.proposals, "--proposals", "left out, or beside --recipe proposals", f"{path} beside {recipe.key}")
    return replace(resources, proposals=read_proposals(path))
