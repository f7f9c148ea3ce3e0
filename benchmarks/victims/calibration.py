"""Temperature scaling: one number that makes a victim's confidence fit its accuracy. Source: Guo et al., ICML 2017.

Some defenses merely push probabilities towards 0 and 1. An attack that searches by probabilities then finds no
direction, and the defense seems robust. Dividing the logits by the fitted temperature keeps the classes and gives
calibrated probabilities.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from baselines.validation import require

LOWEST, HIGHEST = 1e-3, 1e3


def negative_log_likelihood(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> float:
    """Mean negative log likelihood of the labels, in nats per text.

    Args:
        logits: (N, C).
        labels: (N,), integers in [0, C).
        temperature: divides the logits; positive.
    """
    scaled = np.asarray(logits, float) / temperature
    return float(np.mean(logsumexp(scaled, axis=1) - scaled[np.arange(len(scaled)), labels]))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature in [0.001, 1000] that minimises the negative log likelihood of held-out labels.

    The likelihood has one peak in 1 / T, hence in log T, over which the search runs. If every text is read correctly
    there is no peak, and the result tends to the lower bound. Never worse than T = 1.

    Args:
        logits: (N, C), of texts that were not used in training.
        labels: (N,), integers in [0, C).
    Raises:
        UserError: for no texts, unequal lengths, logits that are not finite or labels out of range.
    Source: Guo et al. 2017, section 4.2.
    """
    logits, labels = np.asarray(logits, float), np.asarray(labels)
    require(logits.ndim == 2 and len(logits) > 0, "logits", "(N, C) with N of 1 or more", logits.shape)
    require(labels.shape == (len(logits),), "labels", f"{len(logits)} in number, one per text", labels.shape)
    require(np.issubdtype(labels.dtype, np.integer), "labels", "integers", str(labels.dtype))
    require(bool(np.isfinite(logits).all()), "logits", "finite", logits[~np.isfinite(logits)][:1].tolist())
    wrong = labels[(labels < 0) | (labels >= logits.shape[1])]
    require(len(wrong) == 0, "labels", f"in [0, {logits.shape[1]})", wrong[:1].tolist())
    found = minimize_scalar(
        lambda log_temperature: negative_log_likelihood(logits, labels, np.exp(log_temperature)),
        bounds=(np.log(LOWEST), np.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    candidates = (float(np.exp(found.x)), 1.0)
    return min(candidates, key=lambda temperature: negative_log_likelihood(logits, labels, temperature))
