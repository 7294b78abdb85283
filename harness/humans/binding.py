"""Which column answers which item: given in words, or in a small YAML file that `proposed` writes to be edited."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, expected_one_of
from harness.humans.microdata import Microdata, MicrodataColumn, code_text
from harness.model.survey.composites import Allocation, Matrix, MultipleChoice, Ranking
from harness.model.survey.item import Item
from harness.model.survey.items import Likert
from harness.records.strict_yaml import read_yaml, yaml_text

_PART = re.compile(r"(?P<item>[A-Za-z]\w*)(?:\[(?P<part>.+)\])?", re.DOTALL)
_LIKE = 0.6
"""How alike a question and a column's label must be to be proposed for each other."""
_KEYS = ("file", "source", "licence", "weight", "arm", "arms", "attributes", "items")


@dataclass(frozen=True, slots=True)
class ItemBinding:
    """The columns of one item: option or row → column, or ``""`` → the only column.

    ``recode`` maps codes (as `code_text` gives them) to answers, ``missing`` codes to reasons.
    """

    columns: Mapping[str, str]
    recode: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AttributeBinding:
    """A column that says who a respondent is. ``bins`` are the least numbers of all groups but the first."""

    column: str
    bins: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    """How a file of microdata is read for a survey.

    ``weight`` and ``arm`` are columns; ``arms`` maps codes of ``arm`` to groups of the experiment where they differ.
    """

    items: Mapping[str, ItemBinding]
    weight: str | None = None
    arm: str | None = None
    arms: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, AttributeBinding] = field(default_factory=dict)
    source: str = ""
    licence: str = ""

    @classmethod
    def of(
        cls,
        columns: Mapping[str, Any],
        *,
        weight: str | None = None,
        arm: str | None = None,
        attributes: Mapping[str, Any] | Sequence[str] = (),
        source: str = "",
        licence: str = "",
    ) -> Binding:
        """A binding from ``{"trust": "V201", "budget[roads]": "V7a"}``; ``attributes`` likewise, or columns' names.

        A column may also be what a binding file says of it: ``{"column": "V201", "recode": {1: "yes", 2: "no"}}``.
        Raises `ConfigurationError`.
        """
        items: dict[str, ItemBinding] = {}
        for name, column in columns.items():
            matched = _PART.fullmatch(name)
            if matched is None:
                raise ConfigurationError(f"{name!r}: not an item; expected ITEM, or ITEM[OPTION].")
            item = matched["item"]
            if isinstance(column, Mapping):
                items[item] = _item(column, f"Item {item!r}")
                continue
            parts = items[item].columns if item in items else {}
            items[item] = ItemBinding({**parts, matched["part"] or "": column})
        named = attributes if isinstance(attributes, Mapping) else {name: name for name in attributes}
        return cls(
            items,
            weight=weight,
            arm=arm,
            attributes={name: _attribute(column, f"Attribute {name!r}") for name, column in named.items()},
            source=source,
            licence=licence,
        )

    @classmethod
    def read(cls, path: Path) -> Binding:
        """The binding in a YAML file. Raises `ConfigurationError`."""
        return cls.from_data(read_yaml(path, str(path)), str(path))

    @classmethod
    def from_data(cls, data: Any, owner: str) -> Binding:
        """The binding that plain data says. Raises `ConfigurationError`; ``owner`` is what messages call it."""
        _check(data, owner, _KEYS)
        if not isinstance(data.get("items"), Mapping) or not data["items"]:
            raise ConfigurationError(f"{owner}: binds no items; expected items: with a column for each.")
        items = {
            str(name): _item(one, f"{owner}: items: {name}")
            for name, one in data["items"].items()
            if one not in (None, {"column": None})
        }
        attributes = data.get("attributes") or {}
        if not isinstance(attributes, Mapping):
            raise ConfigurationError(f"{owner}: attributes: expected a column for each, such as age: V12.")
        return cls(
            items,
            weight=_text(data.get("weight"), f"{owner}: weight"),
            arm=_text(data.get("arm"), f"{owner}: arm"),
            arms={code_text(code): str(group) for code, group in (data.get("arms") or {}).items()},
            attributes={
                str(name): _attribute(one, f"{owner}: attributes: {name}") for name, one in attributes.items()
            },
            source=_text(data.get("source"), f"{owner}: source") or "",
            licence=_text(data.get("licence"), f"{owner}: licence") or "",
        )

    @property
    def data(self) -> dict[str, Any]:
        """The binding as plain data, as it is read."""
        return {
            "source": self.source,
            "licence": self.licence,
            "weight": self.weight,
            "arm": self.arm,
            **({"arms": dict(self.arms)} if self.arms else {}),
            "attributes": {
                name: {"column": one.column, "bins": list(one.bins)} if one.bins else one.column
                for name, one in self.attributes.items()
            },
            "items": {name: _item_data(one) for name, one in self.items.items()},
        }


