"""The generated corpus: balanced, seeded, not solved by counting words, with held-out synonyms."""

from __future__ import annotations

from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from benchmarks.data.demo_corpus import FRAMES, SEEN_WORDS, generate, synonym_groups
from benchmarks.data.loading import fingerprint

TRAIN, TEST = generate()


def test_sizes_lengths_and_balance() -> None:
    assert (len(TRAIN), len(TEST)) == (1600, 300)
    for split in (TRAIN, TEST):
        assert sum(example.label for example in split) == len(split) / 2
        assert all(6 <= len(example.texts[0].split()) <= 9 for example in split)


def test_no_text_stands_twice() -> None:
    texts = [example.texts for example in (*TRAIN, *TEST)]
    assert len(set(texts)) == len(texts)


def test_the_seed_decides_the_corpus() -> None:
    assert fingerprint(*generate()) == fingerprint(TRAIN, TEST) != fingerprint(*generate(seed=1))


def test_a_bag_of_words_does_not_solve_it() -> None:
    counts = CountVectorizer()
    train = counts.fit_transform(example.texts[0] for example in TRAIN)
    model = LogisticRegression(C=10, max_iter=2000).fit(train, [example.label for example in TRAIN])
    accuracy = model.score(counts.transform(e.texts[0] for e in TEST), [e.label for e in TEST])
    assert accuracy < 0.9


def test_groups_are_disjoint_and_hold_words_the_texts_never_use() -> None:
    groups = synonym_groups()
    words = [word for group in groups for word in group]
    assert len(set(words)) == len(words)
    used = {word.strip(".,").lower() for example in (*TRAIN, *TEST) for word in example.texts[0].split()}
    frame_words = {word for frame in FRAMES for word in frame.split()}
    for group in groups:
        assert set(group[:SEEN_WORDS]) & used
        assert not (set(group[SEEN_WORDS:]) - frame_words) & used
