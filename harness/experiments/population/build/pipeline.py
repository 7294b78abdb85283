"""The plan of a study's population, ``pipeline.yaml``, and the hand-written files in ``specs``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from harness.addresses import refuse_secrets
from harness.experiments.population.gates import Profile, SchemaMap, load_profile, load_schema_map
from harness.experiments.population.gates.profile import SHIPPED
from harness.experiments.population.gates.stages import FILES, MADE_FROM
from harness.batches.errors import RequestError
from harness.batches.study_layout import Study
from harness.errors import ConfigurationError, raise_if_any
from harness.experiments.population.example import PACKAGED
from harness.experiments.population.formats.files import FileModel, checked, read_yaml, write_yaml
from harness.experiments.population.formats.network_config import read_network_config
from harness.experiments.population.formats.persona import read_personas
from harness.experiments.population.formats.scenario import read_scenario
from harness.experiments.population.formats.spec import MAX_SIZE, PopulationSpec, read_spec
from harness.records.atomic import write_whole

NAME, WHAT = "pipeline.yaml", "Pipeline"
STAGES = tuple(FILES)
"""The stages of a build. Simulations and their results belong to batches."""
BY_HAND: Mapping[str, str] = {
    "spec": "specs/pop/base.yaml",
    "extend": "specs/pop/population.yaml",
    "network": "specs/network-config/network.yaml",
    "persona": "specs/persona/population.persona.yaml",
    "scenario": "specs/scenario/scenario.yaml",
}
"""Files that a person may write: the stage's own, but for network its config."""
SCHEMA_MAP = "specs/pop/schema-map.yaml"

Text = Annotated[str, Field(pattern=r"\S", max_length=20_000)]
Name = Annotated[str, Field(pattern=r"\S", max_length=1_000)]


class Pipeline(FileModel):
    """``population`` and ``event`` are for a model to write from. ``size`` is how many agents, in place of what a spec by hand
    says; ``threshold`` and ``chunk_size`` are the estimate's. ``schema_map`` is a path below the study, or absolute.
    """

    docs: ClassVar[str] = "docs/operations.md"
    population: Text | None = None
    size: int | None = Field(default=None, ge=1, le=MAX_SIZE)
    event: Text | None = None
    steps: int | None = Field(default=None, ge=1, le=10_000)
    seed: int = Field(default=0, ge=0, lt=2**63)
    model: Name = "rehearsal"
    base_url: Name | None = None
    threshold: int = Field(default=3, ge=1)
    chunk_size: int = Field(default=50, ge=1)
    gate_profile: Name = "generic-all-ages"
    schema_map: Name | None = None


def path_of(study: Study) -> Path:
    """The path of the plan."""
    return study.folder / NAME


def read(study: Study) -> Pipeline | None:
    """The plan of ``study``, or ``None``. Raises `ConfigurationError` with every fault."""
    path = path_of(study)
    return read_yaml(path, Pipeline, WHAT) if os.path.lexists(path) else None


def updated_plan(study: Study, options: Mapping[str, Any]) -> Pipeline:
    """The plan, updated with ``options``. Raises `ConfigurationError` with every fault."""
    before = read(study)
    data = before.model_dump() if before else {}
    plan = checked(Pipeline, data | dict(options), f"{WHAT} {path_of(study)}")
    refuse_secrets(base_url=plan.base_url)
    return plan


def write(study: Study, plan: Pipeline) -> None:
    """Write the plan if it has changed. Raises `HarnessError`."""
    if read(study) != plan:
        write_yaml(path_of(study), plan)


def write_example(study: Study) -> list[Path]:
    """Copy the packaged town to the hand-written specs, with a plan; none of those files may exist.

    Raises `HarnessError`.
    """
    files = {study.folder / name: PACKAGED / Path(name).name for name in (*BY_HAND.values(), SCHEMA_MAP)}
    there = [str(path) for path in (*files, path_of(study)) if os.path.lexists(path)]
    if there:
        raise ConfigurationError(f"Study {study.name}: has {', '.join(there)} already; expected a new study.")
    for path, source in files.items():
        write_whole(path, source.read_bytes())
    write(study, Pipeline(seed=42, schema_map=SCHEMA_MAP))
    return [*files, path_of(study)]


