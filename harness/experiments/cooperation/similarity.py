"""Similarity of texts: the mean cosine of their TF-IDF vectors."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

_WORD = re.compile(r"\w+")


def mean_similarity(texts: Sequence[str]) -> float | None:
    """Mean cosine over all pairs of ``texts`` with words: 1.0 for equal texts, 0.0 for texts without a common word.

    Terms are single words and adjacent pairs, case folded; weight = count × (ln((1 + n) / (1 + df)) + 1), vectors
    of length 1. Source: Salton & Buckley, Information Processing & Management 24 (1988), with the smoothed idf
    of scikit-learn's TfidfTransformer. ``None`` for fewer than two texts with words.
    """
    counts = [terms for terms in map(_terms, texts) if terms]
    if len(counts) < 2:
        return None
    n = len(counts)
    in_texts = Counter(term for terms in counts for term in terms)
    rarity = {term: math.log((1 + n) / (1 + texts)) + 1 for term, texts in in_texts.items()}
    sums = dict.fromkeys(in_texts, 0.0)
    for terms in counts:
        weights = {term: count * rarity[term] for term, count in terms.items()}
        length = math.hypot(*weights.values())
        for term, weight in weights.items():
            sums[term] += weight / length
    total = math.fsum(value * value for value in sums.values())
    return min(1.0, max(0.0, round((total - n) / (n * (n - 1)), 12)))


def _terms(text: str) -> Counter[str]:
    words = _WORD.findall(text.casefold())
    return Counter([*words, *(f"{one} {two}" for one, two in pairwise(words))])
