"""Build and parse the ids of a study. A malformed id is refused with the reason.

    study         tax-debate                    lower-case kebab
    batch         b20261120-2210-threshold-v01  date, time (UTC), intent, version
    variant       vr-threshold-3-s42            axis, value as a slug, seed
    revisions     scn-v01, cfg-v01

Versions count from 01 in two digits, then 100, 101, … after 99. A variant of a full factorial names each
axis: ``vr-threshold-3__steps-5-s42``. The slug of a value keeps ``a-z``, ``0-9``, ``-`` and ``.``; every other byte of
its UTF-8 becomes ``_`` and two hex digits (``openai:gpt-5`` is ``openai_3agpt-5``), so that it can be decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NoReturn

from harness.errors import ConfigurationError

Value = str | int | float | bool

COMMON_AXES = (
    "seed",
    "threshold",
    "chunk-size",
    "model",
    "routine-model",
    "provider",
    "rate",
    "steps",
    "people",
)
"""Axes that every experiment has; an experiment may declare its settings as further axes."""

LONGEST = 120
_KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_VERSION = re.compile(r"0[1-9]|[1-9][0-9]{1,5}")
_BATCH = re.compile(r"b([0-9]{8})-([0-9]{4})-(.+)-v([0-9]+)", re.DOTALL)
_VARIANT = re.compile(r"vr-(.+)-s(0|[1-9][0-9]{0,17})", re.DOTALL)
_REVISION = re.compile(r"(scn|cfg)-v([0-9]+)")
_PLAIN = re.compile(rb"[a-z0-9.-]")
_SLUG = re.compile(r"(?:[a-z0-9.-]|_[0-9a-f]{2})+")
_ESCAPED = re.compile(rb"_([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class BatchId:
    """``moment`` is UTC, to the minute."""

    moment: datetime
    intent: str
    version: int

    def __str__(self) -> str:
        return f"b{self.moment.astimezone(UTC):%Y%m%d-%H%M}-{self.intent}-v{self.version:02}"


@dataclass(frozen=True, slots=True)
class VariantId:
    """``values`` has the text of each axis's value, in the order of the id."""

    values: tuple[tuple[str, str], ...]
    seed: int

    @property
    def axes(self) -> tuple[str, ...]:
        return tuple(axis for axis, _ in self.values)

    def __str__(self) -> str:
        return f"vr-{'__'.join(f'{axis}-{slug(value)}' for axis, value in self.values)}-s{self.seed}"


@dataclass(frozen=True, slots=True)
class Revision:
    """``kind`` is ``scn`` (scenario) or ``cfg`` (configuration)."""

    kind: Literal["scn", "cfg"]
    number: int

    def __str__(self) -> str:
        return f"{self.kind}-v{self.number:02}"

    @property
    def following(self) -> Revision:
        """The next one, when something changed."""
        return Revision(self.kind, self.number + 1)


def study_id(text: str) -> str:
    """``text``, if it names a study. Raises `ConfigurationError`."""
    if not _KEBAB.fullmatch(text) or len(text) > LONGEST:
        _refuse("Study", text, "lower-case letters, digits and single hyphens, such as tax-debate")
    return text


def parse_batch(text: str) -> BatchId:
    """Raises `ConfigurationError` for an invalid batch id, or one with a date that does not exist."""
    shape = "bYYYYMMDD-HHMM-<intent>-vNN, such as b20261120-2210-threshold-v01"
    found = _BATCH.fullmatch(text)
    if not found or len(text) > LONGEST:
        _refuse("Batch", text, shape)
    day, time, intent, version = found.groups()
    if not _KEBAB.fullmatch(intent):
        _refuse(
            "Batch",
            text,
            f"an intent of lower-case letters, digits and single hyphens in place of {intent!r}",
        )
    try:
        moment = datetime.strptime(f"{day}{time}+0000", "%Y%m%d%H%M%z")
    except ValueError:
        _refuse("Batch", text, f"a date and time that exist in place of {day}-{time}")
    return BatchId(moment, intent, _version("Batch", text, version))


def is_batch(text: str) -> bool:
    """Whether ``text`` is a batch id."""
    try:
        parse_batch(text)
    except ConfigurationError:
        return False
    return True


def make_batch(moment: datetime, intent: str, taken: Iterable[str] = ()) -> BatchId:
    """A new id, of the first version that is not among the ids ``taken``. Raises `ConfigurationError`."""
    minute = moment.astimezone(UTC).replace(second=0, microsecond=0)
    ids, version = set(taken), 1
    while str(BatchId(minute, intent, version)) in ids:
        version += 1
    return parse_batch(str(BatchId(minute, intent, version)))


