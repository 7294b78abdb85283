"""Tables of binary outcomes: counts with their denominators, and the exact test of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.reports.numbers import p_value, signed, whole
from harness.reports.parts import Table
from harness.stats.counts import CountComparison

CAPTION = "Binary outcomes"


def table(found: Sequence[CountComparison]) -> Table:
    """A row per event and later group. ``n`` counts the units of its test."""
    several = len({(one.control, one.treatment) for one in found}) > 1
    control, treatment = (found[0].control, "later" if several else found[0].treatment)
    return Table(("event", control, treatment, "diff.", "n", "p"), tuple(_row(one, several) for one in found))


def _row(one: CountComparison, several: bool) -> tuple[str, ...]:
    return (
        f"{one.event} ({one.treatment})" if several else one.event,
        *map(str, one.counts),
        signed(one.test.difference),
        whole(one.test.n),
        p_value(one.test.p),
    )


def about(found: Sequence[CountComparison]) -> Iterator[str]:
    """Unit and estimand of each p, why one is missing, and cautions about counts."""
    yield "In addition to the primary analysis; p-values are exact and not adjusted."
    for claim in dict.fromkeys((one.test.method, one.test.unit, one.test.estimand) for one in found):
        yield "{}: unit {}; claimed for {}.".format(*claim)
    for one in found:
        why = f"no test: {one.test.reason}" if one.test.p is None else one.test.note
        for text in (why, one.note):
            if text:
                yield f"{one.event}, {one.treatment}: {text}."
