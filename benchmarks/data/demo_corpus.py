"""A generated corpus of short reviews: a seeded grammar over hand-written words in groups of true synonyms.

Replacing a word by another of its group keeps the label by construction. The first words of a group occur in the
texts; the others are held out and occur only when an attack inserts them. A third of the texts hold a word of the other
class, under negation or in a concession, so that counting words does not solve the task.
"""

from __future__ import annotations

import random

from benchmarks.data.examples import Example

TRAIN_TEXTS = 1600
TEST_TEXTS = 300
SEEN_WORDS = 3

POSITIVE = (
    "good great fine nice decent solid capital sound worthy",
    "excellent superb wonderful terrific outstanding stellar sublime peerless",
    "tasty delicious flavorful savory appetizing toothsome moreish scrumptious",
    "friendly kind polite courteous cordial genial gracious affable",
    "clean tidy spotless neat immaculate orderly kempt pristine",
    "fresh crisp new recent unspoiled ripe dewy",
    "lively cheerful bright vibrant spirited buoyant jaunty sprightly",
    "quick fast prompt swift speedy brisk rapid fleet",
    "charming lovely pleasant delightful agreeable winsome fetching congenial",
    "generous ample plentiful abundant copious lavish bountiful",
    "cheap affordable inexpensive reasonable economical thrifty modest",
    "comfortable cozy snug restful homely cushy commodious",
)

NEGATIVE = (
    "bad poor awful lousy rotten shoddy inferior substandard",
    "terrible horrible dreadful atrocious abysmal appalling dire ghastly",
    "bland tasteless insipid flavorless vapid watery unseasoned",
    "rude impolite hostile surly curt brusque churlish gruff",
    "dirty filthy grimy messy soiled sordid grubby unclean",
    "stale old musty moldy rancid fusty dated",
    "dull boring tedious dreary humdrum monotonous lackluster drab",
    "slow sluggish late tardy unhurried plodding dilatory",
    "unpleasant nasty annoying irritating grating vexing irksome",
    "small scanty meager tiny skimpy paltry measly sparse",
    "expensive overpriced costly pricey steep exorbitant dear",
    "uncomfortable cramped hard stiff confining poky rigid",
)

LIKED = "liked enjoyed loved appreciated relished savored admired treasured"
DISLIKED = "disliked hated regretted loathed resented detested deplored abhorred"

THINGS = (
    "food meal dinner cooking fare cuisine grub",
    "service staff waiter crew attendants personnel help",
    "room suite chamber lodging quarters accommodation",
    "bed mattress couch sofa settee divan",
    "soup broth stew chowder bisque pottage",
    "music band playlist tunes melodies soundtrack",
    "dessert cake pudding pie pastry torte",
    "view scenery outlook panorama vista prospect",
    "coffee espresso brew latte java",
    "show performance play film movie production",
)
PLACES = (
    "restaurant bistro diner eatery tavern brasserie",
    "hotel inn lodge hostel guesthouse resort",
    "cafe bakery bar pub coffeehouse teahouse",
    "theater cinema venue hall playhouse auditorium",
)
PEOPLE = ("friend buddy pal companion mate", "wife husband spouse partner", "sister brother cousin sibling kin")
TIMES = ("yesterday", "last week", "on Sunday", "in the evening", "at noon", "this spring", "after work", "in June")
DEGREES = ("very really truly quite remarkably exceedingly", "rather fairly somewhat pretty passably")

# <adjective> and the verb <felt> have the label's polarity, <other> has the opposite one.
FRAMES = (
    "the <thing> at this <place> was <adjective>",
    "the <thing> was <degree> <adjective> <time>",
    "the <thing> and the <thing> were <adjective>",
    "<time> we <felt> the <thing> here",
    "my <person> <felt> the <adjective> <thing>",
    "what a <adjective> <place> with <adjective> <thing>",
    "a <degree> <adjective> <place> , we <felt> it",
    "my <person> and I <felt> this <adjective> <place>",
    "the <thing> was not <other> at all",
    "nobody could call this <place> <other>",
    "we <felt> the <place> despite the <other> <thing>",
    "although the <thing> was <other> , we <felt> it",
)


def synonym_groups() -> tuple[tuple[str, ...], ...]:
    """The groups of words that may replace each other without changing the label, words in the texts first."""
    rows = (*POSITIVE, *NEGATIVE, LIKED, DISLIKED, *THINGS, *PLACES, *PEOPLE, *DEGREES)
    return tuple(tuple(row.split()) for row in rows)


def generate(
    train_texts: int = TRAIN_TEXTS, test_texts: int = TEST_TEXTS, seed: int = 0
) -> tuple[list[Example], list[Example]]:
    """Training and test texts, 6 to 9 words each, both classes equally often, no text twice."""
    draw = random.Random(seed)
    texts: dict[str, int] = {}
    while len(texts) < train_texts + test_texts:
        label = len(texts) % 2
        text = _sentence(draw, label)
        if text not in texts:
            texts[text] = label
    rows = list(texts.items())
    return _split(rows[:train_texts], "train"), _split(rows[train_texts:], "test")


def _split(rows: list[tuple[str, int]], split: str) -> list[Example]:
    return [Example(f"{split}-{number}", (text,), label) for number, (text, label) in enumerate(rows)]


def _sentence(draw: random.Random, label: int) -> str:
    words = [_fill(draw, word, label) for word in draw.choice(FRAMES).split()]
    text = " ".join(words).replace(" ,", ",") + "."
    return text[0].upper() + text[1:]


def _fill(draw: random.Random, word: str, label: int) -> str:
    """Choose a word for a slot of the grammar; other words stay."""
    good, bad = (POSITIVE, NEGATIVE) if label == 1 else (NEGATIVE, POSITIVE)
    slots = {
        "<adjective>": good,
        "<other>": bad,
        "<felt>": (LIKED,) if label == 1 else (DISLIKED,),
        "<thing>": THINGS,
        "<place>": PLACES,
        "<person>": PEOPLE,
        "<degree>": DEGREES,
    }
    if word == "<time>":
        return draw.choice(TIMES)
    if word not in slots:
        return word
    return draw.choice(draw.choice(slots[word]).split()[:SEEN_WORDS])
