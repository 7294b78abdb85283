"""Answers to one item by one side, and the scale on which they are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Codes = NDArray[np.int64]

Kind = Literal["nominal", "ordinal", "numeric"]
Form = Literal["plain", "several", "ranking", "allocation"]


@dataclass(frozen=True, slots=True)
class AnswerScale:
    """What the answers to an item can be.

    An answer has a value per part: ``parts`` are the options of a multiple choice, a ranking or an allocation, and one
    empty name for every other item. Values are places in ``levels`` (0 is the first), or numbers where ``kind`` is
    ``numeric``. ``numbers`` has the number of each level, for means; none where levels have no order. ``least`` and
    ``most`` bound numbers; not given, they are the least and the most that people answered. ``binary`` says that the
    mean of the two levels' numbers is the share of the first level.
    """

    item: str
    kind: Kind
    levels: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()
    parts: tuple[str, ...] = ("",)
    form: Form = "plain"
    least: float | None = None
    most: float | None = None
    whole: bool = False
    question: str = ""
    unit: str = ""

    @property
    def binary(self) -> bool:
        return self.kind == "nominal" and self.form == "plain" and len(self.levels) == 2

    @property
    def distance(self) -> str:
        """The distance that decides: total variation without an order, else Wasserstein's."""
        return "total variation" if self.kind == "nominal" else "Wasserstein"


@dataclass(frozen=True, eq=False)
class AnswerSample:
    """Answers to one item by one side, a row per answer: people, or one arm of a run.

    ``values`` is answers × parts, in the form that `AnswerScale` says. ``persons`` numbers who answered: several
    answers of one person count as one person, and ``names`` has their names. ``attributes`` has who the person of each
    answer is: name → a value per answer. ``opted_out`` is the weighted share of those asked who chose an opt-out
    such as "don't know", and ``missing`` the number of answers without a value. Both are outside ``values``.
    """

    values: Numbers
    weights: Numbers
    persons: Codes
    opted_out: float = 0.0
    missing: int = 0
    names: tuple[str, ...] = field(default=(), repr=False)
    attributes: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        values: Sequence[Sequence[float]] | Sequence[float] | Numbers,
        weights: Sequence[float] | Numbers | None = None,
        persons: Sequence[str] | None = None,
        *,
        opted_out: float = 0.0,
        missing: int = 0,
        attributes: Mapping[str, Sequence[str | None]] | None = None,
    ) -> AnswerSample:
        """A sample from one value, or one row of values, per answer; by default each of another person, weighted 1."""
        import numpy as np

        rows = np.asarray(values, dtype=float)
        rows = rows[:, None] if rows.ndim == 1 else rows
        count = len(rows)
        weighted = np.ones(count) if weights is None else np.asarray(weights, dtype=float)
        who = {name: tuple(column) for name, column in (attributes or {}).items()}
        if persons is None:
            return cls(rows, weighted, np.arange(count), opted_out, missing, (), who)
        names = tuple(dict.fromkeys(persons))
        places = {name: place for place, name in enumerate(names)}
        codes = np.array([places[name] for name in persons], dtype=np.int64)
        return cls(rows, weighted, codes, opted_out, missing, names, who)

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def people(self) -> int:
        """How many persons answered."""
        return len(set(self.persons.tolist()))

    @cached_property
    def effective_n(self) -> float:
        """Kish's effective number of persons, (Σw)² / Σw², with w the sum of a person's weights (Kish 1965)."""
        import numpy as np

        if not len(self):
            return 0.0
        per_person = np.bincount(self.persons, self.weights)
        return float(per_person.sum() ** 2 / (per_person**2).sum())

    def subgroup(self, attribute: str, value: str) -> AnswerSample:
        """The answers of persons with this value. Opt-outs and missing answers are not divided: both become 0."""
        import numpy as np

        mine = np.array([one == value for one in self.attributes[attribute]], dtype=bool)
        codes, persons = np.unique(self.persons[mine], return_inverse=True)
        names = tuple(self.names[code] for code in codes) if self.names else ()
        return AnswerSample(self.values[mine], self.weights[mine], persons.astype(np.int64), names=names)


@dataclass(frozen=True, eq=False)
class AnswerMean:
    """A weighted mean with its variance over persons (Taylor linearisation, as for surveys) and degrees of freedom."""

    mean: float
    variance: float | None
    df: float


def weighted_mean(numbers: Numbers, sample: AnswerSample) -> AnswerMean | None:
    """The mean of ``numbers``, one per answer of ``sample``; ``None`` without answers. One person has no variance."""
    import numpy as np

    if not len(numbers):
        return None
    total = sample.weights.sum()
    mean = float((sample.weights * numbers).sum() / total)
    scores = np.bincount(sample.persons, sample.weights * (numbers - mean))
    count = sample.people
    if count < 2:
        return AnswerMean(mean, None, 0.0)
    variance = count / (count - 1) * float((scores**2).sum()) / total**2
    return AnswerMean(mean, variance, max(sample.effective_n - 1, 1.0))
