"""TextAttack's own attack with our recipe, resources and victim; importing this module imports TextAttack.

Its searches, constraints and transformations run unchanged; only the sources of words, vectors and tags are
ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from textattack import Attack, attack_recipes
from textattack.constraints import Constraint
from textattack.constraints.grammaticality import PartOfSpeech
from textattack.constraints.overlap import LevenshteinEditDistance, MaxWordsPerturbed
from textattack.constraints.pre_transformation import (
    InputColumnModification,
    MaxModificationRate,
    RepeatModification,
    StopwordModification,
)
from textattack.constraints.semantics import WordEmbeddingDistance
from textattack.constraints.semantics.sentence_encoders import SentenceEncoder
from textattack.goal_functions import UntargetedClassification
from textattack.models.wrappers import ModelWrapper
from textattack.search_methods import GreedyWordSwapWIR
from textattack.shared import AbstractWordEmbedding, AttackedText
from textattack.transformations import (
    CompositeTransformation,
    Transformation,
    WordSwapEmbedding,
    WordSwapHomoglyphSwap,
    WordSwapMaskedLM,
    WordSwapNeighboringCharacterSwap,
    WordSwapRandomCharacterDeletion,
    WordSwapRandomCharacterInsertion,
    WordSwapRandomCharacterSubstitution,
)
from textattack.transformations.word_swaps.word_swap import WordSwap
from textattack.transformations.word_swaps.word_swap_differential_evolution import WordSwapDifferentialEvolution

from baselines.validation import MachineError
from benchmarks.attacks import recipe as kinds
from benchmarks.attacks.candidates import edits
from benchmarks.attacks.constraints import is_antonym
from benchmarks.attacks.homoglyphs import HOMOGLYPHS
from benchmarks.attacks.part_of_speech import Tagger, may_replace
from benchmarks.attacks.resources import Resources
from benchmarks.attacks.searches import MOST_BY_GRADIENT
from benchmarks.attacks.sentence_encoder import SentenceEncoder as Encoder
from benchmarks.attacks.synonyms import Synonyms
from benchmarks.attacks.wordnet_synonyms import packaged_wordnet
from benchmarks.victims.victim import Victim

# One call of the victim answers all queries of a step; the victim makes its own batches.
_QUERIES_A_CALL = 1 << 16


class VictimWrapper(ModelWrapper):
    """Our victim in the form of a TextAttack model; no padding to 512."""

    def __init__(self, victim: Victim) -> None:
        self.model = victim.model
        self._victim = victim

    def __call__(self, text_input_list: Sequence[str | tuple[str, ...]], **kwargs: object) -> np.ndarray:
        """Class probabilities (N, C)."""
        return self._victim([_columns(text) for text in text_input_list])

    def get_grad(self, text_input: str | tuple[str, ...]) -> dict[str, np.ndarray]:
        """The gradient (L, H) by the word vectors of a text; without dropout, which TextAttack leaves on."""
        return {"gradient": self._victim.gradient(_columns(text_input))[1]}

    def _tokenize(self, inputs: Sequence[str | tuple[str, ...]]) -> list[list[str]]:
        return [self._victim.gradient(_columns(text))[0] for text in inputs]


def _columns(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


class PaddingWrapper(ModelWrapper):
    """The model called as by TextAttack's own wrapper: batches of texts, padded to a length or to their longest.

    Args:
        padding: tokens to which every text is padded, or True for the longest of a batch.
        answers: earlier answers, by text; if given, the model is not called.
    Attributes:
        recorded: every answer, by text.
    """

    def __init__(
        self, victim: Victim, padding: int | Literal[True], answers: dict[object, torch.Tensor] | None = None
    ) -> None:
        self.model = victim.model
        self._victim = victim
        self._padding = padding
        self._answers = answers
        self.recorded: dict[object, torch.Tensor] = {}

    @torch.inference_mode()
    def __call__(self, text_input_list: Sequence[str | tuple[str, ...]], **kwargs: object) -> torch.Tensor:
        """Logits (N, C)."""
        if self._answers is not None:
            return torch.stack([self._answers[text] for text in text_input_list])
        columns = [text_input_list] if isinstance(text_input_list[0], str) else zip(*text_input_list, strict=True)
        batch = self._victim.tokenizer(
            *(list(column) for column in columns),
            truncation=True,
            max_length=self._victim.max_length,
            return_tensors="pt",
            padding=True,
        )
        if self._padding is not True:
            batch = self._victim.tokenizer.pad(batch, padding="max_length", max_length=self._padding)
        logits = self.model(**batch.to(self._victim.device)).logits.cpu()
        self.recorded.update(zip(text_input_list, logits, strict=True))
        return logits


class ComparedWrapper(PaddingWrapper):
    """A `PaddingWrapper` that also puts every question to our victim.

    Attributes:
        largest_difference: largest difference between two probabilities of one text.
    """

    largest_difference: float = 0.0

    def __call__(self, text_input_list: Sequence[str | tuple[str, ...]], **kwargs: object) -> torch.Tensor:
        """Logits (N, C), those with padding."""
        logits = super().__call__(text_input_list)
        ours = VictimWrapper(self._victim)(text_input_list)
        difference = np.abs(logits.double().softmax(dim=-1).numpy() - ours).max()
        self.largest_difference = max(self.largest_difference, float(difference))
        return logits


class SynonymEmbedding(AbstractWordEmbedding):
    """Our synonyms in the form of TextAttack's word vectors; a word is its own index."""

    def __init__(self, synonyms: Synonyms) -> None:
        self._synonyms = synonyms

    def __getitem__(self, index: str) -> None:
        """None, which TextAttack reads as a word without a vector: some of our sources have none."""

    def __repr__(self) -> str:
        """The source, for TextAttack's printed attack."""
        return self._synonyms.describe()

    def word2index(self, word: str) -> str:
        """The word itself."""
        return word

    def index2word(self, index: str) -> str:
        """The word itself."""
        return index

    def nearest_neighbours(self, index: str, topn: int) -> list[str]:
        """At most `topn` neighbours, nearest first."""
        return self._synonyms.neighbours(index, topn)

    def get_cos_sim(self, a: str, b: str) -> float:
        """Cosine of two words; 1 if it is not known, since TextAttack accepts unknown words."""
        (similarity,) = self._synonyms.similarities(a, [b])
        return 1.0 if similarity is None else similarity

    def get_mse_dist(self, a: str, b: str) -> float:
        """The squared distance of two vectors of length 1."""
        return 2 - 2 * self.get_cos_sim(a, b)


