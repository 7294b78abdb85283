"""Reads record files into rows, one per try of a trial, and the samples of all tries into columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.model.roles import is_rehearsed
from harness.records.artifact import number
from harness.records.design import Design
from harness.records.filed_runs import is_named_for
from harness.records.lines import FINISHED, RecordFile
from harness.records.measurements import Revisions
from harness.records.read_problems import Problem, note
from harness.records.reader import outcomes, read, uncollected
from harness.reports.data.arrays import clean, text_array

if TYPE_CHECKING:
    import pyarrow as pa

    from harness.records.record_schemas import Tabled

Owner = tuple[str, str | None]
"""A metric, and the persona that a sample is about."""
Row = dict[str, Any]
_SAMPLE = ("metric", "person", "value", "reason", "justification")
_FAST = itemgetter(*_SAMPLE)
_OWNER = attrgetter("metric", "person")
_MARK = ("trial", "attempt", "status", "started", "ended")
_REPEATED = ("experiment", "group", "status", "people")
_MOST = 2**63
_EXACT = 2**53
"""Larger whole numbers are not all exact as floats, and Arrow refuses them."""
_WHOLE = frozenset({int})
_WHOLE_OR_NONE = frozenset({int, type(None)})


@dataclass(slots=True)
class RunRows:
    """One run: the first lines of its files, its tries in the order of reading, and its design if a file has it."""

    experiment: str
    run_id: str
    metadata: list[Mapping[str, Any]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    files: set[Path] = field(default_factory=set)
    unread: list[Problem] = field(default_factory=list)
    comparisons: list[Mapping[str, Any]] = field(default_factory=list)
    design: Design | None = None

    @property
    def unreadable(self) -> int:
        """The number of unreadable lines in its files."""
        return len(self.unread)

    def is_complete_for(self, path: Path) -> bool:
        """Whether ``path`` is a file of this run by its name, and the run is complete."""
        groups = () if self.design is None else self.design.groups
        return not self.is_incomplete and is_named_for(path, self.experiment, groups)

    @property
    def is_incomplete(self) -> bool:
        """Whether a planned trial has no accepted record."""
        accepted = {row["trial"] for row in self.rows if row["accepted"]}
        if self.design is None:
            return True
        return len(accepted) < self.design.trials_planned

    @property
    def rehearsal(self) -> bool:
        """Whether the rehearsal model answered or judged in any session of the run."""
        return any(
            one.get("provider") == "rehearsal" or is_rehearsed(one.get("settings") or {})
            for one in self.metadata
        )

    def said(self, *names: str) -> Any:
        """The value of the first of ``names`` in a metadata line or in its settings."""
        for entry in self.metadata:
            for source in (entry, entry.get("settings") or {}):
                for name in names:
                    if source.get(name) is not None:
                        return source[name]
        return None


@dataclass(slots=True)
class RecordRows:
    """All that was read. ``samples`` are in the order of ``rows``; ``sizes`` has their number per row."""

    runs: list[RunRows]
    rows: list[Row]
    sizes: list[int]
    samples: pa.Table
    problems: list[str]


class Gatherer:
    """Keeps a row of each record, and the samples in columns."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.parts: list[pa.Table] = []
        self._file = ""
        self._values: list[Any] = []
        self._reasons: list[Any] = []
        self._justifications: list[Any] = []
        self._texts: dict[str | None, str | None] = {}
        self._owners: dict[tuple[Owner, ...], tuple[Owner, ...]] = {}

    @cached_property
    def shape(self) -> type[Tabled]:
        from harness.records.record_schemas import Tabled

        return Tabled

    def quick(self, line: Tabled) -> Row:
        """The row of a line with the shape of a finished trial's."""
        samples = line.samples
        owners, values = tuple(map(_OWNER, samples)), [one.value for one in samples]
        self._reasons += [one.reason for one in samples]
        self._justifications += [one.justification for one in samples]
        return self._kept(_row(partial(getattr, line), values), owners, values)

    def __call__(self, record: dict[str, Any], /) -> Row:
        samples = _samples(record)
        owners, values = tuple([one[:2] for one in samples]), [one[2] for one in samples]
        self._reasons += [one[3] for one in samples]
        self._justifications += [one[4] for one in samples]
        return self._kept(_row(record.get, values), owners, values)

    def _kept(self, row: Row, owners: tuple[Owner, ...], values: list[Any]) -> Row:
        self._values += values
        for name in _REPEATED:
            row[name] = self._texts.setdefault(row[name], row[name])
        row["owners"] = self._owners.setdefault(owners, owners)
        row["number"] = len(self.rows)
        row["file"] = self._file
        self.rows.append(row)
        return row

    def start(self, path: Path) -> None:
        self._file = path.name

    def end(self) -> None:
        """Move the samples of a file into Arrow columns, which take a tenth of the memory."""
        columns = (self._values, self._reasons, self._justifications)
        self.parts.append(_columns(*columns))
        for one in columns:
            one.clear()