def by_hand(study: Study) -> dict[str, Path]:
    """The hand-written files, by stage."""
    places = {stage: study.folder / name for stage, name in BY_HAND.items()}
    return {stage: path for stage, path in places.items() if os.path.lexists(path)}


def rules(study: Study, plan: Pipeline) -> tuple[Profile, SchemaMap | None]:
    """The rules of the gates. Raises `ConfigurationError`."""
    profile = plan.gate_profile
    named = profile if profile in SHIPPED else str(_below(study, "gate_profile", profile))
    schema = schema_path(study, plan)
    return load_profile(named), load_schema_map(schema) if schema else None


def schema_path(study: Study, plan: Pipeline) -> Path | None:
    """The path of the schema map. Raises `ConfigurationError` for a relative one outside the study."""
    return None if plan.schema_map is None else _below(study, "schema_map", plan.schema_map)


def _below(study: Study, field: str, name: str) -> Path:
    if ".." in Path(name).parts and not Path(name).is_absolute():
        raise ConfigurationError(
            f"{WHAT} {path_of(study)}: {field}={name!r:.80}; expected a path below the study, or an absolute one."
        )
    return study.folder / name


def check(study: Study, plan: Pipeline) -> None:
    """Check that every stage has its inputs, and that hand-written files are valid, before anything runs.

    Raises `RequestError` with every fault.
    """
    hand = by_hand(study)
    texts = {"spec": "population", "extend": "event", "scenario": "event"}
    lacking = {stage: field for stage, field in texts.items() if stage not in hand and not getattr(plan, field)}
    found = [
        f"Stage {stage}: neither a text nor a file; expected the {field} for a model to write from, or yours in "
        f"{study.folder / BY_HAND[stage]}."
        for stage, field in lacking.items()
    ]
    if lacking == texts:
        found.append(f"harness study init {study.name} can write an example of such files.")
    found += [*_unread(study, plan, hand), *_faults(hand)]
    try:
        rules(study, plan)
    except ConfigurationError as error:
        found += error.problems
    if found:
        raise RequestError(dict.fromkeys(found), dict.fromkeys(lacking.values(), "TEXT"))


def _unread(study: Study, plan: Pipeline, hand: Mapping[str, Path]) -> Iterator[str]:
    readers = {"population": ("spec",), "event": ("extend", "scenario"), "steps": ("scenario",)}
    for field, stages in readers.items():
        if getattr(plan, field) is not None and all(stage in hand for stage in stages):
            files = " and ".join(BY_HAND[stage] for stage in stages)
            yield (
                f"{WHAT} {path_of(study)}: {field} is not read while there is {files}; "
                f"move {'that file' if len(stages) == 1 else 'one of them'} away, or leave {field} out."
            )


def _faults(hand: Mapping[str, Path]) -> list[str]:
    found: list[str] = []
    specs: dict[str, PopulationSpec] = {}
    for stage in ("spec", "extend"):
        with _noted(found):
            if stage in hand:
                specs[stage] = read_spec(hand[stage])
    grown = specs.get("extend")
    names = frozenset(one.name for one in grown.attributes) if grown else None
    if names and "spec" in specs:
        lost = [one.name for one in specs["spec"].attributes if one.name not in names]
        found += [
            f"Population {hand['extend']}: lacks {name} of {hand['spec']}; expected all of it."
            for name in lost
        ]
    readers: Mapping[str, Callable[[Path, frozenset[str] | None], object]] = {
        "network": read_network_config,
        "persona": read_personas,
        "scenario": read_scenario,
    }
    for stage, reader in readers.items():
        with _noted(found):
            if stage in hand:
                reader(hand[stage], names)
    return found


@contextmanager
def _noted(found: list[str]) -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        found += error.problems
