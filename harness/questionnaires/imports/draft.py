"""A questionnaire while it is imported: its items so far, and what cannot be carried, each with its reason."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from harness.errors import ConfigurationError
from harness.model import Item, Survey
from harness.model.script import PLACEHOLDER
from harness.model.survey.conditions import condition_problems
from harness.questionnaires.checking import VERSION
from harness.questionnaires.imports.markup import plain_text
from harness.questionnaires.survey_data import item_of, survey_of

_NOT_IN_NAMES = re.compile(r"\W+", re.ASCII)


class NotCarriedError(Exception):
    """Raised within the importers: a question or a condition cannot be carried; the text is the reason."""


@dataclass(frozen=True, slots=True)
class ImportNote:
    """Something of the source that the questionnaire lacks or has in another form: where it was, and why."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(slots=True)
class DraftItem:
    """An item as a questionnaire file has it, with what conditions on it need.

    ``answers`` are the values in conditions by the source's codes; ``many`` says that an answer holds several.
    """

    data: dict[str, Any]
    answers: Mapping[str, Any] = field(default_factory=dict)
    many: bool = False
    conditions: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.data["name"])

    def chosen(self, code: str, *, negated: bool = False) -> str:
        """The condition that the option of ``code`` was chosen."""
        if code not in self.answers:
            raise NotCarriedError(f"{self.name} has no option with the code {code!r:.60}")
        value = repr(self.answers[code])
        if self.many:
            return f"{value} {'not in' if negated else 'in'} {self.name}"
        return f"{self.name} {'!=' if negated else '=='} {value}"