def gather(paths: Iterable[Path]) -> RecordRows:
    """Read ``paths``. Unreadable lines are skipped and listed in ``problems``.

    Raises `HarnessError` when a file cannot be opened.
    """
    paths = list(paths)
    with uncollected():
        gatherer, runs, problems, files = _read_all(paths, None)
        revisions = Revisions.of(files)
        if revisions:
            gatherer, runs, problems, files = _read_all(paths, revisions)
        bare = [file for file in files if not file.sections]
        for run in runs.values():
            compared = (line for file in files for line in file.comparisons)
            run.comparisons += [line for line in compared if line.get("run_id") == run.run_id]
            run.design = _design(run, problems)
            _settle(run)
            if run.is_incomplete:
                note(run.unread, lost=True)
        for file in bare:
            if not any(run.is_complete_for(file.path) for run in runs.values()):
                note(file.problems, lost=True)
    ordered = [runs[key] for key in sorted(runs, key=lambda key: (key[1], key[0]))]
    sizes = [row["samples"] for row in gatherer.rows]
    return RecordRows(ordered, gatherer.rows, sizes, _joined(gatherer), problems)


_Read = tuple[Gatherer, dict[tuple[str, str], RunRows], list[str], list[RecordFile]]


def _read_all(paths: Iterable[Path], revisions: Revisions | None) -> _Read:
    gatherer, runs, problems = Gatherer(), dict[tuple[str, str], RunRows](), list[str]()
    files = [_read(path, gatherer, runs, problems, revisions) for path in paths]
    return gatherer, runs, problems, files


def _read(
    path: Path,
    gatherer: Gatherer,
    runs: dict[tuple[str, str], RunRows],
    problems: list[str],
    revisions: Revisions | None,
) -> RecordFile:
    gatherer.start(path)
    file = read(path, keep=gatherer, hashed=False, revisions=revisions)
    gatherer.end()
    problems += [str(problem) for problem in file.problems]
    touched = []
    for section in file.sections:
        experiment, run_id = section.named("experiment"), section.named("run_id")
        if experiment is None or run_id is None:
            missing = "experiment" if experiment is None else "run_id"
            fault = f"names no {missing}; its {len(section.records)} records are left out"
            note([Problem(path, 0, False, fault)], lost=True)
            problems.append(f"{path} {fault}.")
            continue
        run = runs.setdefault((experiment, run_id), RunRows(experiment, run_id))
        run.metadata += [section.metadata] if section.metadata else []
        run.rows += [row for row in section.records if isinstance(row, dict)]
        run.files.add(path)
        touched.append(run)
    for run in touched[:1]:
        run.unread += file.problems
    return file


def _design(run: RunRows, problems: list[str]) -> Design | None:
    designs = []
    for entry in run.metadata:
        try:
            designs += [Design.from_metadata(entry["design"])] if entry.get("design") else []
        except HarnessError as error:
            problems.append(f"{run.experiment}, run {run.run_id}: {error}")
            note([Problem(min(run.files), 0, False, f"run {run.run_id}: {error}".rstrip("."))], lost=True)
    return designs[0].joined(designs[1:]) if designs else None


def _settle(run: RunRows) -> None:
    """Set each row's run, whether it is the accepted one of its trial, and whether the trial was planned."""
    rehearsal = run.rehearsal
    for row in run.rows:
        row["run"], row["accepted"] = run, False
        row["experiment"], row["run_id"], row["rehearsal"] = run.experiment, run.run_id, rehearsal
        row["planned"] = None if run.design is None else _is_planned(row, run.design)
    for outcome in outcomes(run.rows).values():
        if isinstance(outcome.accepted, dict):
            outcome.accepted["accepted"] = True


def _is_planned(row: Row, design: Design) -> bool:
    """Whether the design has the row's trial, by its id and its coordinates."""
    group, rep, panel, proposal = row["group"], row["rep"], row["panel"], row["proposal"]
    if rep is None or panel is None or proposal is None or group not in design.groups:
        return False
    known = range(design.proposals) if design.only is None else design.only
    inside = 1 <= rep <= design.reps and 0 <= panel < len(design.panels) and proposal in known
    inside = inside and panel in design.panels_of(group)
    name = f"{row['run'].experiment}/{group}/rep{rep}/panel{panel}/proposal{proposal}"
    return inside and row["trial"] == name