def parse_revision(text: str, kind: str) -> Revision:
    """The revision ``text`` of a ``kind``, ``scn`` or ``cfg``. Raises `ConfigurationError`."""
    found = _REVISION.fullmatch(text)
    if not found or found[1] != kind:
        _refuse("Revision", text, f"{kind}-vNN, such as {kind}-v01")
    return Revision("scn" if kind == "scn" else "cfg", _version("Revision", text, found[2]))


def vocabulary(declared: Iterable[str] = ()) -> tuple[str, ...]:
    """The closed vocabulary of axes: the common ones and those that an experiment ``declared``.

    Raises `ConfigurationError` for a name that is not kebab-case, or that begins with another and a hyphen: its id
    would be ambiguous.
    """
    axes = tuple(dict.fromkeys((*COMMON_AXES, *(axis_of(name) for name in declared))))
    for axis in axes:
        if not _KEBAB.fullmatch(axis):
            _refuse("Axis", axis, "lower-case letters, digits, single hyphens or underscores")
        for other in axes:
            if axis.startswith(f"{other}-"):
                _refuse("Axis", axis, f"a name that does not begin with another axis's, {other!r}")
    return axes


def axis_of(setting: str) -> str:
    """The axis that varies an experiment's setting: ``chunk_size`` by ``chunk-size``."""
    return setting.replace("_", "-")


def make_variant(values: Mapping[str, Value], seed: int, axes: Sequence[str] = COMMON_AXES) -> VariantId:
    """The variant that sets each axis to its value; what it gives can be parsed. Raises `ConfigurationError`."""
    return parse_variant(
        str(VariantId(tuple((axis, text_of(value)) for axis, value in values.items()), seed)), axes
    )


def parse_variant(text: str, axes: Sequence[str] = COMMON_AXES) -> VariantId:
    """The variant id ``text`` in the vocabulary ``axes``. Raises `ConfigurationError`."""
    found = _VARIANT.fullmatch(text)
    if not found or len(text) > LONGEST:
        _refuse(
            "Variant",
            text,
            f"vr-<axis>-<value>-s<seed>, at most {LONGEST} characters, such as vr-threshold-3-s42",
        )
    values = tuple(_axis_and_value(text, part, axes) for part in found[1].split("__"))
    names = [axis for axis, _ in values]
    if len(set(names)) < len(names):
        _refuse("Variant", text, "each axis once")
    seed = int(found[2])
    if dict(values).get("seed", str(seed)) != str(seed):
        _refuse("Variant", text, "the same seed twice")
    return VariantId(values, seed)


def _axis_and_value(text: str, part: str, axes: Sequence[str]) -> tuple[str, str]:
    axis = next((name for name in axes if part.startswith(f"{name}-")), None)
    if axis is None:
        _refuse("Variant", text, f"one of the axes {', '.join(axes)}, a hyphen and a value")
    try:
        return axis, unslug(part[len(axis) + 1 :])
    except ValueError as error:
        _refuse("Variant", text, f"a value as its slug has it ({error})")


def slug(value: str) -> str:
    """``value`` in characters that any file system takes; `unslug` gives it back."""
    return "".join(
        chr(byte) if _PLAIN.fullmatch(bytes([byte])) else f"_{byte:02x}" for byte in value.encode("utf-8")
    )


def unslug(text: str) -> str:
    """The value whose slug is ``text``. Raises `ValueError` for what is not a slug."""
    if not _SLUG.fullmatch(text):
        raise ValueError(f"{text!r:.60} has other characters")
    value = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), text.encode("ascii")).decode("utf-8")
    if slug(value) != text:
        raise ValueError(f"{text!r:.60} would be written {slug(value)!r:.60}")
    return value


def text_of(value: Value) -> str:
    """A value as ids spell it: ``0.5``, ``3``, ``true``."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def value_of(text: str) -> Value:
    """The value that ``text`` spells: a number or truth value where that gives ``text`` again, else the text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if str(value) == text and text not in ("nan", "inf", "-inf"):
            return value
    return text


def _version(what: str, text: str, digits: str) -> int:
    if not _VERSION.fullmatch(digits):
        _refuse(what, text, "a version of two digits from 01, or more digits from 100 on")
    return int(digits)


def _refuse(what: str, text: str, expected: str) -> NoReturn:
    raise ConfigurationError(f"{what} {text!r:.140}: expected {expected}.")
