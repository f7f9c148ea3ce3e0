"""The paper's claims C1 to C14, each with its rule, and the verdict on each.

Source: Xi et al., EMNLP 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.data.tasks import TASKS
from reports import claim_rules
from reports.claim_rules import (
    LEAST_EPOCH_UPDATES,
    LEVEL,
    LOOSE_GAMMA,
    SETTLED_EPOCHS,
    SLIGHT_LOSS,
    SMALL_LOSS,
    SPEEDUPS,
    Part,
    Verdict,
    corrected,
)
from reports.comparability import TRAINING_TEXTS, cell_departures
from reports.task_results import TaskResults


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes:
        key: C1 to C14.
        meaning: the claim in this suite's words.
        section: where the paper makes or shows it.
        rule: the rule that decides it; the interval of each part is a 95 % one.
        measured_by: the experiments that measure it.
        weigh: returns its parts, from the victims of each task; empty if nothing was measured.
    """

    key: str
    meaning: str
    section: str
    rule: str
    measured_by: str
    weigh: Callable[[Sequence[TaskResults]], list[Part]]


CLAIMS = (
    Claim(
        "C1",
        "Masks settle after 0.15 to 0.3 epoch of search",
        "Abstract, Figure 2",
        f"first mask of the settled run between {SETTLED_EPOCHS[0]} and {SETTLED_EPOCHS[1]} epoch: supported where so "
        f"in every run, not supported where in none; not measured where an epoch has fewer than {LEAST_EPOCH_UPDATES} "
        f"updates",
        "table1",
        claim_rules.settled,
    ),
    Claim(
        "C2",
        "Training is up to 7 to 13 times faster than adversarial training",
        "Abstract, Figure 1, Table 1",
        f"largest time of PGD, FreeLB, InfoBERT and RobusT over EarlyRobust's above {SPEEDUPS[0]:g}, and above "
        f"{SPEEDUPS[1]:g}; not supported only where all four were measured on all three tasks",
        "table1",
        claim_rules.faster,
    ),
    Claim(
        "C3",
        "More robust than fine-tuning and EarlyBERT on every task",
        "Table 1",
        "difference of Aua above 0",
        "table1",
        claim_rules.more_robust,
    ),
    Claim(
        "C4",
        "The most robust method on IMDB and AG News, slightly below FreeLB on SST-2",
        "Table 1",
        f"difference of Aua from every other method above 0, on SST-2 from FreeLB above -{SLIGHT_LOSS:g}",
        "table1",
        claim_rules.most_robust,
    ),
    Claim(
        "C5",
        "Little clean accuracy is lost against fine-tuning",
        "Table 1",
        f"difference of Clean above -{SMALL_LOSS:g}",
        "table1",
        claim_rules.little_clean_loss,
    ),
    Claim(
        "C6",
        "The search's adversarial loss matters for robustness, not for clean accuracy",
        "Table 3",
        f"what the ablation loses: Aua above 0, Clean within ±{SMALL_LOSS:g}",
        "table3",
        claim_rules.adversarial_search,
    ),
    Claim(
        "C7",
        "Without the regulariser robustness and clean accuracy both fall",
        "Table 3",
        "what the ablation loses: Aua above 0, Clean above 0",
        "table3",
        claim_rules.regulariser,
    ),
    Claim(
        "C8",
        "Random tickets keep clean accuracy and lose robustness",
        "Table 3",
        f"what the ablation loses: Aua above 0, Clean within ±{SMALL_LOSS:g}",
        "table3",
        claim_rules.random_tickets,
    ),
    Claim(
        "C9",
        "Robustness grows as gamma falls and levels off at about 0.1",
        "Figure 3",
        f"Aua at 0.1 above that at the loosest, {LOOSE_GAMMA:g} or more; each tighter gamma within ±{LEVEL:g} of it",
        "figure3",
        claim_rules.gamma_levels_off,
    ),
    Claim(
        "C10",
        "A ticket's initialisation matters more than its structure, and both matter",
        "Table 4",
        "what each ablation loses in Aua and in Clean, and what redrawn weights lose more, above 0",
        "table4",
        claim_rules.initialisation_and_structure,
    ),
    Claim(
        "C11",
        "Robustness rises, then falls with sparsity, clean accuracy drops slowly; 1/6 to 1/4 of heads and 20 to 40 % "
        "of neurons are good",
        "Figure 4",
        f"mean over the good range less either end: Aua above 0; less the least pruned: Clean above -{SMALL_LOSS:g}",
        "figure4",
        claim_rules.good_sparsity,
    ),
    Claim(
        "C12",
        "Layer-wise pruning keeps clean accuracy and loses robustness, more so for neurons",
        "Tables 5, 7 and 8",
        f"global less layer-wise: Aua above 0, Clean within ±{SMALL_LOSS:g}; the gap of Aua for neurons less that for "
        f"heads above 0",
        "table5, table7 and table8",
        claim_rules.global_pruning,
    ),
    Claim(
        "C13",
        "Sparsity patterns differ by task; on SST-2 heads go at the bottom and neurons at the top",
        "Figure 5",
        "patterns of two tasks further apart than of two runs; on SST-2 kept heads lean to upper layers and kept "
        "neurons to lower ones",
        "figure5",
        claim_rules.sparsity_patterns,
    ),
    Claim(
        "C14",
        "The gains hold on QNLI and QQP",
        "Table 2",
        f"difference of Aua from fine-tuning and EarlyBERT above 0, of Clean from fine-tuning above -{SMALL_LOSS:g}",
        "table2",
        claim_rules.pair_tasks,
    ),
)


