"""One metric of the published debate, analysed in four ways, with what each ignores."""

from __future__ import annotations

from collections.abc import Sequence

from harness.experiments.table1.settings import EXP_3
from harness.model import Dataset
from harness.reports.numbers import p_clause
from harness.stats.results import Analysis, Estimate

METRIC = "persona_adherence"
SCORES, MEANS, PAIRED = "Welch on raw scores", "Welch on persona means", "paired t by persona"


def worked_example(analysis: Analysis, dataset: Dataset) -> Sequence[str]:
    """A paragraph with the numbers of ``analysis``; empty unless it is the analysis of the published exp_3."""
    mine = [one for one in analysis.comparisons if one.metric == METRIC]
    if dataset.source != EXP_3.artifact or not mine:
        return ()
    by_method = {one.method: one for one in mine[0].secondary}
    primary = mine[0].primary
    if primary.df is None or primary.se is None or not {SCORES, MEANS, PAIRED} <= by_method.keys():
        return ()
    return (_text(primary, *(by_method[name] for name in (SCORES, MEANS, PAIRED))),)


def _text(primary: Estimate, scores: Estimate, means: Estimate, paired: Estimate) -> str:
    return (
        f"Worked example, {METRIC}: four answers to one question. Welch on {scores.n} raw scores "
        f"({p_clause(scores.p)}, as published) treats every score as independent, though five come from each "
        "conversation and six of each arm from each persona. Welch on persona means "
        f"({p_clause(means.p)}) compares {means.n // 2} means with {means.n // 2}, as if arms had different people: "
        "it ignores the pairing, and differences between personas count as error. Pairing by persona "
        f"({p_clause(paired.p)}) fixes that, but the five of a panel share their conversations, so {paired.n} "
        f"differences are not {paired.n} independent ones. The arm changes between conversations, not between persons, "
        f"so the unit is the block, one panel on one proposal: {primary.n} differences, "
        f"t({primary.df:.0f}) = {_t(primary)}, {p_clause(primary.p)}. This analysis is the honest one because "
        "conversations, not persons or scores, were assigned to arms, and a block compares like with like; not "
        "because of the size of its p. It is a claim about these personas and these proposals only."
    )


def _t(estimate: Estimate) -> str:
    return f"{(estimate.difference or 0) / (estimate.se or 1):.2f}"