class EncoderBound(SentenceEncoder):
    """TextAttack's bound on sentence similarity, with our encoder."""

    def __init__(self, encoder: Encoder, bound: kinds.SentenceBound) -> None:
        super().__init__(
            threshold=bound.threshold,
            metric=bound.metric,
            compare_against_original=bound.against == "original",
            window_size=bound.window,
            skip_text_shorter_than_window=bound.skip_short,
        )
        self.model = encoder

    def encode(self, sentences: Sequence[str]) -> torch.Tensor:
        """(N, D) for N texts."""
        return torch.from_numpy(self.model.encode(sentences))


class TaggerBound(PartOfSpeech):
    """TextAttack's constraint on parts of speech, with our tagger."""

    def __init__(self, tagger: Tagger, noun_for_verb: bool) -> None:
        super().__init__(allow_verb_noun_swap=noun_for_verb)
        self._tagger = tagger

    def _can_replace_pos(self, pos_a: frozenset[str], pos_b: frozenset[str]) -> bool:
        return may_replace(pos_a, pos_b, self.allow_verb_noun_swap)

    def _get_pos(self, before_ctx: list[str], word: str, after_ctx: list[str]) -> frozenset[str]:
        context = (*before_ctx, word, *after_ctx)
        if (context, word) not in self._pos_tag_cache:
            self._pos_tag_cache[context, word] = self._tagger.tags_of(before_ctx, [word], after_ctx)[0]
        return self._pos_tag_cache[context, word]


class AntonymExclusion(Constraint):
    """The recipe's refusal of WordNet's antonyms, which TextAttack's own recipes have not."""

    def __init__(self) -> None:
        super().__init__(compare_against_original=True)

    def _check_constraint(self, transformed_text: AttackedText, reference_text: AttackedText) -> bool:
        return not any(
            place < len(reference_text.words) and is_antonym(reference_text.words[place], transformed_text.words[place])
            for place in transformed_text.attack_attrs["newly_modified_indices"]
        )


class HomoglyphSwap(WordSwapHomoglyphSwap):
    """TextAttack's look-alike swap without the file that is missing from its wheel."""

    def __init__(self) -> None:
        WordSwapDifferentialEvolution.__init__(self)
        self.homos = HOMOGLYPHS
        self.random_one = False


class SortedWordNet(WordSwap):
    """TextAttack's WordNet swap with our file and a fixed order; its own order changes from process to process."""

    def _get_replacement_words(self, word: str) -> list[str]:
        return list(packaged_wordnet().of(word))


class EveryWordAtOneEdit(WordSwap):
    """Our transformation, which TextAttack does not have."""

    def _get_replacement_words(self, word: str) -> list[str]:
        return edits(word)


