"""People's answers to a survey, bound to its items: made from microdata, and kept beside the results they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, HarnessError, expected_one_of
from harness.humans.binding import AttributeBinding, Binding, ItemBinding
from harness.humans.microdata import Microdata, as_number, code_text, read_microdata
from harness.humans.recoding import RecodedItem, recoded
from harness.model import Experiment
from harness.model.survey.item import Item
from harness.model.survey.items import read_items
from harness.model.survey.survey import Survey
from harness.records.atomic import write_atomic
from harness.records.writer import safe_name
from harness.text_files import read_json

FOLDER = "humans"
"""The folder of human data within a folder of results."""
FORMAT, VERSION = "people's answers", 1
MOST_ROWS_NAMED = 3


@dataclass(frozen=True, eq=False)
class Humans:
    """People's answers to the items of a survey, an entry per respondent; only what was mapped is kept.

    Fields:
        name: what messages and reports call the data; also the name of its file.
        items: the items that people answered, as they were declared.
        answers: item → an answer per respondent, as the item reads it; ``None`` is missing.
        missing: item → reason → number of respondents.
        weights: a weight per respondent, or ``None``.
        arms: the experiment's group per respondent (``None`` for one without), or ``None`` if they are no experiment.
        attributes: name → a value per respondent.
        bins: attribute → the least numbers of all its groups but the first.
        source, licence: where the data come from, and what may be done with them.
        file: name, size in bytes and SHA-256 of the microdata.
        binding: how they were read.
        tables: item → what became of each code, for a reader; not kept in the file.
    """

    name: str
    items: tuple[Item, ...]
    answers: Mapping[str, tuple[Any, ...]]
    missing: Mapping[str, Mapping[str, int]]
    weights: tuple[float, ...] | None
    arms: tuple[str | None, ...] | None
    attributes: Mapping[str, tuple[str | None, ...]]
    bins: Mapping[str, tuple[float, ...]]
    source: str
    licence: str
    file: Mapping[str, Any]
    binding: Mapping[str, Any]
    tables: Mapping[str, Sequence[tuple[str, str, str, int]]] = field(default_factory=dict, repr=False)

    @property
    def respondents(self) -> int:
        return len(next(iter(self.answers.values()), ()))

    def __repr__(self) -> str:
        return f"Humans({self.name!r}: {self.respondents:,} people, {', '.join(self.answers)})"

    def save(self, results: Path | str) -> Path:
        """Write the data beside the results in the folder ``results``; return the file."""
        path = Path(results) / FOLDER / f"{safe_name(self.name)}.json"
        own = {
            one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("items", "tables")
        }
        items = [item.declared for item in self.items]
        write_atomic(path, {"format": FORMAT, "version": VERSION, **own, "items": items})
        return path

    @classmethod
    def read(cls, path: Path) -> Humans:
        """Read a file that `save` wrote. Raises `ConfigurationError` for a torn or foreign one."""
        data = read_json(path, str(path), expected="people's answers as harness keeps them")
        if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("version") != VERSION:
            raise ConfigurationError(
                f"{path}: does not hold people's answers (version {VERSION}); expected a file that harness wrote. "
                "Restore it, or add the data again."
            )
        try:
            return cls._from(data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError(
                f"{path}: is not whole ({type(error).__name__}: {error}); expected a file as harness wrote it. "
                "Restore it, or add the data again."
            ) from None

    @classmethod
    def _from(cls, data: Mapping[str, Any]) -> Humans:
        items = read_items(data["items"])
        weights, arms = data["weights"], data["arms"]
        found = cls(
            str(data["name"]),
            items,
            {name: tuple(answers) for name, answers in data["answers"].items()},
            data["missing"],
            None if weights is None else tuple(map(float, weights)),
            None if arms is None else tuple(arms),
            {name: tuple(values) for name, values in data["attributes"].items()},
            {name: tuple(map(float, bins)) for name, bins in data["bins"].items()},
            str(data["source"]),
            str(data["licence"]),
            data["file"],
            data["binding"],
        )
        columns = [
            *found.answers.values(),
            *found.attributes.values(),
            *(one for one in (weights, arms) if one),
        ]
        if {len(one) for one in columns} != {found.respondents} or set(found.answers) != {
            one.name for one in items
        }:
            raise ValueError("its columns have different lengths")
        for item in items:
            for answer in found.answers[item.name]:
                if answer is not None and item.kind != "free_text" and item.kind != "matrix":
                    item.read(answer)
        return found


def load_humans(
    path: Path | str,
    survey: Survey | Experiment | Iterable[Item],
    binding: Binding | Mapping[str, Any] | Path | str,
    *,
    name: str | None = None,
    weight: str | None = None,
    arm: str | None = None,
    attributes: Mapping[str, Any] | Sequence[str] = (),
    source: str = "",
    licence: str = "",
    groups: Sequence[str] | None = None,
) -> Humans:
    """Read people's answers from microdata (CSV, Parquet, SPSS, Stata) and bind them to the items of ``survey``.

    ``binding`` says which column answers which item: a mapping such as ``{"trust": "V201", "budget[roads]": "V7a"}``
    (or ``{"stay": {"column": "V202", "recode": {1: "yes", 2: "no"}}}``), or the path of a binding file. ``weight`` is
    the column of weights, ``arm`` that of the arm where people were an experiment too. ``attributes`` maps attributes
    of subgroups to columns (or to ``{"column": "age", "bins": [30, 65]}``). ``groups`` are the arms' names, known where
    ``survey`` is an experiment. Raises `ConfigurationError` with every fault found.

    >>> load_humans("anes.sav", trust, {"trust": "V201"}, weight="V101", source="ANES 2020")  # doctest: +SKIP
    """
    data = read_microdata(Path(path))
    if isinstance(survey, Experiment):
        groups = groups or [group.name for group in survey.groups]
        survey = survey.play if isinstance(survey.play, Survey) else ()
    items = {item.name: item for item in (survey.items if isinstance(survey, Survey) else survey)}
    if not isinstance(binding, Binding):
        options: dict[str, Any] = {"weight": weight, "arm": arm, "attributes": attributes}
        binding = (
            Binding.of(binding, source=source, licence=licence, **options)
            if isinstance(binding, Mapping)
            else Binding.read(Path(binding))
        )
    return bound(data, items, binding, name or data.path.stem, groups)


def bound(
    data: Microdata,
    items: Mapping[str, Item],
    binding: Binding,
    name: str,
    groups: Sequence[str] | None = None,
) -> Humans:
    """The data as answers to ``items``. Raises `ConfigurationError` with every fault found."""
    problems: list[str] = []

    def tried(read: Callable[[], Any]) -> Any:
        try:
            return read()
        except ConfigurationError as error:
            problems.extend(error.problems)
            return None

    found, attributes = {}, {}
    for one, columns in binding.items.items():
        found[one] = tried(partial(_recoded, one, items, columns, data))
    weights = tried(partial(_weights, data, binding.weight)) if binding.weight else None
    arms = tried(partial(_arms, data, binding, groups)) if binding.arm else None
    for one, column in binding.attributes.items():
        attributes[one] = tried(partial(_attribute, data, one, column))
    if not found and not problems:
        problems.append(f"{data.path.name}: no column is bound to an item; expected at least one.")
    if problems:
        raise ConfigurationError(*problems)
    return Humans(
        name,
        tuple(items[one] for one in found),
        {one: made.answers for one, made in found.items()},
        {one: made.missing for one, made in found.items()},
        weights,
        arms,
        attributes,
        {one: column.bins for one, column in binding.attributes.items() if column.bins},
        binding.source,
        binding.licence,
        {"name": data.path.name, "bytes": data.bytes, "sha256": data.sha256},
        binding.data,
        {one: made.table for one, made in found.items()},
    )


def _recoded(name: str, items: Mapping[str, Item], columns: ItemBinding, data: Microdata) -> RecodedItem:
    return recoded(_item(name, items, columns.columns), columns, data)


def _item(name: str, items: Mapping[str, Item], columns: Mapping[str, str]) -> Item:
    if name not in items:
        raise ConfigurationError(f"Item {name!r}: the survey has none; {expected_one_of(name, list(items))}")
    item, parts = items[name], set(columns)
    several = item.kind in ("multiple_choice", "ranking", "allocation", "matrix")
    if not several and parts != {""}:
        raise ConfigurationError(f"Item {name!r}: is answered by one column; {len(parts)} are bound to it.")
    if several:
        wanted = set(item.choices)
        for part in parts - wanted:
            raise ConfigurationError(
                f"Item {name!r}: has no part {part!r}; {expected_one_of(part, list(item.choices))}"
                if part
                else f"Item {name!r}: has a column for each of its {len(wanted)} parts; expected {name}[PART] for each."
            )
        if wanted - parts and item.kind != "matrix":
            raise ConfigurationError(
                f"Item {name!r}: no column for {sorted(wanted - parts)[0]!r}; expected one."
            )
    return item


def _weights(data: Microdata, column: str) -> tuple[float, ...]:
    values = data.column(column, "Weight").values
    numbers = [as_number(value) for value in values]
    bad = [row for row, number in enumerate(numbers, start=1) if number is None or number < 0]
    if bad:
        shown = ", ".join(f"row {row}: {values[row - 1]}" for row in bad[:MOST_ROWS_NAMED])
        raise ConfigurationError(
            f"Weight: column {column!r} of {data.path.name} is negative, missing or not a number for {len(bad):,} of "
            f"{len(values):,} people ({shown}); expected a number of 0 or more for each. Leave those people out, or "
            "choose another column."
        )
    if not any(numbers):
        raise ConfigurationError(f"Weight: column {column!r} of {data.path.name} is 0 throughout.")
    return tuple(number for number in numbers if number is not None)


def _arms(data: Microdata, binding: Binding, groups: Sequence[str] | None) -> tuple[str | None, ...]:
    assert binding.arm is not None
    column = data.column(binding.arm, "Arm")
    known = {group.casefold(): group for group in groups or ()}
    found: list[str | None] = []
    unknown: dict[str, str] = {}
    for value in column.values:
        if column.why_missing(value) is not None:
            found.append(None)
            continue
        words = binding.arms.get(code_text(value)) or column.words(value)
        group = known.get(words.casefold()) if groups is not None else words
        if group is None:
            unknown[words] = code_text(value)
        found.append(group)
    if unknown:
        named = ", ".join(sorted(unknown))
        raise ConfigurationError(
            f"Arm: column {binding.arm!r} of {data.path.name} has {named}; expected the experiment's groups, "
            f"{', '.join(groups or ())}. Map them as arms: CODE: GROUP in a binding file."
        )
    if len(set(found) - {None}) < 2:
        raise ConfigurationError(
            f"Arm: column {binding.arm!r} of {data.path.name} has one arm; expected two."
        )
    return tuple(found)


def _attribute(data: Microdata, name: str, bound: AttributeBinding) -> tuple[str | None, ...]:
    column = data.column(bound.column, f"Attribute {name!r}")
    return tuple(
        None if column.why_missing(value) is not None else column.words(value) for value in column.values
    )


def binned(value: str | None, bins: Sequence[float]) -> str | None:
    """The subgroup of a value: itself without ``bins``, else the range that holds its number.

    >>> binned("41", (30, 65)), binned("12", (30, 65)), binned("80", (30, 65))
    ('30 to below 65', 'below 30', '65 or more')
    """
    if value is None or not bins:
        return value
    number = as_number(value)
    if number is None:
        return None
    above = [least for least in bins if number >= least]
    if not above:
        return f"below {bins[0]:g}"
    if len(above) == len(bins):
        return f"{bins[-1]:g} or more"
    return f"{above[-1]:g} to below {bins[len(above)]:g}"


def has_humans(results: Path) -> bool:
    """Whether there are human data beside the results in a folder."""
    return any((results / FOLDER).glob("*.json"))


def humans_in(results: Path) -> dict[str, Humans]:
    """The human data beside the results in a folder, by name. Raises `ConfigurationError`."""
    folder = results / FOLDER if results.is_dir() else results.parent / FOLDER
    found = [Humans.read(path) for path in sorted(folder.glob("*.json"))]
    return {one.name: one for one in found}


def humans_named(results: Path, name: str | None = None) -> Humans:
    """The human data of that name, or the only ones. Raises `ConfigurationError`."""
    known = humans_in(results)
    if not known:
        raise HarnessError(f"{results}: has no human data; expected some that were added.")
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name is None or name not in known:
        wanted = "several human data" if name is None else f"no human data {name!r}"
        raise ConfigurationError(f"{results}: has {wanted}; {expected_one_of(name or '', list(known))}")
    return known[name]