def _samples(record: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    if record["status"] != FINISHED:
        return []
    try:
        return list(map(_FAST, record["samples"]))
    except KeyError:
        return [tuple(map(sample.get, _SAMPLE)) for sample in record["samples"]]


def _row(get: Callable[[str], Any], values: Sequence[Any]) -> Row:
    """The row of a record or of a line that is known to be a finished trial's; ``get`` gives its fields."""
    usage, status = get("usage") or {}, get("status")
    failed = status != FINISHED
    calls = usage.get("calls") or {}
    return {
        "experiment": get("experiment"),
        "run_id": get("run_id"),
        "group": get("group"),
        "trial": get("trial"),
        "status": status,
        "started": get("started"),
        "ended": get("ended"),
        "rep": whole(get("rep")),
        "panel": whole(get("panel")),
        "proposal": whole(get("proposal")),
        "attempt": whole(get("attempt")),
        "calls_replayed": whole(get("calls_replayed")),
        "refusals": whole(get("refusals")),
        "rejections": _length(get("rejections")),
        "corrections": _length(get("corrections")),
        "interventions": _length(get("interventions")),
        "people": listed(get("people")),
        "kind": get("kind") if failed else None,
        "reason": get("reason") if failed else None,
        "duration": number(get("duration")),
        "calls_by_kind": calls,
        "calls": whole(sum(count or 0 for count in calls.values())),
        "tokens_in": whole(usage.get("tokens_in")),
        "tokens_out": whole(usage.get("tokens_out")),
        "cost": number(usage.get("cost")),
        "samples": len(values),
        "missing": _missing(values),
        "answered_by": _models(usage.get("models")),
    }


def _missing(values: Sequence[Any]) -> int:
    if _WHOLE.issuperset(map(type, values)):
        return 0
    return sum(1 for value in values if number(value) is None)


def _models(models: Any) -> str | None:
    return listed(dict.fromkeys(one["model"] for one in models if one.get("model"))) if models else None


def _columns(values: Sequence[Any], reasons: Sequence[Any], justifications: Sequence[Any]) -> pa.Table:
    import pyarrow as pa

    if _WHOLE_OR_NONE.issuperset(map(type, values)) and all(
        -_EXACT < value < _EXACT for value in set(values) - {None}
    ):
        numbers: Sequence[float | None] = values
    else:
        numbers = [None if (known := number(value)) is None else float(known) for value in values]
    why: list[str | None] = [None] * len(numbers)
    for place in [place for place, found in enumerate(numbers) if found is None]:
        why[place] = _why(values[place], reasons[place])
    return pa.table(
        {
            "value": pa.array(numbers, pa.float64(), from_pandas=False),
            "reason": text_array(why),
            "justification": text_array(justifications),
        }
    )


def _why(value: Any, reason: Any) -> str:
    if value is not None:
        return f"not a number: {value!r:.60}"
    return str(reason or "no reason recorded")


def _joined(gatherer: Gatherer) -> pa.Table:
    """The samples of all files, with their owners."""
    import pyarrow as pa

    rest = pa.concat_tables([_columns((), (), ()), *gatherer.parts])
    owners = [row["owners"] for row in gatherer.rows]
    names = {"metric": _names(owners, 0), "person": _names(owners, 1)}
    return pa.table({**names, **{name: rest.column(name) for name in rest.column_names}})


def _names(owners: Sequence[tuple[Owner, ...]], side: int) -> pa.Array:
    """The metrics (``side`` 0) or persons (1) of all ``owners``, each name stored once. Equal owners are one object."""
    import numpy as np
    import pyarrow as pa

    codes: dict[str, int] = {}
    coded: dict[int, Any] = {}
    for one in owners:
        if id(one) not in coded:
            texts = [owner[side] for owner in one]
            places = [-1 if text is None else codes.setdefault(clean(text), len(codes)) for text in texts]
            coded[id(one)] = np.array(places, dtype=np.int32)
    found = np.concatenate([np.empty(0, np.int32), *(coded[id(one)] for one in owners)])
    return pa.DictionaryArray.from_arrays(pa.array(found, mask=found < 0), text_array(list(codes)))


def record_mark(record: Mapping[str, Any]) -> tuple[str, ...]:
    """What tells one record of a run from the others, in a line of a file and in its row."""
    return tuple(str(record.get(name)) for name in _MARK)


def whole(value: Any) -> int | None:
    """``value`` if it is a whole number of 64 bits, else ``None``."""
    return value if type(value) is int and -_MOST <= value < _MOST else None


def listed(values: Any) -> str | None:
    """Several names as one text."""
    if not isinstance(values, Iterable) or isinstance(values, str):
        return None
    return "; ".join(map(str, values)) or None


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0
