"""A questionnaire that personas answer."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, ClassVar, Literal

from harness.errors import expected_one_of
from harness.model.declaration import (
    FLAG,
    NAME,
    Each,
    Fields,
    choice,
    declaration,
    field_faults,
    flat,
    instance,
    normalise,
    shown,
)
from harness.model.metrics import Measure, Proposition
from harness.model.play import CallBounds, Play, TrialPlan
from harness.model.script import PLACEHOLDER, Script
from harness.model.survey.conditions import condition_problems, items_in
from harness.model.survey.item import Item
from harness.model.survey.items import Choice, FreeText, Likert, YesNo

SURVEY, CODE = "survey", "code_answer"
"""What calls are counted as: that ask items, and that let the judge code an answer in free text."""
ANSWER = "ANSWER"
"""The type of an action in a transcript that answers an item by choice or number; free text is a TALK."""
INTRODUCTION = "introduction"
"""What a group calls the survey's introduction where it replaces its text."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ITEM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


@declaration
@dataclass(frozen=True, slots=True)
class Survey(Play):
    """Questions that each persona answers by itself; goes into `Experiment` as ``survey=``.

    A trial is one persona in one arm: one row of data. Every item gives the experiment its metrics.

    Fields:
        items: the questions, such as `Likert` and `Choice`, in their order.
        introduction: read before the first question; default None.
        ask: ``"together"`` (default): all items in one call, in as few calls as conditions and ``{name}`` in questions
            allow; ``"separately"``: one item a call.
        memory: whether later calls have the earlier questions and answers before them; default True.
        shuffle_items: whether each persona gets the items in another random order, by the seed, in which an item
            still follows those that it depends on; default False.
        shuffle_options: the same for the options (and rows) of all items that have some; default False.
        probabilities: whether the answers to items of one choice are the model's probabilities of the options, from
            the log probabilities of the first token, without sampling; needs ``ask="separately"`` and a model that
            gives them; default False.
        record_type, check, examine, answer: as in `Play`.

    >>> survey = Survey(items=[Likert("trust", "How far do you trust the council?"), YesNo("stay", "Will you stay?")])
    >>> [metric.name for metric in survey.measures]
    ['trust', 'stay']
    """

    function: Any = field(init=False, default=None, repr=False)
    items: tuple[Item, ...]
    _: KW_ONLY
    introduction: str | None = None
    ask: Literal["together", "separately"] = "together"
    memory: bool = True
    shuffle_items: bool = False
    shuffle_options: bool = False
    probabilities: bool = False

    FIELDS: ClassVar[Fields] = {
        **{name: kind for name, kind in Play.FIELDS.items() if name not in ("function", "calls")},
        "items": Each(
            instance(Item, "an item, such as Likert('trust', 'How far do you trust the council?')"),
            "a list of items; a single one needs a comma in a tuple: (Likert(…),)",
        ),
        "introduction": NAME.or_none(),
        "ask": choice("together", "separately"),
        "memory": FLAG,
        "shuffle_items": FLAG,
        "shuffle_options": FLAG,
        "probabilities": FLAG,
    }

    def __post_init__(self) -> None:
        normalise(self, tuples=["items"])

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The metrics of its items, in their order."""
        return tuple(measure for item in self.items for measure in item.measures)

    @property
    def declared(self) -> dict[str, Any]:
        """The questionnaire as plain data, which identifies a run; what has its default is left out."""
        flags = ("introduction", "shuffle_items", "shuffle_options", "probabilities")
        return {
            "survey": [item.declared for item in self.items],
            "ask": self.ask,
            "memory": self.memory,
            **{name: getattr(self, name) for name in flags if getattr(self, name)},
        }

    def item(self, name: str) -> Item:
        """The item called ``name``. Raises `KeyError` when there is none."""
        return {item.name: item for item in self.items}[name]

    def worded(self, texts: Mapping[str, str]) -> Survey:
        """The survey with an arm's own ``texts``: the introduction, or an item's question by its name."""
        if not texts:
            return self
        items = tuple(replace(one, question=texts.get(one.name, one.question)) for one in self.items)
        return replace(self, items=items, introduction=texts.get(INTRODUCTION, self.introduction))

    def needs(self, item: Item) -> tuple[str, ...]:
        """The earlier items that ``item`` depends on, by its condition and the ``{name}`` in its question."""
        known = {one.name for one in self.items}
        named = [*(items_in(item.when) if item.when else ()), *PLACEHOLDER.findall(item.question)]
        return tuple(name for name in dict.fromkeys(named) if name in known)

    def gives_probabilities(self, item: Item) -> bool:
        """Whether ``item`` is answered by the model's probabilities of its options."""
        return self.probabilities and isinstance(item, Likert | Choice | YesNo)

    def is_shuffled(self, item: Item) -> bool:
        """Whether each persona gets the options of ``item`` in another order."""
        return (
            bool(item.choices)
            and not isinstance(item, YesNo)
            and (self.shuffle_options or getattr(item, "shuffle", False))
        )

    def problems(self, owner: str) -> Iterable[str]:
        mine = f"{owner}: survey"
        faults = field_faults(mine, self)
        yield from flat(faults)
        if "items" in faults:
            return
        if not self.items:
            yield f"{mine}: has no items; expected at least one, such as Likert('trust', 'How far do you trust …?')."
        names = Counter(item.name for item in self.items if isinstance(item.name, str))
        for name, times in names.items():
            if times > 1:
                yield f"{mine}: item {name!r} is declared {times} times; expected once."
        faulty = False
        for number, item in enumerate(self.items):
            place = f"{mine}: item {shown(item.name) if isinstance(item.name, str) else number}"
            found = [*_name_problems(place, item), *item.problems(place)]
            yield from found
            faulty = faulty or bool(found)
        if not faulty:
            yield from self._probability_problems(mine)
            yield from self._order_problems(mine)

    def _order_problems(self, mine: str) -> Iterable[str]:
        """Conditions on items that are not there by then."""
        earlier: dict[str, Item] = {}
        for number, item in enumerate(self.items):
            if item.when is not None:
                later = [one.name for one in self.items[number:]]
                yield from condition_problems(f"{mine}: item {item.name!r}", item.when, earlier, later)
            earlier[item.name] = item

    def _probability_problems(self, mine: str) -> Iterable[str]:
        if not self.probabilities:
            return
        if self.ask != "separately":
            yield f"{mine}: probabilities=True and ask={self.ask!r}; expected ask='separately', one item a call."
        if not any(self.gives_probabilities(item) for item in self.items):
            yield f"{mine}: probabilities=True, and no item is a Likert, Choice or YesNo; expected one."
        for item in self.items:
            number = item.points if isinstance(item, Likert) else len(item.choices)
            if self.gives_probabilities(item) and number + len(item.opt_out) > len(LETTERS):
                yield (
                    f"{mine}: item {item.name!r} has {number + len(item.opt_out)} answers; "
                    f"expected {len(LETTERS)} at most with probabilities=True, one letter each."
                )

    def design_problems(self, experiment: Any) -> Iterable[str]:
        """Faults that lie between the survey and the rest of its `harness.Experiment`."""
        mine = f"Experiment {experiment.name}"
        if experiment.population == ():
            yield f"{mine}: has no population; expected the personas who answer, population=."
        if experiment.panel_size != 1:
            yield f"{mine}: panel_size={experiment.panel_size}; expected 1, since each persona answers by itself."
        derived = {measure.name for measure in self.measures}
        for metric in experiment.metrics:
            if isinstance(metric, Measure) and metric.function is None and metric.name not in derived:
                yield f"{mine}: metric {metric.name!r} has no function; expected one, or an item of that name."
        for part in ("task", "introduction", "consolidation", "extraction"):
            if getattr(experiment.script, part):
                yield f"{mine}: script: {part}= is not read in a survey; expected the survey's own texts."
        if experiment.settings:
            yield f"{mine}: settings={shown(dict(experiment.settings))} are not read in a survey; leave them out."
        yield from self._pipe_problems(f"{mine}: survey", experiment.script)
        for group in experiment.groups:
            yield from self._group_problems(
                f"Group {group.name!r} of {experiment.name}", group, experiment.script
            )

    def _pipe_problems(self, mine: str, script: Script) -> Iterable[str]:
        """Names in braces that are neither an earlier item nor a field of every proposal."""
        fields = set.intersection(*(set(one) for one in script.proposals)) if script.proposals else set()
        earlier: list[str] = []
        texts = [(INTRODUCTION, self.introduction or "")] + [(one.name, one.question) for one in self.items]
        for name, text in texts:
            place = f"{mine}: {INTRODUCTION}" if name == INTRODUCTION else f"{mine}: item {name!r}"
            for used in dict.fromkeys(PLACEHOLDER.findall(text)):
                if used in fields or used in earlier:
                    continue
                if any(item.name == used for item in self.items):
                    yield f"{place} repeats {{{used}}}, which comes later; expected an earlier item."
                else:
                    known = [*earlier, *sorted(fields)]
                    yield f"{place} uses {{{used}}}, which is not an earlier item; {expected_one_of(used, known)}"
            earlier += [name] if name != INTRODUCTION else []

    def _group_problems(self, mine: str, group: Any, script: Script) -> Iterable[str]:
        for part in ("correction", "interventions", "memory_limit", "script", "settings"):
            if getattr(group, part):
                yield f"{mine}: {part}= is not read in a survey; leave it out."
        names = [INTRODUCTION, *(item.name for item in self.items)]
        known = {name: text for name, text in group.survey.items() if name in names}
        for name in group.survey:
            if name not in names:
                yield f"{mine}: survey={{{name!r}: …}}: there is no such item; {expected_one_of(name, names)}"
        texts = [one for one in known.values() if not isinstance(one, str) or not one.strip()]
        for text in texts:
            yield f"{mine}: survey: {shown(text)}; expected a question, or an introduction, in words."
        if known and not texts:
            yield from self.worded(known)._pipe_problems(f"{mine}: survey", script)

    @property
    def bounds(self) -> Callable[[TrialPlan], CallBounds] | None:
        return self._bounds

    def _bounds(self, plan: TrialPlan) -> CallBounds:
        """One call per item or per page, at the least those that always come; the judge's for free text and claims."""
        pages = self.pages()
        asked = [any(not item.when and not self.needs(item) for item in page) for page in pages]
        least, most = Counter({SURVEY: sum(asked)}), Counter({SURVEY: len(pages)})
        coded = [item for item in self.items if isinstance(item, FreeText) and item.categories]
        if coded:
            least[CODE] = sum(not (item.when or item.opt_out or self.needs(item)) for item in coded)
            most[CODE] = len(coded)
        for claim in plan.metrics:
            if isinstance(claim, Proposition):
                kind = "score_person" if claim.about == "person" else "score_panel"
                least[kind] += 1
                most[kind] += 1
        return +least, most

    def pages(self, items: Iterable[Item] | None = None) -> list[tuple[Item, ...]]:
        """The ``items``, in their order, as they share calls: what depends on an answer is asked in a later call."""
        pages: list[tuple[Item, ...]] = []
        page: list[Item] = []
        for item in self.items if items is None else items:
            waits = {one.name for one in page} & {*self.needs(item)}
            if page and (self.ask == "separately" or waits):
                pages.append(tuple(page))
                page = []
            page.append(item)
        return [*pages, tuple(page)] if page else pages


def _name_problems(place: str, item: Item) -> Iterable[str]:
    if not isinstance(item.name, str) or not item.name.strip():
        return
    if not _ITEM_NAME.fullmatch(item.name) or keyword.iskeyword(item.name):
        yield f"{place}: expected a name of a letter, then letters, digits and '_', at most 64, not a word of Python."
    elif item.name == INTRODUCTION:
        yield f"{place}: {INTRODUCTION!r} names the survey's own introduction; expected another name."
