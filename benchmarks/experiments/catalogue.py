"""The experiments as values: the variants of each table or figure of the paper, and experiments of our own."""

from __future__ import annotations

from dataclasses import replace

from baselines.diffuse_def import RELEASED as DIFFUSION_RELEASED
from baselines.validation import UserError, unknown
from benchmarks.experiments.experiment import AttackProtocol, Experiment, Variant
from benchmarks.experiments.options import READ_BY_ATTACKS, Options, refuse_unread, unread_but
from benchmarks.experiments.presets import NEIGHBOURHOOD
from method.early_robust import RELEASED, EarlyRobust

PLAIN = Variant("early_robust", "EarlyRobust")

_SEARCHED_WHOLE_EPOCH = {"search_to_cap": True, "max_search_epochs": 1.0}

_WITHOUT_ADVERSARIAL_LOSS = Variant(
    "no_adversarial_loss",
    "Without adversarial loss",
    settings={"search.steps": 1, "search.init_magnitude": 0.0},
)
_WITHOUT_REGULARISER = Variant(
    "no_regulariser", "Without regulariser", settings={"lambda_heads": 0.0, "lambda_neurons": 0.0}
)
_RANDOM_TICKET = Variant("random_ticket", "Random ticket", settings={"ticket": "random"}, seeded=("ticket_seed",))

_TICKET_PARTS = (
    Variant("no_initialisation", "Without initialisation", settings={"without": "initialisation"}),
    Variant("no_structure", "Without structure", settings={"without": "structure"}),
    Variant(
        "no_structure_released",
        "Without structure (as released)",
        settings={"without": "structure_as_released"},
    ),
)

_SCOPES = (
    replace(PLAIN, label="Heads global, neurons global"),
    Variant("heads_layerwise", "Heads layer-wise, neurons global", settings={"head_scope": "layerwise"}),
    Variant("neurons_layerwise", "Heads global, neurons layer-wise", settings={"neuron_scope": "layerwise"}),
    Variant(
        "both_layerwise",
        "Heads layer-wise, neurons layer-wise",
        settings={"head_scope": "layerwise", "neuron_scope": "layerwise"},
    ),
)

_COARSE_GAMMAS = (0.3, 0.1, 0.02)
_GAMMAS = tuple(
    Variant(
        f"gamma={gamma}",
        f"γ = {gamma}",
        settings={"gamma": gamma},
        curve="γ",
        x=gamma,
        fine=gamma not in _COARSE_GAMMAS,
    )
    for gamma in (0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02)
)

# Heads in twelfths, so that a sixth is exactly the default and shares its cell
_SPARSITIES = tuple(
    Variant(
        f"heads={twelfths}/12",
        f"{twelfths}/12 of heads pruned",
        settings={"head_sparsity": twelfths / 12},
        curve="heads",
        x=100 * twelfths / 12,
        fine=twelfths not in (0, 2, 6),
    )
    for twelfths in range(7)
) + tuple(
    Variant(
        f"neurons={tenths / 10}",
        f"{10 * tenths} % of neurons pruned",
        settings={"neuron_sparsity": tenths / 10},
        curve="neurons",
        x=10.0 * tenths,
        fine=tenths not in (0, 3, 7),
    )
    for tenths in range(8)
)

_ATTACK_512, _FIRST_TEXTS = AttackProtocol(max_length=512), AttackProtocol(subset="first")
_RELEASED_BERT_ATTACK = {"bertattack": "bertattack_official"}
_DEPARTURES = (
    replace(PLAIN, label="As the paper says"),
    Variant(
        "stop_rule", "Stop rule: anchor, after a whole epoch", settings={"stop_rule": "anchor"} | _SEARCHED_WHOLE_EPOCH
    ),
    Variant("drawn_record", "Drawn by hand at 0.20 epoch", settings={"draw_epoch": RELEASED["draw_epoch"]}),
    Variant("shuffling", "Search in stored order", settings={"search_shuffle": False}),
    Variant("token_types", "Search without token types", settings={"search_token_types": False}),
    Variant("mask_rule", "Masks by quantile", settings={"mask_rule": "quantile"}),
    Variant("schedule", "Fine-tuned without decay and warm-up", settings=dict(EarlyRobust.published)),
    Variant("attack_length", "Attacked at 512 tokens", protocol=_ATTACK_512),
    Variant("first_texts", "First texts attacked, not random ones", protocol=_FIRST_TEXTS),
    Variant("bertattack", "BERT-Attack: the embedding attack", recipes=_RELEASED_BERT_ATTACK),
    Variant(
        "released",
        "All as released",
        settings=dict(RELEASED) | _SEARCHED_WHOLE_EPOCH,
        protocol=AttackProtocol(subset="first", max_length=512),
        recipes=_RELEASED_BERT_ATTACK,
    ),
)

