"""population.persona.yaml: phrasings of attributes in the first person. Field names are extropy-run 0.2.3's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from harness.errors import raise_if_any
from harness.experiments.population.formats.agents import Agents
from harness.experiments.population.formats.files import FileModel, checked, read_yaml
from harness.experiments.population.formats.spec import PopulationSpec

WHAT = "Personas"
_PLACEHOLDER = r"\{([a-z][a-z0-9_]*)\}"


class AttributeTreatment(FileModel):
    """``concrete``: the value itself; ``relative``: where it stands among all. ``group`` is where it appears."""

    attribute: str
    treatment: Literal["concrete", "relative"] = "concrete"
    group: str = ""


class AttributeGroup(FileModel):
    """Attributes told together, in this order, under ``label``."""

    name: str
    label: str
    attributes: list[str]


class BooleanPhrasing(FileModel):
    """One sentence each."""

    attribute: str
    true_phrase: str
    false_phrase: str


class CategoricalPhrasing(FileModel):
    """A sentence per option; ``null_phrase`` for ``null_options``, ``fallback`` for what else there is."""

    attribute: str
    phrases: dict[str, str]
    null_options: list[str] = Field(default_factory=list)
    null_phrase: str | None = ""  # not None, for extropy-run insists on the key
    fallback: str | None = None


class RelativeLabels(FileModel):
    """By how many standard deviations a value is off the mean: below −1, to −0.3, to 0.3, to 1, above."""

    much_below: str
    below: str
    average: str
    above: str
    much_above: str


class RelativePhrasing(FileModel):
    """A sentence by where a value stands."""

    attribute: str
    labels: RelativeLabels


class ConcretePhrasing(FileModel):
    """A sentence with ``{value}``, written as ``format_spec`` (``,.0f``, ``.1f``, …) with ``prefix`` and ``suffix``."""

    attribute: str
    template: str
    format_spec: str | None = Field(default=None, pattern=r"^,?((\.\d)?[fg%]?|d)$")
    prefix: str = ""
    suffix: str = ""


class Phrasings(FileModel):
    """By kind of attribute."""

    boolean: list[BooleanPhrasing] = Field(default_factory=list)
    categorical: list[CategoricalPhrasing] = Field(default_factory=list)
    relative: list[RelativePhrasing] = Field(default_factory=list)
    concrete: list[ConcretePhrasing] = Field(default_factory=list)


class Stats(FileModel):
    """Mean and standard deviation of numbers, as sampled."""

    stats: dict[str, dict[str, float]] = Field(default_factory=dict)


class PersonaConfig(FileModel):
    """The whole file. Attributes without a phrasing appear as ``name: value``."""

    population_description: str = ""
    created_at: str | datetime | date | None = None
    intro_template: str
    treatments: list[AttributeTreatment] = Field(default_factory=list)
    groups: list[AttributeGroup] = Field(default_factory=list)
    phrasings: Phrasings = Phrasings()
    population_stats: Stats = Stats()


def read_personas(path: Path, attributes: frozenset[str] | None = None) -> PersonaConfig:
    """The file at ``path``, for a population with ``attributes`` (``None``: any). Raises `ConfigurationError`."""
    config = read_yaml(path, PersonaConfig, WHAT)
    if attributes is not None:
        raise_if_any(f"{WHAT} {path}: {fault}" for fault in problems(config, attributes))
    return config


def personas_of(data: Any, attributes: frozenset[str], owner: str = WHAT) -> PersonaConfig:
    """A config from plain data. Raises `ConfigurationError` with every fault."""
    config = checked(PersonaConfig, data, owner)
    raise_if_any(f"{owner}: {fault}" for fault in problems(config, attributes))
    return config


def problems(config: PersonaConfig, attributes: frozenset[str]) -> Iterator[str]:
    """What does not fit a population with these attributes."""
    import re

    known = ", ".join(sorted(attributes))
    said = {
        "intro_template": re.findall(_PLACEHOLDER, config.intro_template),
        "treatments": [one.attribute for one in config.treatments],
        "phrasings": [one.attribute for one in all_phrasings(config.phrasings)],
        **{f"groups.{one.name}": one.attributes for one in config.groups},
    }
    for place, names in said.items():
        for name in sorted(set(names) - attributes):
            yield f"{place}: {name!r} is not an attribute; expected one of {known}."


def all_phrasings(phrasings: Phrasings) -> Iterator[Any]:
    """The phrasings of every kind of attribute."""
    for kind in (phrasings.boolean, phrasings.categorical, phrasings.relative, phrasings.concrete):
        yield from kind


def plain_personas(spec: PopulationSpec) -> PersonaConfig:
    """A plain config for any population: each attribute's description and value, in the file's order."""
    phrased = [
        ConcretePhrasing(attribute=one.name, template=f"{one.description or one.name}: {{value}}.")
        for one in spec.attributes
    ]
    return PersonaConfig(
        population_description=spec.meta.description,
        intro_template=f"I am one of: {spec.meta.description}.".replace("{", "(").replace("}", ")"),
        groups=[
            AttributeGroup(name="all", label="About me", attributes=[one.name for one in spec.attributes])
        ],
        phrasings=Phrasings(concrete=phrased),
    )


class Teller:
    """Tells agents' personas; ``first`` are attributes to tell before all others."""

    def __init__(self, config: PersonaConfig, agents: Agents, first: tuple[str, ...] = ()) -> None:
        self._config, self._first = config, first
        self._phrasing = {one.attribute: one for one in all_phrasings(config.phrasings)}
        self._stats = {**_measured(agents), **config.population_stats.stats}

    def tell(self, row: Mapping[str, Any]) -> str:
        """The persona of the agent with these attributes, in the first person."""
        import re

        intro = re.sub(
            _PLACEHOLDER, lambda found: str(row.get(found[1], found[0])), self._config.intro_template
        )
        parts = [intro]
        if self._first:
            parts.append(
                "\n".join(
                    ["What matters most here:", *(f"- {self._sentence(one, row)}" for one in self._first)]
                )
            )
        for group in self._config.groups:
            told = [self._sentence(name, row) for name in group.attributes if name not in self._first]
            if told:
                parts.append("\n".join([f"{group.label}:", *(f"- {one}" for one in told)]))
        return "\n\n".join(parts)

    def _sentence(self, name: str, row: Mapping[str, Any]) -> str:
        value, phrasing = row.get(name), self._phrasing.get(name)
        match phrasing:
            case BooleanPhrasing() if isinstance(value, int | float):
                return phrasing.true_phrase if value else phrasing.false_phrase
            case CategoricalPhrasing():
                return _of_option(phrasing, str(value))
            case RelativePhrasing() if isinstance(value, int | float):
                return self._relative(phrasing, name, value)
            case ConcretePhrasing():
                return phrasing.template.replace("{value}", _written(phrasing, value))
        return f"{name.replace('_', ' ')}: {_short(value)}"

    def _relative(self, phrasing: RelativePhrasing, name: str, value: float) -> str:
        stats, labels = self._stats.get(name, {}), phrasing.labels
        off = (value - stats.get("mean", value)) / (stats.get("std") or 1.0)
        steps = ((-1.0, labels.much_below), (-0.3, labels.below), (0.3, labels.average), (1.0, labels.above))
        return next((label for limit, label in steps if off <= limit), labels.much_above)


def _of_option(phrasing: CategoricalPhrasing, value: str) -> str:
    if value in phrasing.null_options and phrasing.null_phrase:
        return phrasing.null_phrase
    return (
        phrasing.phrases.get(value) or phrasing.fallback or f"{phrasing.attribute.replace('_', ' ')}: {value}"
    )


def _written(phrasing: ConcretePhrasing, value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    spec = phrasing.format_spec
    if spec and is_number:
        value = round(value) if spec.endswith("d") else float(value) if "." in spec else value
        return f"{phrasing.prefix}{format(value, spec)}{phrasing.suffix}"
    return f"{phrasing.prefix}{_short(value)}{phrasing.suffix}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _measured(agents: Agents) -> dict[str, dict[str, float]]:
    numbers = {name: column for name, column in agents.columns.items() if column.dtype.kind in "if"}
    return {
        name: {"mean": float(column.mean()), "std": float(column.std())} for name, column in numbers.items()
    }
