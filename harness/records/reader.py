"""Reading record files: what can be read is kept, and what cannot is named."""

from __future__ import annotations

import gc
import hashlib
import io
import json
from codecs import BOM_UTF8
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from harness.addresses import without_secret_addresses
from harness.errors import HarnessError
from harness.records.comparisons import TYPES as COMPARISONS
from harness.records.lines import FAILED, FAILURE, FINISHED, RESULT, RecordFile, RecordSection
from harness.records.measurements import TYPES as MEASUREMENTS
from harness.records.measurements import Revisions
from harness.records.read_problems import Problem, note
from harness.text_files import encoding_of, repeated_key

if TYPE_CHECKING:
    from harness.records.record_schemas import FinishedTrialRecord, Scored

_NUMBERS = (int, float)
_DICT, _TEXT = frozenset({dict}), frozenset({str})
_TEXT_OR_NONE = frozenset({str, type(None)})
_NEEDED = itemgetter("metric", "value")
_OWNER = attrgetter("metric", "person")


def is_number(value: Any) -> bool:
    """Whether ``value`` is a number that can be counted with: finite, no truth value, no text."""
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        return False
    return bool(abs(value) < 1e300)


_MERGED = frozenset(
    {
        "run_id",
        "experiment",
        "group",
        "trial",
        "status",
        "samples",
        "usage",
        "kind",
        "reason",
        "attempt",
        "ended",
    }
)
_BULKY = ("transcript", "extraction", "corrections", "interventions")
_BUFFER = 1 << 18
MAX_LINE = 1 << 28
"""The longest line that is read: 256 MiB. A trial's record has some kilobytes, and a few megabytes at most."""
_NO_METADATA = "a record comes before any metadata line, so this file does not give the run's settings"
_TRIAL_KEYS = {"trial": str, "experiment": str, "group": str, "rep": int, "panel": int, "proposal": int}


@dataclass(slots=True)
class TrialHistory:
    """How one trial went over all its tries: the accepted record is the first that finished."""

    trial: str
    accepted: Mapping[str, Any] | None = None
    attempts: int = 0
    failures: list[Mapping[str, Any]] = field(default_factory=list)
    duplicates: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def tries(self) -> Iterator[Mapping[str, Any]]:
        """The records of all tries: failed, accepted and duplicate."""
        yield from self.failures
        if self.accepted is not None:
            yield self.accepted
        yield from self.duplicates


def stream(
    path: Path, problems: list[Problem] | None = None, *, lost: bool = False
) -> Generator[dict[str, Any]]:
    """Every line of ``path`` that is a JSON object, in order, one at a time.

    Problems are appended to ``problems``, or reported without such a list, as ``lost`` if the caller's result lacks
    them. Raises `HarnessError` when the file cannot be opened.
    """
    found: list[Problem] = [] if problems is None else problems
    try:
        for number, raw in _numbered_lines(path, found):
            record = _record(path, number, raw, found)
            if record is not None:
                yield record
    finally:
        if problems is None:
            note(found, lost=lost)


class Keep(Protocol):
    """What is kept of a record.

    One that has ``shape`` and ``quick`` too is given the lines of that shape decoded, instead of as dictionaries.
    """

    def __call__(self, record: dict[str, Any], /) -> Mapping[str, Any]: ...


Owners = tuple[tuple[str, str | None], ...]
"""Metric and person of each sample of a record."""


class SampleColumns(Sequence[Mapping[str, Any]]):
    """The samples of a record in columns. Most records of a run have the same owners in the same order."""

    __slots__ = ("owners", "reasons", "values")

    def __init__(self, owners: Owners, values: Sequence[Any], reasons: Sequence[str | None]) -> None:
        self.owners, self.values, self.reasons = owners, values, reasons

    @classmethod
    def of(cls, samples: Sequence[Mapping[str, Any]]) -> SampleColumns:
        """``samples`` in columns, which they may be already."""
        if isinstance(samples, SampleColumns):
            return samples
        owners = tuple((one["metric"], one.get("person")) for one in samples)
        reasons = [one.get("reason") for one in samples]
        return cls(owners, [one.get("value") for one in samples], reasons if any(reasons) else ())

    def __len__(self) -> int:
        return len(self.owners)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return list(self)[place]
        metric, person = self.owners[place]
        reason = self.reasons[place] if self.reasons else None
        return {"metric": metric, "person": person, "value": self.values[place], "reason": reason}