# How far a perturbation must reach before a small training on MiniLM gains by it; its word vectors are of length 1.1.
_DEVELOPMENT = AttackProtocol(subset="development")
_REACHES = (
    Variant("fine_tune", "Fine-tune", "fine_tune", protocol=_DEVELOPMENT),
    *(
        Variant(f"{defense}={size}", f"{title}, step {size}", defense, {"step_size": size}, protocol=_DEVELOPMENT)
        for size in (0.03, 0.1, 0.12, 0.15, 0.2)
        for defense, title in (("pgd", "PGD"), ("freelb", "FreeLB"))
    ),
)

_OBJECTIVES = (
    replace(PLAIN, label="Ticket by FreeLB, fine-tuned plainly"),
    Variant(
        "search_smart",
        "Ticket by SMART, fine-tuned plainly",
        settings={"search": "smart"} | {f"search.{name}": value for name, value in NEIGHBOURHOOD.items()},
    ),
    Variant(
        "fine_tuning_pgd",
        "Ticket by FreeLB, fine-tuned by PGD",
        settings={"fine_tuning": "pgd", "fine_tuning.steps": 3},
    ),
)

# What an attack sees of a guard: the stronger channel first
_GUARDED = tuple(
    Variant(f"{key}{ending}", f"{title}, {label}", key, protocol=protocol)
    for key, title in (("ran_mask", "RanMASK"), ("safer", "SAFER"), ("rsmi", "RSMI"))
    for ending, label, protocol in (
        ("", "pinned, mean logits read", AttackProtocol()),
        ("_votes", "pinned, votes read", AttackProtocol(read="votes")),
        ("_fresh", "fresh, mean logits read", AttackProtocol(randomness="fresh")),
    )
)

_DIFFUSION = (
    Variant("diffuse_def", "DiffuseDef", "diffuse_def"),
    Variant("order", "Steps upwards, from 0", "diffuse_def", {"order": "up"}),
    Variant("clamp", "Hidden states cut at 1", "diffuse_def", {"clamp": 1.0}),
    Variant("padding", "Padding read", "diffuse_def", {"masked": False}),
    Variant("mixed", "Copies of different texts mixed", "diffuse_def", {"mixed": True}),
    Variant("released", "All as released", "diffuse_def", dict(DIFFUSION_RELEASED)),
    Variant("classifier", "Its classifier alone", "freelb_plus_plus"),
)

_MAIN_TASKS = ("imdb", "sst2", "ag_news")


def _scopes(number: int, task: str, title: str) -> Experiment:
    return Experiment(
        f"table{number}",
        f"Table {number}: pruning over all layers or within each, {title}",
        f"heads and neurons ranked globally or layer-wise, {title}",
        "variants",
        _SCOPES,
        (task,),
    )


