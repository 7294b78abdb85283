"""Typed decoders for lines of finished trials, exactly as `harness.records.lines.trial_line` writes them.

A reader that declares its fields skips all others, and gets valid values. A line of any other shape raises; then
`harness.records.reader` reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta, MsgspecError, Raw, Struct
from msgspec.json import Decoder

UNLIKE = (MsgspecError, UnicodeDecodeError, RecursionError)
"""What `decoder` raises for a line of another shape."""

if TYPE_CHECKING:
    Skipped = Any
else:
    Skipped = Raw
"""A skipped field; shapes that need it declare its type."""

Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""Beyond 64 bits decoders disagree, so there the other reader decides."""
Number = Whole | Annotated[float, Meta(gt=-1e300, lt=1e300)]


class Model(TypedDict):
    model: str | None
    fingerprint: str | None
    replies: Whole


class Used(TypedDict):
    calls: dict[str, Number]
    tokens_in: Number
    tokens_out: Number
    cost: Number | None
    cost_reason: str | None
    models: list[Model]
    usage_faults: NotRequired[dict[str, Whole]]
    roles: NotRequired[dict[str, dict[str, Whole]]]


class Scored(Struct, gc=False):
    """A sample without its justification."""

    metric: str
    person: str | None
    value: Number | None
    reason: str | None


class FinishedTrialRecord(Struct, gc=False, kw_only=True, forbid_unknown_fields=True):
    """What every reader of a finished trial looks at; what is `Skipped` may be missing."""

    type: Literal["trial_result"]
    status: Literal["finished"]
    run_id: str
    trial: str
    experiment: str
    group: str
    rep: Whole
    panel: Whole
    proposal: Whole
    usage: Used
    attempt: Whole
    started: str
    ended: str
    samples: list[Scored]
    people: Skipped = Raw()
    proposal_fields: Skipped = Raw()
    transcript: Skipped = Raw()
    extraction: Skipped = Raw()
    corrections: Skipped = Raw()
    interventions: Skipped = Raw()
    paid: Skipped = Raw()
    calls_replayed: Skipped = Raw()
    refusals: Skipped = Raw()
    rejections: Skipped = Raw()
    replies: Skipped = Raw()
    duration: Skipped = Raw()
    answers: Skipped = Raw()
    order: Skipped = Raw()


class EventRecord(TypedDict):
    """What the checks need of a line of a transcript."""

    step: Whole
    person: str
    kind: str
    type: str
    content: str
    source: str


class Examined(FinishedTrialRecord, gc=False, kw_only=True, forbid_unknown_fields=True):
    """What the checks of an instrument look at."""

    people: list[str]
    transcript: list[EventRecord]
    refusals: Whole
    rejections: list[dict[str, Any]]
    replies: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    order: dict[str, Any] = {}


class Justified(Scored, gc=False, kw_only=True):
    """A sample with its justification."""

    justification: str | None


class Tabled(FinishedTrialRecord, gc=False, kw_only=True, forbid_unknown_fields=True):
    """What tables show; of what is only counted, nothing but the number is made."""

    samples: list[Justified]  # type: ignore[assignment]
    people: list[str]
    corrections: list[Raw]
    interventions: list[Raw]
    rejections: list[Raw]
    calls_replayed: Whole
    refusals: Whole
    duration: Number


def decoder(shape: type[FinishedTrialRecord]) -> Callable[[bytes], Any]:
    """A function from a line to ``shape``. It raises one of `UNLIKE` for a line of another shape."""
    decode = Decoder(shape).decode

    def decoded(raw: bytes) -> Any:
        if not raw.isascii():
            raw.decode()  # msgspec does not check skipped fields for broken UTF-8
        return decode(raw)

    return decoded