class Draft:
    """Collects items and notes. ``source`` in its methods is the question's id in the imported file."""

    def __init__(self, format: str) -> None:
        self.format = format
        self.settings: dict[str, Any] = {}
        self.left_out: list[ImportNote] = []
        self.changed: list[ImportNote] = []
        self.items: dict[str, DraftItem] = {}
        self._names: set[str] = set()
        self._texts: list[tuple[str, str]] = []

    def add(
        self,
        source: str,
        type: str,
        name: str,
        question: str,
        *,
        answers: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> DraftItem:
        """Add an item; fields that are None are left to their defaults. Its name is made a valid, unused one."""
        if source in self.items:
            raise NotCarriedError("an earlier question has the same name")
        made = self._name(name, source)
        words = "\n\n".join([*(text for _, text in self._texts), question])
        for place, _ in self._texts:
            self.changed.append(
                ImportNote(place, f"the text has no answer; it begins the question of {made}")
            )
        self._texts.clear()
        given = {key: value for key, value in fields.items() if value is not None}
        data = {"name": made, "type": type, "question": words or made, **given}
        self.items[source] = item = DraftItem(data, answers or {}, type == "multiple_choice")
        return item

    @contextmanager
    def question(self, place: str, conditions: Sequence[str] = ()) -> Iterator[None]:
        """Carry one question, all items of which get ``conditions``; leave it out if that raises `NotCarriedError`."""
        items, changes = set(self.items), len(self.changed)
        try:
            yield
        except NotCarriedError as error:
            del self.changed[changes:]
            self.leave_out(place, str(error))
        for added in self.items.keys() - items:
            self.items[added].conditions.extend(conditions)

    def add_text(self, place: str, text: str) -> None:
        """Add a text without an answer: it introduces the questionnaire, or begins the next question."""
        if self.items:
            self._texts.append((place, text))
        elif text:
            before = self.settings.get("introduction")
            self.settings["introduction"] = f"{before}\n\n{text}" if before else text

    def leave_out(self, place: str, reason: str) -> None:
        self.left_out.append(ImportNote(place, reason))

    def change(self, place: str, reason: str) -> None:
        self.changed.append(ImportNote(place, reason))

    def item(self, source: str) -> DraftItem:
        """The item carried for ``source``. Raises `NotCarriedError`."""
        if source not in self.items:
            raise NotCarriedError(f"{source} is not carried, or comes later")
        return self.items[source]

    def options(self, labels: Iterable[object], least: int = 2) -> list[str]:
        """Options as plain text. Raises `NotCarriedError` where there are too few, or two are the same."""
        found = [plain_text(label) for label in labels]
        if len(found) < least:
            raise NotCarriedError(
                f"it has {len(found)} option{'s' * (len(found) != 1)}; a question needs {least}"
            )
        if not all(found):
            raise NotCarriedError("an option has no text (a picture?)")
        twice = next((label for label in found if found.count(label) > 1), None)
        if twice is not None:
            raise NotCarriedError(f"two of its options have the same text, {twice!r:.60}")
        return found

    def piped(self, text: str, pattern: re.Pattern[str], read: Callable[[re.Match[str]], str]) -> str:
        """``text`` with each reference to an earlier answer as ``{name}``; other names in braces get spaces.

        ``read`` gives the source that a match of ``pattern`` refers to, or raises `NotCarriedError`.
        """
        parts, end = [], 0
        for found in pattern.finditer(text):
            parts += [_spaced_names(text[end : found.start()]), f"{{{self.item(read(found)).name}}}"]
            end = found.end()
        return "".join([*parts, _spaced_names(text[end:])])

    def skip(self, source: str, sources: Iterable[str], condition: str) -> None:
        """Skip ``sources`` where ``condition`` holds, if the item of ``source`` (which decides it) was asked at all."""
        own = joined(self.items[source].conditions, "and")
        asked = f"({own}) and ({condition})" if own else condition
        for skipped in sources:
            self.items[skipped].conditions.append(f"not ({asked})")

    def finish(self) -> ImportedQuestionnaire:
        """The questionnaire. Raises `ConfigurationError` if no question could be carried."""
        for place, _ in self._texts:
            self.leave_out(place, "the text has no answer, and no question follows it")
        earlier: dict[str, Item] = {}
        items: list[dict[str, Any]] = []
        for source, draft in self.items.items():
            data = {**draft.data, **self._when(source, draft, earlier)}
            item = item_of(data)
            problems = [one.removeprefix("item: ") for one in item.problems("item")]
            problems += [
                f"it repeats {{{one}}}, which is left out" for one in _unfilled(item.question, earlier)
            ]
            if problems:
                self.leave_out(source, " ".join(problems))
            else:
                earlier[item.name] = item
                items.append(data)
        if not items:
            self._refuse()
        data = {"questionnaire": VERSION, **self.settings, "items": items}
        return ImportedQuestionnaire(self.format, data, tuple(self.left_out), tuple(self.changed))

    def _when(self, source: str, draft: DraftItem, earlier: Mapping[str, Item]) -> dict[str, str]:
        """The item's condition, unless it cannot be read here; then everyone is asked, which is noted."""
        when = joined(draft.conditions, "and")
        if not when:
            return {}
        problem = next(condition_problems("", when, earlier, ()), None)
        if problem is None:
            return {"when": when}
        reason = problem.partition(f"{when!r}: ")[2] or problem
        self.change(
            source, f"it is asked of everyone, without its condition {when[:80]!r}: {reason.rstrip('.')}"
        )
        return {}

    def _refuse(self) -> NoReturn:
        listed = "; ".join(map(str, self.left_out[:5])) or "it has none"
        more = f"; and {len(self.left_out) - 5} more" if len(self.left_out) > 5 else ""
        raise ConfigurationError(
            f"{self.format}: no question can be carried; expected at least one. {listed[:1200]}{more}."
        )

    def _name(self, wanted: str, source: str) -> str:
        name = _NOT_IN_NAMES.sub("_", plain_text(wanted)).strip("_")[:60] or "item"
        name = f"q{name}" if name[0].isdigit() else f"{name}_" if keyword.iskeyword(name) else name
        number, free = 1, name
        while free in self._names:
            number += 1
            free = f"{name}_{number}"
        self._names.add(free)
        if free != wanted:
            self.change(wanted or source, f"its name becomes {free}")
        return free


@dataclass(frozen=True, slots=True)
class ImportedQuestionnaire:
    """What an import gives: the questionnaire as plain data, and all that differs from the source.

    ``left_out`` are the questions that cannot be carried; ``changed`` is what was carried in another form.
    """

    format: str
    data: Mapping[str, Any]
    left_out: tuple[ImportNote, ...]
    changed: tuple[ImportNote, ...]

    @property
    def survey(self) -> Survey:
        """The questionnaire as a declaration."""
        return survey_of(self.data, self.format)


def _unfilled(text: str, earlier: Mapping[str, Item]) -> list[str]:
    return [name for name in PLACEHOLDER.findall(text) if name not in earlier]


def joined(conditions: Iterable[str], word: str) -> str:
    """``conditions`` joined by ``and`` or ``or``, each in brackets if there are several.

    >>> joined(["a == 1", "b == 2"], "or")
    '(a == 1) or (b == 2)'
    """
    found = list(dict.fromkeys(conditions))
    return found[0] if len(found) == 1 else f" {word} ".join(f"({one})" for one in found)


def whole_range(least: float | None, most: float | None, *, whole: bool) -> dict[str, Any]:
    """The bounds of a numeric item; those of whole numbers are integers."""

    return {"least": whole_or_not(least), "most": whole_or_not(most), "whole": True if whole else None}


def whole_or_not(value: float | None) -> float | int | None:
    """A number that is whole as an integer."""
    return int(value) if value is not None and float(value).is_integer() else value


def _spaced_names(text: str) -> str:
    """``text`` without anything that would be filled in."""
    return PLACEHOLDER.sub(r"{ \1 }", text)
