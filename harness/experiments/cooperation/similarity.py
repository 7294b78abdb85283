"""How alike texts are: the mean cosine of their TF-IDF vectors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

_WORD = re.compile(r"\w+")


def mean_similarity(texts: Sequence[str]) -> float | None:
    """Mean cosine over all pairs of ``texts`` that have words: 1.0 for equal texts, 0.0 for such without a common word.

    Terms are single words and pairs of neighbours, case folded; weight = count × (ln((1 + n) / (1 + df)) + 1), vectors
    of length 1. Source: Salton & Buckley, Information Processing & Management 24 (1988), with the smoothed idf
    of scikit-learn's TfidfTransformer. ``None`` for fewer than two texts with words.
    """
    import numpy as np

    counts = [terms for terms in map(_terms, texts) if terms]
    if len(counts) < 2:
        return None
    n = len(counts)
    in_texts = Counter(term for terms in counts for term in terms)
    column = {term: number for number, term in enumerate(sorted(in_texts))}
    weights = np.zeros((n, len(column)))
    for row, terms in enumerate(counts):
        for term, count in terms.items():
            weights[row, column[term]] = count * (np.log((1 + n) / (1 + in_texts[term])) + 1)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    total = float(np.square(weights.sum(axis=0)).sum())
    return min(1.0, max(0.0, round((total - n) / (n * (n - 1)), 12)))


def _terms(text: str) -> Counter[str]:
    words = _WORD.findall(text.casefold())
    return Counter([*words, *(f"{one} {two}" for one, two in pairwise(words))])