def _item_data(bound: ItemBinding) -> dict[str, Any]:
    one = tuple(bound.columns) == ("",)
    return {
        **({"column": bound.columns[""]} if one else {"columns": dict(bound.columns)}),
        **({"recode": dict(bound.recode)} if bound.recode else {}),
        **({"missing": dict(bound.missing)} if bound.missing else {}),
    }


def _check(data: Any, owner: str, known: Sequence[str]) -> None:
    if not isinstance(data, Mapping):
        raise ConfigurationError(f"{owner}: is not a mapping; expected {', '.join(known)}.")
    for key in data:
        if key not in known:
            raise ConfigurationError(f"{owner}: has {key!r}; {expected_one_of(str(key), known)}")


def _item(data: Any, owner: str) -> ItemBinding:
    if isinstance(data, str):
        return ItemBinding({"": data})
    _check(data, owner, ("column", "columns", "recode", "missing"))
    column, columns = data.get("column"), data.get("columns")
    if (column is None) == (columns is None) or (columns is not None and not isinstance(columns, Mapping)):
        raise ConfigurationError(f"{owner}: expected column: NAME, or columns: with one for each option.")
    recode, missing = data.get("recode") or {}, data.get("missing") or {}
    if isinstance(missing, list):
        missing = dict.fromkeys(missing, "")
    if not isinstance(recode, Mapping) or not isinstance(missing, Mapping):
        raise ConfigurationError(f"{owner}: recode and missing: expected CODE: ANSWER and CODE: REASON.")
    return ItemBinding(
        {"": str(column)} if columns is None else {str(part): str(one) for part, one in columns.items()},
        {code_text(code): _spelt(answer) for code, answer in recode.items()},
        {code_text(code): str(reason or "") for code, reason in missing.items()},
    )


def _spelt(answer: Any) -> Any:
    """YAML reads a bare yes and no as truth values."""
    return {True: "yes", False: "no"}[answer] if isinstance(answer, bool) else answer


def _attribute(data: Any, owner: str) -> AttributeBinding:
    if isinstance(data, str):
        return AttributeBinding(data)
    _check(data, owner, ("column", "bins"))
    bins = data.get("bins") or []
    numbers = [one for one in bins if isinstance(one, int | float) and not isinstance(one, bool)]
    if not data.get("column") or len(numbers) != len(bins) or sorted(set(numbers)) != list(bins):
        raise ConfigurationError(
            f"{owner}: expected column: NAME and bins: rising numbers, such as [30, 65]."
        )
    return AttributeBinding(str(data["column"]), tuple(map(float, bins)))


def _text(value: Any, owner: str) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    raise ConfigurationError(f"{owner}: {value!r}; expected text.")


def proposed(data: Microdata, items: Iterable[Item]) -> str:
    """A binding file to edit, in YAML: for each item the column of its name, or the one whose label is most like it.

    Codes with their labels are written out, so that recoding is a matter of editing.
    """
    labels = {name: one.label or name for name, one in data.columns.items()}
    lines = [
        f"# How {data.path.name} answers the items. Edit it, then give it to harness humans add.",
        "# Remove items that people were not asked. recode: CODE: ANSWER; missing: CODE: REASON.",
    ]
    content = {
        "source": "",
        "licence": "",
        "weight": next((name for name in data.columns if re.fullmatch(r"(?i)w(eig)?h?t?s?", name)), None),
        "arm": None,
        "attributes": {},
        "items": {item.name: _proposal(item, data, labels) for item in items},
    }
    return "\n".join(lines) + "\n" + yaml_text(content)


def _proposal(item: Item, data: Microdata, labels: Mapping[str, str]) -> dict[str, Any]:
    if isinstance(item, MultipleChoice | Ranking | Allocation | Matrix):
        return {"columns": {part: _likely(f"{item.name}_{part}", part, labels) for part in item.choices}}
    column = _likely(item.name, item.question, labels)
    if column is None:
        return {"column": None}
    found = data.columns[column]
    answers = [code for code in found.labels if found.why_missing(code) is None]
    missing = {code: label for code, label in found.labels.items() if found.why_missing(code) is not None}
    return {
        "column": column,
        **({"recode": {code: _answer(item, found, code) for code in answers}} if answers else {}),
        **({"missing": missing} if missing else {}),
    }


def _answer(item: Item, column: MicrodataColumn, code: str) -> Any:
    """The answer whose words are a code's label; the code where none is."""
    label = column.labels[code].casefold()
    words: dict[str, Any] = {one.casefold(): one for one in (*item.choices, *item.opt_out)}
    if isinstance(item, Likert):
        words |= {item.label(point).casefold(): point for point in range(1, item.points + 1)}
        return words.get(label, int(code) if code.isdigit() else code)
    return words.get(label, code)


def _likely(name: str, question: str, labels: Mapping[str, str]) -> str | None:
    for column in labels:
        if column.casefold() == name.casefold():
            return column
    alike = {
        column: difflib.SequenceMatcher(None, question.casefold(), label.casefold()).ratio()
        for column, label in labels.items()
    }
    best = max(alike, key=lambda column: alike[column], default=None)
    return best if best is not None and alike[best] >= _LIKE else None