def build_attack(
    recipe: kinds.Recipe,
    resources: Resources,
    victim: Victim,
    *,
    wrapper: ModelWrapper | None = None,
    batch: int = _QUERIES_A_CALL,
) -> Attack:
    """TextAttack's attack for `recipe`; constraints in the order of its own recipes.

    Args:
        wrapper: asks the victim, instead of our own batches.
        batch: queries in one call of it.
    Raises:
        UserError: if the resources lack something the recipe needs.
    """
    resources.check(recipe)
    if recipe.library is not None:
        return _library_attack(recipe.library, wrapper or VictimWrapper(victim), recipe.query_budget)
    transformations = [_transformation(part, resources) for part in recipe.transformations]
    return Attack(
        UntargetedClassification(
            wrapper or VictimWrapper(victim),
            model_batch_size=batch,
            query_budget=float("inf") if recipe.query_budget is None else recipe.query_budget,
        ),
        _constraints(recipe, resources),
        transformations[0] if len(transformations) == 1 else CompositeTransformation(transformations),
        GreedyWordSwapWIR(
            wir_method=recipe.ranking.replace("_", "-"),
            truncate_words_to=MOST_BY_GRADIENT if recipe.ranking == "gradient" else None,
        ),
    )


def _library_attack(name: str, wrapper: ModelWrapper, budget: int | None) -> Attack:
    """TextAttack's own recipe.

    Raises:
        MachineError: if its downloads are not available, or it cannot be built for a classifier.
    """
    try:
        attack = getattr(attack_recipes, name).build(wrapper)
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise MachineError(f"TextAttack cannot build its recipe {name}: {reason}; it may need a download") from error
    attack.goal_function.query_budget = float("inf") if budget is None else budget
    return attack


def _transformation(part: kinds.Transformation, resources: Resources) -> Transformation:
    inner = {"random_one": True, "skip_first_char": True, "skip_last_char": True}
    match part:
        case kinds.Substitute(neighbours=neighbours):
            return WordSwapEmbedding(max_candidates=neighbours, embedding=SynonymEmbedding(resources.synonyms))
        case kinds.MaskedSubstitute(candidates=candidates):
            return WordSwapMaskedLM(
                method="bert-attack",
                masked_language_model=resources.masked_model.model,
                tokenizer=resources.masked_model.tokenizer,
                max_candidates=candidates,
            )
        case kinds.MaskedWord(candidates=candidates):
            return WordSwapMaskedLM(
                method="bae",
                masked_language_model=resources.masked_model.model,
                tokenizer=resources.masked_model.tokenizer,
                max_candidates=candidates,
                min_confidence=0.0,
            )
        case kinds.InsertSpace():
            return WordSwapRandomCharacterInsertion(letters_to_insert=" ", **inner)
        case kinds.DeleteInner():
            return WordSwapRandomCharacterDeletion(**inner)
        case kinds.SwapInner():
            return WordSwapNeighboringCharacterSwap(**inner)
        case kinds.Homoglyph():
            return HomoglyphSwap()
        case kinds.WordNetSynonym():
            return SortedWordNet()
        case kinds.SwapLetters():
            return WordSwapNeighboringCharacterSwap()
        case kinds.SubstituteLetter():
            return WordSwapRandomCharacterSubstitution()
        case kinds.DeleteLetter():
            return WordSwapRandomCharacterDeletion()
        case kinds.InsertLetter():
            return WordSwapRandomCharacterInsertion()
        case kinds.EveryEdit():
            return EveryWordAtOneEdit()


def _constraints(recipe: kinds.Recipe, resources: Resources) -> list[Constraint]:
    constraints = [RepeatModification(), StopwordModification(stopwords=resources.stop_words_for(recipe))]
    constraints += [InputColumnModification(list(rule.columns), set(rule.kept)) for rule in recipe.column_rules]
    if recipe.modification_rate is not None:
        rate = recipe.modification_rate
        constraints.append(MaxModificationRate(rate.share, rate.at_least))
    if recipe.max_words_changed is not None:
        constraints.append(MaxWordsPerturbed(max_percent=recipe.max_words_changed))
    if recipe.max_edits is not None:
        constraints.append(LevenshteinEditDistance(recipe.max_edits))
    if recipe.min_word_similarity is not None:
        embedding = SynonymEmbedding(resources.synonyms)
        constraints.append(WordEmbeddingDistance(embedding=embedding, min_cos_sim=recipe.min_word_similarity))
    if recipe.exclude_antonyms:
        constraints.append(AntonymExclusion())
    if recipe.part_of_speech:
        constraints.append(TaggerBound(resources.part_of_speech, recipe.noun_for_verb))
    if recipe.sentence is not None:
        constraints.append(EncoderBound(resources.encoder, recipe.sentence))
    return constraints