@dataclass(frozen=True)
class Judgement:
    """A claim with its measured parts."""

    claim: Claim
    parts: tuple[Part, ...]

    @property
    def verdict(self) -> Verdict:
        """Not supported if a part is not; supported if every part is; not measured if none was."""
        found = {part.verdict for part in self.parts if part.verdict}
        if not found - {"not measured"}:
            return "not measured"
        if "not supported" in found:
            return "not supported"
        return "supported" if found == {"supported"} else "inconclusive"

    @property
    def deciding(self) -> Part | None:
        """The first part with the claim's verdict, otherwise the first that was measured; None if nothing was."""
        measured = [part for part in self.parts if part.estimate is not None and part.verdict]
        return next((part for part in measured if part.verdict == self.verdict), measured[0] if measured else None)


@dataclass(frozen=True)
class Card:
    """The verdicts on all claims.

    Attributes:
        judgements: in the claims' order.
        departures: by task, how its runs differ from the paper's; absent if they are comparable.
        left_out: by task, the number of victims trained under other conditions than most.
        not_judged: by task, why its numbers judge no claim, in words.
    """

    judgements: tuple[Judgement, ...]
    departures: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, int]
    not_judged: Mapping[str, str]

    @property
    def judges(self) -> bool:
        """Whether anything relevant to a claim was measured."""
        return any(each.verdict != "not measured" for each in self.judgements)


def judge(tasks: Sequence[TaskResults]) -> Card:
    """The verdict on every claim, from the measurements on the paper's tasks."""
    judged = [each for each in tasks if each.task in TRAINING_TEXTS]
    departures = {each.title: _departures(each) for each in tasks}
    return Card(
        tuple(Judgement(claim, tuple(corrected(claim.weigh(judged)))) for claim in CLAIMS),
        {title: found for title, found in departures.items() if found},
        {each.title: each.left_out for each in tasks if each.left_out},
        {each.title: _why_not_judged(each.task) for each in tasks if each not in judged},
    )


def _why_not_judged(task: str) -> str:
    """The reason for a task that is not the paper's."""
    generated = task in TASKS and TASKS[task].layout is None
    return "not judged on generated data" if generated else "not judged on data that the paper did not use"


def _departures(task: TaskResults) -> tuple[str, ...]:
    """Departures of the attacked victims only: others may have been trained for their search alone."""
    cells = [cell for cell in task.cells if cell.attacks] or task.cells
    return tuple(dict.fromkeys(words for cell in cells for words in cell_departures(cell)))
