"""GP: does each attribute reach the persona, in words that fit it?"""

from __future__ import annotations

from collections.abc import Iterator
from string import Formatter

from harness.experiments.population.formats.persona import WHAT, PersonaConfig, all_phrasings
from harness.experiments.population.formats.spec import Categorical, PopulationSpec
from harness.experiments.population.gates.subject import GateSubject, failed, passed, warned
from harness.experiments.population.gates.wording import listed, share, shown
from harness.model import Check

NAME = "population.persona.yaml"


def check(subject: GateSubject) -> Iterator[Check]:
    """population.persona.yaml against population.yaml."""
    persona = subject.material.form(NAME, PersonaConfig, WHAT)
    spec = subject.material.population()
    known = [one.name for one in spec.attributes]
    phrased = {one.attribute for one in all_phrasings(persona.phrasings)}
    told = phrased | {name for group in persona.groups for name in group.attributes}
    introduced = {name for name in known if f"{{{name}}}" in persona.intro_template}
    yield passed("file", f"{len(phrased)} of {len(known)} attributes have their own words", NAME)
    yield from _strangers(persona, set(known), told)
    silent = [name for name in known if name not in told | introduced]
    said = f"{share(len(silent), len(known), 'attributes')} never reach the persona"
    if not told & set(known):
        yield failed("coverage", said, number=len(silent), threshold="none")
    elif silent:
        yield warned("coverage", f"{said}: {listed(silent)}", number=len(silent), threshold="none")
    else:
        yield passed("coverage", said, number=0, threshold="none")
    yield from _options(persona, spec)
    yield from _templates(persona, set(known))


def _strangers(persona: PersonaConfig, known: set[str], told: set[str]) -> Iterator[Check]:
    named = told | {one.attribute for one in persona.treatments}
    for name in sorted(named - known):
        yield failed(
            "attributes",
            "is not an attribute of the population",
            name,
            threshold="attributes of population.yaml",
        )
    groups = {group.name for group in persona.groups}
    for one in persona.treatments:
        if one.group and one.group not in groups:
            yield failed(
                "groups", f"is put into {shown(one.group)}, which is none of the groups", one.attribute
            )


def _options(persona: PersonaConfig, spec: PopulationSpec) -> Iterator[Check]:
    drawn = {one.name: one.sampling.distribution for one in spec.attributes}
    for one in persona.phrasings.categorical:
        mine = drawn.get(one.attribute)
        if not isinstance(mine, Categorical) or one.fallback:
            continue
        missing = [name for name in mine.options if name not in one.phrases and name not in one.null_options]
        if missing:
            said = f"{share(len(missing), len(mine.options), 'options')} have no words and no fallback"
            yield warned("phrases", f"{said}: {listed(missing)}", one.attribute, len(missing), "none")


def _templates(persona: PersonaConfig, known: set[str]) -> Iterator[Check]:
    allowed = {"intro_template": (persona.intro_template, known)}
    allowed |= {one.attribute: (one.template, {"value"}) for one in persona.phrasings.concrete}
    faults = 0
    for about, (text, names) in allowed.items():
        for fault in _template_faults(text, names):
            faults += 1
            yield failed("templates", fault, about, threshold="names of attributes in braces")
    if not faults:
        yield passed("templates", f"{len(allowed)} templates read what is there", number=0)


def _template_faults(text: str, names: set[str]) -> Iterator[str]:
    """Parsed, never filled in: a template may reach into what it is given."""
    try:
        fields = [field for _, field, _, _ in Formatter().parse(text) if field is not None]
    except ValueError as error:
        yield f"{shown(text)} is not a template: {error}"
        return
    for field in fields:
        if field not in names:
            yield f"reads {shown(field)}, which is not there"
