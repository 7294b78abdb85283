"""Populations: personas with their origin, a hash, and how they were chosen; samples and weights of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, SupportsIndex, overload

from harness.errors import ConfigurationError
from harness.model import Draw, Persona, attributes_of
from harness.personas.documents import canonical, plain_values
from harness.personas.sampling import (
    Sampler,
    check_seed,
    fill_quotas,
    known_attributes,
    matched_levels,
    stratum_by,
)
from harness.personas.weights import effective_n, raked


@dataclass(frozen=True, init=False, eq=False, repr=False)  # so that fixtures may use dataclasses.replace
class Population(tuple[Persona, ...]):
    """Personas with unique names: a tuple that knows where they came from and how they were chosen.

    ``source`` is their origin. ``sha256`` (hex) covers the personas in their order, with fragments, attributes and
    weights, as compact JSON, and the hash of the table that they were read from, ``file_sha256``, where there is one;
    not their origin. ``sampling`` are the steps by which they were chosen from a frame, in order; empty where everyone
    takes part. Steps return a new population:

    >>> people = Population([Persona(f"P{n}", {"region": "North" if n % 3 else "South"}) for n in range(90)])
    >>> half = people.sample(30, by="region", seed=1)
    >>> len(half), str(half.sampling[0])
    (30, 'stratified 30 of 90 by region, seed 1')
    """

    personas: tuple[Persona, ...]
    source: str
    sha256: str
    file_sha256: str | None = field(kw_only=True)
    sampling: tuple[Draw, ...] = field(kw_only=True)

    def __new__(
        cls,
        personas: Iterable[Persona],
        source: str = "declared",
        sha256: str | None = None,
        *,
        file_sha256: str | None = None,
        sampling: Iterable[Draw] = (),
    ) -> Self:
        people = tuple(personas)
        self = super().__new__(cls, people)
        mark = digest(people, file_sha256) if sha256 is None else sha256
        for name, value in zip(
            cls.__dataclass_fields__, (people, source, mark, file_sha256, tuple(sampling)), strict=True
        ):
            object.__setattr__(self, name, value)
        return self

    @property
    def attributes(self) -> dict[str, dict[str, Any]]:
        """Name → the person's attributes, declared ones first."""
        return {persona.name: attributes_of(persona) for persona in self.personas}

    @property
    def weights(self) -> tuple[float, ...]:
        """The weight of each person, in order; all 1 unless a table or `rake` set them."""
        return tuple(persona.weight for persona in self.personas)

    @property
    def effective_n(self) -> float:
        """Kish's effective sample size: how many equally weighted people would be as precise."""
        return effective_n(self.weights)

    def sample(
        self,
        n: int | None = None,
        *,
        by: str | Sequence[str] = (),
        quotas: Mapping[str, Mapping[Any, int]] | None = None,
        seed: int = 0,
    ) -> Population:
        """Draw ``n`` people without replacement: all equally likely, in proportion to strata ``by``, or to ``quotas``.

        ``quotas`` are numbers of people, ``{"region": {"North": 50, "South": 50}}``; ``n`` is then their sum. The
        sample is in random order, so that its first people are a random sample as well. The same population, arguments
        and seed give the same people. Raises `ConfigurationError` where that many people are not there.
        """
        owner, strata = f"Population {self.source}", as_strata(by)
        attributes = [attributes_of(persona) for persona in self.personas]
        if quotas is not None:
            if strata or not quotas:
                raise ConfigurationError(f"{owner}: sample: expected by= or quotas=, one of them.")
            check_seed(seed, owner)
            quotas = matched_levels(quotas, attributes, f"{owner}: quotas")
            known_attributes(quotas, attributes, owner, "quotas")
            chosen = fill_quotas(quotas, attributes, seed, n, owner)
            return self._with(chosen, Draw("quotas", len(chosen), len(self), seed, targets=quotas))
        known_attributes(strata, attributes, owner, "by")
        sampler: Sampler[int] = sampler_of(n, seed, strata, owner)
        stratum = stratum_by(strata)
        for place, one in enumerate(attributes):
            sampler.offer(place, stratum(one))
        return self._with(sampler.drawn(owner), step_of(sampler.size, len(self), seed, strata))

    def rake(self, margins: Mapping[str, Mapping[Any, float]]) -> Population:
        """The same people, weighted so that their shares are those of ``margins``, as of a census.

        ``margins`` has for each attribute the share of every value, ``{"sex": {"f": 0.51, "m": 0.49}}``. Weights have
        the mean 1; `effective_n` shows what they cost. Needs the extra ``analysis``. Raises `ConfigurationError` for
        margins that these people cannot meet.
        """
        attributes = [attributes_of(persona) for persona in self.personas]
        margins = matched_levels(margins, attributes, f"Population {self.source}: margins")
        found = raked(margins, attributes, self.weights, f"Population {self.source}")
        people = [
            replace(persona, weight=weight) for persona, weight in zip(self.personas, found, strict=True)
        ]
        step = Draw("raked", len(self), len(self), targets=margins)
        return Population(people, self.source, file_sha256=self.file_sha256, sampling=(*self.sampling, step))

    def _with(self, places: Iterable[int], step: Draw) -> Population:
        return Population(
            (self.personas[place] for place in places),
            self.source,
            file_sha256=self.file_sha256,
            sampling=(*self.sampling, step),
        )

    @overload
    def __getitem__(self, place: SupportsIndex) -> Persona: ...
    @overload
    def __getitem__(self, place: slice[Any, Any, Any]) -> Population: ...
    def __getitem__(self, place: Any) -> Any:
        if not isinstance(place, slice):
            return super().__getitem__(place)
        chosen = range(len(self))[place]
        return self if len(chosen) == len(self) else self._with(chosen, Draw("slice", len(chosen), len(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.personas, self.source, self.sha256, self.file_sha256, self.sampling)

    def __repr__(self) -> str:
        steps = "".join(f"; {step}" for step in self.sampling)
        weighted = f"; effective n {self.effective_n:,.0f}" if len(set(self.weights)) > 1 else ""
        return f"Population({len(self):,} people from {self.source}{steps}{weighted})"


def _restored(
    personas: tuple[Persona, ...],
    source: str,
    sha256: str,
    file_sha256: str | None,
    sampling: tuple[Draw, ...],
) -> Population:
    return Population(personas, source, sha256, file_sha256=file_sha256, sampling=sampling)


def sampler_of(n: int | None, seed: int, strata: tuple[str, ...], owner: str) -> Sampler[Any]:
    """A sampler of ``n``. Raises `ConfigurationError` for what is not a number of people, or not a seed."""
    check_seed(seed, owner)
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ConfigurationError(f"{owner}: a sample of {n!r:.60}; expected a number of people, 1 or more.")
    return Sampler(n, seed, strata)


def step_of(size: int, frame: int, seed: int, strata: tuple[str, ...]) -> Draw:
    """The record of a random sample."""
    return Draw("stratified" if strata else "simple", size, frame, seed, strata)


def as_strata(by: str | Sequence[str]) -> tuple[str, ...]:
    """One attribute or several."""
    return (by,) if isinstance(by, str) else tuple(by)


def _named(persona: Persona) -> dict[str, Any]:
    specification: dict[str, Any] = plain_values(persona.specification)
    return (
        specification
        if specification.get("name") == persona.name
        else {**specification, "name": persona.name}
    )


def has_attributes(people: Population) -> bool:
    """Whether records keep more of ``people`` than their names: attributes, or weights that differ."""
    return any(attributes_of(persona) or persona.weight != 1 for persona in people.personas)


def kept_person(persona: Persona) -> dict[str, Any]:
    """``persona`` as records keep it."""
    return {
        "name": persona.name,
        "weight": persona.weight,
        "attributes": attributes_of(persona),
        "declared": list(persona.attributes),
        "specification": plain_values(persona.specification),
    }


def restored_person(kept: Mapping[str, Any], source: str) -> Persona:
    """What `kept_person` kept."""
    attributes = {name: kept["attributes"][name] for name in kept["declared"]}
    return Persona(
        kept["name"], kept["specification"], source=source, attributes=attributes, weight=kept["weight"]
    )


def digest(personas: Iterable[Persona], file_sha256: str | None = None) -> str:
    """The SHA-256 (hex) of personas in their order, attributes that no prompt shows and weights included.

    ``file_sha256`` is the hash of the table that they were read from. Personas without any of these have the hash of
    their specifications alone.
    """
    people = list(personas)
    content: Any = [_named(one) for one in people]
    further = {place: more for place, one in enumerate(people) if (more := _beside_specification(one))}
    if further or file_sha256 is not None:
        content = {"personas": content, "further": further, "file": file_sha256}
    return hashlib.sha256(canonical(content).encode("ascii")).hexdigest()


def _beside_specification(persona: Persona) -> dict[str, Any]:
    own = persona.specification
    hidden = {key: value for key, value in persona.attributes.items() if key not in own or own[key] != value}
    weight = {} if persona.weight == 1 else {"weight": persona.weight}
    return weight | ({"attributes": hidden} if hidden else {})