EXPERIMENTS: dict[str, Experiment] = {
    experiment.key: experiment
    for experiment in (
        Experiment(
            "table1",
            "Table 1: clean accuracy, accuracy under attack, queries and training time",
            "Clean%, Aua% and #Query of seven methods under three attacks, with training time",
            "methods",
        ),
        Experiment(
            "table2",
            "Table 2: clean accuracy, accuracy under attack, queries and training time on pairs of texts",
            "the methods of Table 1 on pairs of texts, both of which are attacked",
            "methods",
            tasks=("qnli", "qqp"),
        ),
        Experiment(
            "table3",
            "Table 3: the effect of the search's loss and penalty",
            "without adversarial loss, without regulariser, random ticket",
            "variants",
            (PLAIN, _WITHOUT_ADVERSARIAL_LOSS, _WITHOUT_REGULARISER, _RANDOM_TICKET),
            _MAIN_TASKS,
            note="Each seed draws its own random ticket.",
        ),
        Experiment(
            "table4",
            "Table 4: the effect of the ticket's weights and of its structure",
            "without initialisation, without structure (by definition, and as the release does it)",
            "variants",
            (PLAIN, *_TICKET_PARTS),
            _MAIN_TASKS,
            note="Without structure, by definition: pruned weights are redrawn in a model of full size. As "
            "released: neurons are pruned as ever, and heads' weights are zeroed along the wrong axis.",
        ),
        _scopes(5, "imdb", "IMDB"),
        Experiment(
            "table6",
            "Table 6: hyperparameters of EarlyRobust",
            "hyperparameters of EarlyRobust by task, with where each is from; trains nothing",
            "settings",
            tasks=("imdb", "sst2", "ag_news", "qnli", "qqp"),
        ),
        _scopes(7, "sst2", "SST-2"),
        _scopes(8, "ag_news", "AG News"),
        Experiment(
            "figure2",
            "Figure 2: distances between the masks of a search",
            "distances between the masks of every two of twenty mini-epochs, heads and neurons",
            "distances",
            # Only the search is measured: fine-tuning is cut to its first update.
            (Variant("search", "EarlyRobust's search", settings=_SEARCHED_WHOLE_EPOCH | {"epochs": 1e-6}),),
            _MAIN_TASKS,
            attacked=False,
            note="The search runs its whole epoch whatever the masks do; its model is fine-tuned for one update.",
        ),
        Experiment(
            "figure3",
            "Figure 3: the bound on the distance of masks",
            "Aua%, Clean% and the draw's epoch over γ",
            "curves",
            _GAMMAS,
            ("sst2", "imdb"),
            reference="gamma=0.1",
        ),
        Experiment(
            "figure4",
            "Figure 4: the share of heads and of neurons pruned",
            "Clean% and Aua% over the sparsity of heads and of neurons, one at a time",
            "curves",
            _SPARSITIES,
            ("sst2", "imdb"),
            reference="heads=2/12",
        ),
        Experiment(
            "figure5",
            "Figure 5: heads and neurons kept in each layer",
            "shares of heads and neurons that tickets keep in each layer",
            "layers",
            (PLAIN,),
            _MAIN_TASKS,
            attacked=False,
        ),
        Experiment(
            "release-vs-paper",
            "The release against the paper: what each departure changes",
            "EarlyRobust with each departure of the release from the paper, one at a time and all together",
            "variants",
            _DEPARTURES,
            ("sst2", "imdb"),
            full_recipes=("textfooler", "bertattack", "bertattack_official"),
            note="The anchor rule needs the epoch's masks, so the release searches a whole epoch; it draws by hand, "
            "before that rule is asked.",
        ),
        Experiment(
            "reach",
            "Reach of the perturbation: from which step adversarial training gains on a small training",
            "fine-tuning beside PGD and FreeLB over the ascent's step, attacked on development texts",
            "variants",
            _REACHES,
            ("sst2",),
            note="Attacked are test texts that no other table attacks.",
            study=True,
        ),
        Experiment(
            "guards",
            "Guards: what an attack reads, and draws that are pinned or fresh",
            "methods that answer by several passes, attacked by mean logits and by votes, with pinned and fresh draws",
            "variants",
            _GUARDED,
            ("sst2",),
            note="An attack that reads votes finds no direction between two steps of a vote: where its Aua is above "
            "that of an attack on mean logits, the votes hid the text's weakness and did not remove it.",
            study=True,
        ),
        Experiment(
            "diffuse-def",
            "DiffuseDef: what each departure of the release changes",
            "DiffuseDef with each departure of its release, one at a time and all together, and its classifier alone",
            "variants",
            _DIFFUSION,
            ("sst2",),
            note="Where copies are mixed or padding is read, candidates of an attack's step are answered together, and "
            "a success counts if the text is misread by itself; the first-flip column counts it without that.",
            study=True,
        ),
        Experiment(
            "tickets",
            "Tickets of other objectives: who shapes the ticket, and who fine-tunes it",
            "EarlyRobust beside a ticket that SMART shaped and one that PGD fine-tuned",
            "variants",
            _OBJECTIVES,
            ("sst2",),
            study=True,
        ),
    )
}


UNREAD_WITHOUT_TRAINING = unread_but(
    "preset", "tasks", "device", "assets", "schedule", "batch_size", "max_length", "out", "json"
)


def find_experiments(name: str) -> tuple[Experiment, ...]:
    """The experiment called `name`; for `all`, those of the paper.

    Raises:
        UserError: for an unknown name.
    """
    if name == "all":
        return tuple(experiment for experiment in EXPERIMENTS.values() if not experiment.study)
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, [*EXPERIMENTS, "all"])
    return (EXPERIMENTS[name],)


def asked_experiments(name: str, options: Options) -> tuple[Experiment, ...]:
    """The experiments called `name`, after checking that the options apply to them.

    Raises:
        UserError: for an unknown name, options for one experiment if several are requested, and options that none of
            them reads.
    """
    found = find_experiments(name)
    if not any(each.trains for each in found):
        refuse_unread(options, name, UNREAD_WITHOUT_TRAINING)
    if not any(each.attacked for each in found):
        refuse_unread(options, name, READ_BY_ATTACKS)
    if len(found) > 1:
        for option in ("defenses", "variants", "json"):
            if getattr(options, option) is not None:
                raise UserError(
                    f"--{option} is for one experiment, and 'all' names several; name one, or leave out --{option}"
                )
    return found