class Lean:
    """Keeps of records what a merge looks at. Equal owners become one object, across all files read with it."""

    def __init__(self) -> None:
        self._owners: dict[Owners, Owners] = {}

    @cached_property
    def shape(self) -> type[FinishedTrialRecord]:
        from harness.records.record_schemas import FinishedTrialRecord

        return FinishedTrialRecord

    def quick(self, line: FinishedTrialRecord) -> dict[str, Any]:
        """What is kept of a line that has the shape of a finished trial's."""
        return {
            "run_id": line.run_id,
            "trial": line.trial,
            "experiment": line.experiment,
            "group": line.group,
            "status": FINISHED,
            "samples": self._columns(line.samples),
            "usage": line.usage,
            "attempt": line.attempt,
            "ended": line.ended,
        }

    def _columns(self, samples: Sequence[Scored]) -> SampleColumns:
        owners = tuple(map(_OWNER, samples))
        reasons = [one.reason for one in samples]
        return SampleColumns(
            self._owners.setdefault(owners, owners),
            [one.value for one in samples],
            reasons if any(reasons) else (),
        )

    def __call__(self, record: dict[str, Any], /) -> dict[str, Any]:
        kept = {key: value for key, value in record.items() if key in _MERGED}
        if record["status"] == FINISHED:
            samples = SampleColumns.of(record["samples"])
            samples.owners = self._owners.setdefault(samples.owners, samples.owners)
            kept["samples"] = samples
        return kept


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for garbage meanwhile: records are trees, and to look for cycles among millions doubles the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_all(
    paths: Iterable[Path],
    *,
    keep: Keep | None = None,
    current: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[list[RecordFile], Revisions]:
    """Read the files of one or more runs, each sample by the metric's code that counts, and how that was decided.

    ``current`` has, by run, the metric code of the session that reads. Raises `HarnessError`.
    """
    paths = list(paths)
    files = [read(path, keep=keep) for path in paths]
    revisions = Revisions.of(files, current)
    if revisions:  # rare: the first reading, the quick one, told so
        files = [read(path, keep=keep, revisions=revisions) for path in paths]
    return files, revisions


def read(
    path: Path,
    *,
    bulky: bool = False,
    keep: Keep | None = None,
    hashed: bool = True,
    revisions: Revisions | None = None,
) -> RecordFile:
    """Read a file; transcripts and texts only when ``bulky``, or what ``keep`` keeps of each record.

    ``revisions`` replaces samples that a metric's earlier code computed. What cannot be read is noted (see
    `harness.records.read_problems`). ``sha256`` is empty unless ``hashed``. Raises `HarnessError` when it cannot be
    opened.
    """
    kept: Keep = keep or (_whole if bulky else _slim)
    problems: list[Problem] = []
    digest = hashlib.sha256()
    sections: list[RecordSection] = []
    measurements: list[Mapping[str, Any]] = []
    comparisons: list[Mapping[str, Any]] = []
    quick = _quick(kept)
    stale: Mapping[str, tuple[str | None, str]] = {}
    foreign = False
    for number, raw in _numbered_lines(path, problems, digest.update if hashed else None):
        record = None if stale else quick(raw)
        if record is None:
            found = _record(path, number, raw, problems)
            if found is None:
                continue
            if _begins(sections, found):
                if twice := repeated_key(raw):
                    told = f"the key {twice!r:.60} occurs twice; the last one counts"
                    problems.append(Problem(path, number, False, told, skipped=False))
                stale = revisions.stale(found) if revisions else {}
                continue
            if found.get("type") in MEASUREMENTS:
                measurements.append(found)
                continue
            if found.get("type") in COMPARISONS:
                comparisons.append(found)
                continue
            if _is_users_own(found):
                foreign = True
                continue
            if problem := _malformed(found):
                problems.append(Problem(path, number, False, problem))
                continue
            if stale and revisions and found["status"] == FINISHED:
                found = revisions.revised(found, stale)
            record = kept(found)
        if not sections:
            sections.append(RecordSection({}))
            if not problems:
                problems.append(Problem(path, number, False, _NO_METADATA, skipped=False))
        sections[-1].records.append(record)
    if not (sections or problems or foreign or measurements or comparisons):
        problems.append(Problem(path, 0, False, "is empty; expected a metadata line and records"))
    note(problems, lost=False)  # only a reader of the whole run knows whether it lacks anything
    return RecordFile(
        path,
        digest.hexdigest() if hashed else "",
        tuple(sections),
        tuple(problems),
        tuple(measurements),
        tuple(comparisons),
    )


def _quick(keep: Keep) -> Callable[[bytes], Mapping[str, Any] | None]:
    """What ``keep`` keeps of a line of the shape that it names; ``None`` for any other line."""
    shape = getattr(keep, "shape", None)
    if shape is None:
        return lambda _: None
    from harness.records.record_schemas import UNLIKE, decoder

    decode, quick = decoder(shape), keep.quick  # type: ignore[attr-defined]

    def kept(raw: bytes) -> Mapping[str, Any] | None:
        try:
            line = decode(raw)
        except UNLIKE:
            return None
        found: Mapping[str, Any] = quick(line)
        return found

    return kept


def _begins(sections: list[RecordSection], record: dict[str, Any]) -> bool:
    """Whether ``record`` is a metadata line, with which a section begins."""
    if record.get("type") != "run_metadata":
        return False
    sections.append(RecordSection(without_secret_addresses(record)))
    return True


def files_of_run(results_dir: Path, experiment: str, run_id: str) -> tuple[Path, ...]:
    """The files in ``results_dir`` that belong to a run, by name; told by their first readable line."""
    found = []
    for path in sorted(results_dir.glob("*.jsonl")):
        first = first_object(path)
        if first.get("run_id") == run_id and first.get("experiment") == experiment:
            found.append(path)
    return tuple(found)


def first_object(path: Path, problems: list[Problem] | None = None) -> dict[str, Any]:
    """The first line of ``path`` that is a JSON object, else empty. Raises `HarnessError`."""
    with closing(stream(path, problems)) as lines:
        return next(lines, {})


def outcomes(records: Iterable[Mapping[str, Any]]) -> dict[str, TrialHistory]:
    """Trial id → outcome: the earliest end counts, among equals the first of ``records``."""
    found: dict[str, TrialHistory] = {}
    for record in sorted(records, key=_age):
        outcome = found.setdefault(record["trial"], TrialHistory(record["trial"]))
        outcome.attempts += 1
        if record["status"] != FINISHED:
            outcome.failures.append(record)
        elif outcome.accepted is None:
            outcome.accepted = record
        else:
            outcome.duplicates.append(record)
    return found


def finished_trials(paths: Iterable[Path]) -> frozenset[str]:
    """Ids of the trials that need not run again, from the files of a run."""
    records = (record for path in paths for section in read(path).sections for record in section.records)
    return frozenset(trial for trial, outcome in outcomes(records).items() if outcome.accepted)


def _record(path: Path, number: int, raw: bytes, problems: list[Problem]) -> dict[str, Any] | None:
    try:
        record, oddities = _decoded(raw)
        problems += [Problem(path, number, False, oddity, skipped=False) for oddity in oddities]
        if not isinstance(record, dict):
            raise ValueError(f"expected a JSON object, found {type(record).__name__}")
    except (ValueError, RecursionError) as error:
        if raw.strip():
            problems.append(Problem(path, number, not raw.endswith((b"\n", b"\r")), _fault(error)))
        return None
    return record


def _fault(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"column {error.start + 1} has the byte 0x{error.object[error.start]:02x}, which is not UTF-8"
    return str(error)


def _decoded(raw: bytes) -> tuple[Any, list[str]]:
    """JSON and its peculiarities, by the fast decoder, or by Python's, which explains errors.

    Zero bytes around it are skipped: after a power loss they fill unwritten parts of a file, and what follows them is
    complete. Python reads NaN, which JSON lacks, and half a surrogate pair.
    """
    from orjson import JSONDecodeError, loads

    try:
        return loads(raw), []
    except JSONDecodeError:
        kept = raw.strip(b"\0 \t\r\n")
        zeros = raw.count(b"\0") if kept and b"\0" not in kept else 0
        constants: dict[str, float] = {}
        found = json.loads(
            (kept if zeros else raw).decode("utf-8"),
            parse_constant=lambda name: constants.setdefault(name, float(name)),
        )
        odd = [f"{zeros:,} zero bytes, where records may have stood"] * bool(zeros)
        return found, odd + [
            f"{name}, which is not a valid JSON number, counts as missing" for name in constants
        ]


def _numbered_lines(
    path: Path, problems: list[Problem], seen: Callable[[bytes], object] | None = None
) -> Iterator[tuple[int, bytes]]:
    """The lines of ``path`` in UTF-8, each with its number, from 1; ``seen`` is called with the file's own bytes.

    Lines may end as on any system, and the text may be UTF-16 or begin with a byte-order mark, as editors and
    spreadsheets save it. A line that is too long is left out and named in ``problems``.
    """
    number = 0
    for raw in _raw_lines(path, seen):
        place = raw.find(b"\r", 0, -1)
        if place < 0 or (place == len(raw) - 2 and raw.endswith(b"\n")):
            number += 1
            if len(raw) > MAX_LINE:
                problems.append(Problem(path, number, False, f"longer than {MAX_LINE:,} bytes"))
            else:
                yield number, raw
            continue
        for part in raw.splitlines(keepends=True):
            number += 1
            yield number, part


def _raw_lines(path: Path, seen: Callable[[bytes], object] | None) -> Iterator[bytes]:
    try:
        if path.exists() and not path.is_file():  # to open a pipe could wait for ever
            raise HarnessError(f"Could not read {path}: not a regular file; expected a file of records.")
        with io.BufferedReader(io.FileIO(path), _BUFFER) as file:
            name = encoding_of(file.peek(4)[:4])
            if name == "utf-8":
                yield from _bounded(file, seen)
            elif name == "utf-8-sig":
                lines = _bounded(file, seen)
                yield next(lines)[len(BOM_UTF8) :]
                yield from lines
            else:
                content = file.read()
                if seen:
                    seen(content)
                yield from _recoded(content, name)
    except OSError as error:
        raise HarnessError(f"Could not read {path}: {error.strerror}; expected a file of records.") from error


def _bounded(file: BinaryIO, seen: Callable[[bytes], object] | None) -> Iterator[bytes]:
    """Lines unchanged; of one that is too long, only its beginning, which is still too long."""
    whole = True
    while raw := file.readline(MAX_LINE + 1):
        if seen:
            seen(raw)
        if whole:
            yield raw
        whole = len(raw) <= MAX_LINE or raw.endswith(b"\n")


def _recoded(content: bytes, name: str) -> Iterator[bytes]:
    """Lines in UTF-8. Invalid characters stay invalid, so that their line is refused; a last half one is cut."""
    whole = len(content) - len(content) % (4 if name == "utf-32" else 2)
    text = content[:whole].decode(name, "surrogatepass" if name != "utf-32" else "replace")
    for line in io.StringIO(text, newline=""):  # at line ends alone; str.splitlines knows others too
        yield line.encode("utf-8", "surrogatepass")


def _is_users_own(record: Mapping[str, Any]) -> bool:
    """Whether a user wrote this line through the writers: it has a type that is not ours."""
    kind = record.get("type")
    return (
        isinstance(kind, str)
        and kind.isidentifier()
        and kind not in (RESULT, FAILURE)
        and "trial" not in record
    )


def _malformed(record: Mapping[str, Any]) -> str | None:
    for key, kind in _TRIAL_KEYS.items():
        if not isinstance(record.get(key), kind):
            return f"a record of type {record.get('type')!r} lacks a usable {key!r}: {record.get(key)!r:.60}"
    if record.get("status") not in (FINISHED, FAILED):
        return f"status {record.get('status')!r:.60}; expected {FINISHED!r} or {FAILED!r}"
    if record["status"] == FINISHED and not _are_samples(record.get("samples")):
        return f"trial {record['trial']:.80} has samples that are not a list of metrics with values"
    if not _is_usage(record.get("usage")):
        return f"trial {record['trial']:.80} has a usage that is not calls by kind, tokens and cost"
    return None


def _are_samples(value: Any) -> bool:
    # The innermost loops of all reading: by types as a whole, not sample by sample.
    if not isinstance(value, list) or not _DICT.issuperset(map(type, value)):
        return False
    try:
        metrics = [metric for metric, _ in map(_NEEDED, value)]
    except KeyError:
        return False
    persons = [one.get("person") for one in value]
    return _TEXT.issuperset(map(type, metrics)) and _TEXT_OR_NONE.issuperset(map(type, persons))


def _is_usage(value: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, dict) or not isinstance(calls := value.get("calls") or {}, dict):
        return False
    models = value.get("models") or []
    if not isinstance(models, list) or not all(
        isinstance(one, dict) and _names_a_model(one) for one in models
    ):
        return False
    faults, roles = value.get("usage_faults") or {}, value.get("roles") or {}
    if not isinstance(faults, dict) or not _counts_by_role(roles):
        return False
    numbers = (
        *calls.values(),
        *faults.values(),
        value.get("tokens_in"),
        value.get("tokens_out"),
        value.get("cost"),
    )
    return all(number is None or is_number(number) for number in numbers)


def _counts_by_role(value: Any) -> bool:
    counts = value.values() if isinstance(value, dict) else [None]
    return all(isinstance(one, dict) and all(isinstance(n, int) for n in one.values()) for one in counts)


def _names_a_model(value: Mapping[str, Any]) -> bool:
    named = all(isinstance(value.get(key), str | None) for key in ("model", "fingerprint"))
    return named and isinstance(value.get("replies"), int)


def _whole(record: dict[str, Any]) -> Mapping[str, Any]:
    return record


def _slim(record: dict[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in record.items() if key not in _BULKY}


def _age(record: Mapping[str, Any]) -> tuple[str, int]:
    attempt = record.get("attempt")
    return str(record.get("ended") or "~"), attempt if isinstance(attempt, int) else 0
