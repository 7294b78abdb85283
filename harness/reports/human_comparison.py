"""A comparison with people in words, tables and data: for the terminal, Markdown, JSON and the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from harness.model import Level
from harness.records.json_safe import plain
from harness.reports.numbers import MINUS, NONE, counted, fixed, percent, signed, span, whole
from harness.reports.parts import Heading, Items, Part, Table, grouped
from harness.stats.human_comparison.comparison import RULE, WITHIN, ComparedSide, ItemComparison
from harness.stats.human_comparison.effects import OPPOSITE, SAME, EffectComparison
from harness.stats.human_comparison.noise import CEILING
from harness.stats.human_comparison.subgroups import FEWEST, MOST_SUBGROUPS
from harness.stats.results import Quantity

if TYPE_CHECKING:
    from harness.humans.dataset import Humans
    from harness.model import Check
    from harness.records import FiledRun
    from harness.stats.human_comparison.survey_comparison import HumanComparison

NOTHING_CLAIMED = (
    "REHEARSAL: the model's answers were generated offline. Nothing is claimed, and no verdict is given."
)
SPREAD = (
    "Variance ratio: personas' variance over people's, 1 where they vary alike. Tau: Kendall's tau-b between the "
    "orders of options by how often they are chosen. People : people: where 90 % of draws of people against people lie."
)
_DIGITS = 3


class RunBesidePeople(Protocol):
    """What is told here: `harness.humans.comparison.PeopleComparison`."""

    @property
    def run(self) -> FiledRun: ...
    @property
    def humans(self) -> Humans: ...
    @property
    def found(self) -> HumanComparison: ...
    @property
    def checks(self) -> tuple[Check, ...]: ...
    @property
    def orders(self) -> tuple[Check, ...]: ...
    @property
    def rehearsal(self) -> bool: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


def comparison_parts(found: RunBesidePeople) -> Iterator[Part]:
    """Headings, sentences and tables: the rule first, then items, means and orders, effects, subgroups, checks."""
    yield Heading(f"{found.run.experiment} beside people: {found.humans.name}")
    yield Items(tuple(_opening(found)))
    if found.rehearsal:
        yield NOTHING_CLAIMED
    yield from found.notes
    yield RULE
    items = found.found.items
    yield Heading("Distances, and the noise of people against people" + _mark(found), 2)
    yield distance_table(items)
    if said := tuple(_summary(found)):
        yield Items(said)
    if any(one.model.mean is not None for one in items):
        yield Heading("Means" + _mark(found), 2)
        yield mean_table(items)
    yield Heading("Variance and order of options" + _mark(found), 2)
    yield spread_table(items)
    yield SPREAD
    yield from _effects(found)
    if found.found.subgroups:
        yield Heading("Subgroups" + _mark(found), 2)
        yield distance_table(found.found.subgroups, subgroups=True)
    if bad := [one for one in (*found.checks, *found.orders) if one.level is not Level.PASS]:
        yield Heading("Checks beside people" + _mark(found), 2)
        yield Items(
            tuple(
                f"{one.level} {one.name}, {one.about}: {one.message}; expected {one.threshold}."
                for one in bad
            )
        )


def _effects(found: RunBesidePeople) -> Iterator[Part]:
    for some in grouped(found.found.effects, lambda one: (one.arm, one.control)):
        yield Heading(f"Effect of {some[0].arm} {MINUS} {some[0].control} beside people's{_mark(found)}", 2)
        yield effect_table(some)
        yield Items(tuple(_effect_summary(some, rehearsal=found.rehearsal)))


def _mark(found: RunBesidePeople) -> str:
    return " (rehearsal)" * found.rehearsal


def _opening(found: RunBesidePeople) -> Iterator[str]:
    humans = found.humans
    file = humans.file
    planned = sum(
        1 for arm in found.run.design.groups for _ in found.run.design.trials(found.run.experiment, arm)
    )
    finished = sum(one.accepted is not None for one in found.run.outcomes.values())
    partial = f". Incomplete: {finished:,} of {planned:,} trials finished" if finished < planned else ""
    yield f"Run {found.run.run_id}{partial}"
    yield (
        f"People: {counted(humans.respondents, 'respondent')} in {file['name']} "
        f"(SHA-256 {str(file['sha256'])[:12]}){', weighted' if humans.weights else ''}"
        f"{', an experiment too' if humans.arms else ''}"
    )
    compared = {one.subgroup.partition(": ")[0] for one in found.found.subgroups}
    for name in humans.attributes:
        if name not in compared:
            yield f"Subgroups by {name} are not compared: {_why_not(found, name)}"
    yield f"Source: {humans.source or 'not stated'}. Licence: {humans.licence or 'not stated'}"


def _why_not(found: RunBesidePeople, attribute: str) -> str:
    values = {value for value in found.humans.attributes[attribute] if value is not None}
    if len(values) > MOST_SUBGROUPS and not found.humans.bins.get(attribute):
        return f"people have {len(values)} values of it; expected {MOST_SUBGROUPS} at most, or bins"
    return f"no value is shared by {FEWEST} personas and {FEWEST} people or more"


def distance_table(items: Sequence[ItemComparison], *, subgroups: bool = False) -> Table:
    """A row per item and arm: the deciding distance beside its ceiling, the typical noise, and the nearer guess."""
    head = ("item", "arm", *(("subgroup",) if subgroups else ()), "verdict")
    numbers = ("personas", "people", "distance", "typical", "ceiling", "guess")
    rows = (
        (
            one.item,
            one.group,
            *((one.subgroup,) if subgroups else ()),
            _verdict(one),
            _count(one.model),
            _count(one.people),
            *(fixed(number, _DIGITS) for number in (one.distance, one.typical, one.ceiling, one.baseline)),
        )
        for one in items
    )
    return Table((*head, *numbers), tuple(rows), len(head))


def _verdict(one: ItemComparison) -> str:
    return one.verdict or NONE


def _count(side: ComparedSide) -> str:
    """Persons; with weights also their effective number."""
    if abs(side.effective_n - side.n) < 0.05:
        return whole(side.n)
    return f"{whole(side.n)} (eff. {side.effective_n:,.0f})"


def _summary(found: RunBesidePeople) -> Iterator[str]:
    items = found.found.items
    if found.rehearsal:
        return
    verdicts = Counter(one.verdict for one in items)
    said = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items() if verdict)
    yield (
        f"Of {counted(len(items), 'comparison')}: {said or 'no verdict'}. Answers drawn from people's own would be "
        f"{WITHIN} in {percent(CEILING)} of comparisons."
    )
    for reason, named in _reasons(items).items():
        yield f"{', '.join(named)}: {reason}."
    for arm, agreement in found.found.item_agreement.items():
        if agreement.value is not None:
            yield f"Order of items by their means, {arm}: tau {_noise(agreement)}."
    for one in items:
        if one.model.opted_out or one.people.opted_out:
            yield (
                f"{one.item}, {one.group}: opted out (such as don't know): {percent(one.model.opted_out)} of "
                f"personas, {percent(one.people.opted_out)} of people."
            )
    for name, reasons in found.humans.missing.items():
        if reasons:
            told = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
            yield f"{name}: people's missing answers: {told}."


def _reasons(items: Sequence[ItemComparison]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in items:
        if one.reason:
            found.setdefault(one.reason, []).append(f"{one.item} ({one.group})" if one.group else one.item)
    return found


def mean_table(items: Sequence[ItemComparison]) -> Table:
    """A row per item with a mean, and arm: both means, and their difference."""
    head = ("item", "arm", "personas", "people", "diff.", "95 % CI")
    rows = (
        (
            one.item,
            one.group,
            fixed(one.model.mean),
            fixed(one.people.mean),
            signed(one.difference.value),
            span(one.difference.interval),
        )
        for one in items
        if one.model.mean is not None
    )
    return Table(head, tuple(rows), 2)


def spread_table(items: Sequence[ItemComparison]) -> Table:
    """A row per item and arm: the variance ratio, and the agreement in the order of options."""
    head = ("item", "arm", "variance ratio", "people : people", "tau", "people : people")
    rows = (
        (
            one.item,
            one.group,
            fixed(one.spread.value),
            _range(one.spread),
            fixed(one.agreement.value),
            _range(one.agreement),
        )
        for one in items
    )
    return Table(head, tuple(rows), 2)


def _range(quantity: Quantity) -> str:
    limits = quantity.interval
    return NONE if limits is None else f"{fixed(limits.low)} to {fixed(limits.high)}"


def _noise(quantity: Quantity) -> str:
    return f"{fixed(quantity.value)} (people against people {_range(quantity)})"


def effect_table(effects: Sequence[EffectComparison]) -> Table:
    """A row per outcome and arm: the model's effect, people's, and their ratio."""
    head = ("outcome", "sign", "personas", "95 % CI", "people", "95 % CI", "ratio", "95 % CI")
    rows = (
        (
            f"{one.item}: {one.outcome}" if one.outcome else one.item,
            one.sign if one.sign in (SAME, OPPOSITE) else "not clear",
            signed(one.model.value),
            span(one.model.interval),
            signed(one.people.value),
            span(one.people.interval),
            fixed(one.ratio.value),
            _range(one.ratio),
        )
        for one in effects
    )
    return Table(head, tuple(rows), 2)


def _effect_summary(effects: Sequence[EffectComparison], *, rehearsal: bool) -> Iterator[str]:
    clear = [one for one in effects if one.sign in (SAME, OPPOSITE)]
    if not clear:
        yield "People show no effect whose sign is clear, so signs cannot agree or disagree."
        return
    if rehearsal:
        return
    same = sum(one.sign == SAME for one in clear)
    expected = [one.people_agree for one in clear if one.people_agree is not None]
    yield (
        f"The same sign as people's in {same} of {len(clear)} effects of which people's sign is clear; as many people "
        f"as there are personas would show it in {sum(expected):.1f} of {len(expected)} on average."
    )
    yield "Ratio: the model's effect over people's, with Fieller's interval; 1 is people's own size."


def comparison_json(found: RunBesidePeople) -> dict[str, Any]:
    """The comparison as plain data, with the rule."""
    content = {
        "experiment": found.run.experiment,
        "run": found.run.run_id,
        "rehearsal": found.rehearsal,
        "notes": found.notes,
        "people": {
            "name": found.humans.name,
            "respondents": found.humans.respondents,
            "source": found.humans.source,
            "licence": found.humans.licence,
            "file": dict(found.humans.file),
            "missing": found.humans.missing,
        },
        "rule": RULE,
        "items": [_item_json(one) for one in found.found.items],
        "subgroups": [_item_json(one) for one in found.found.subgroups],
        "effects": list(found.found.effects),
        "item_agreement": dict(found.found.item_agreement),
        "subgroup_spreads": list(found.found.spreads),
        "checks": [*found.checks, *found.orders],
    }
    data: dict[str, Any] = plain(content)[0]
    return data


def _item_json(one: ItemComparison) -> dict[str, Any]:
    return {
        "item": one.item,
        "kind": one.scale.kind,
        "levels": one.scale.levels or one.numbers,
        "options": one.scale.parts if one.scale.form != "plain" else (),
        "group": one.group,
        "subgroup": one.subgroup,
        "model": one.model,
        "people": one.people,
        "verdict": one.verdict,
        "reason": one.reason,
        "distances": one.distances,
        **{name: getattr(one, name) for name in ("ceiling", "typical", "uniform", "majority", "closeness")},
        "difference": one.difference,
        "variance_ratio": one.spread,
        "agreement": one.agreement,
    }
