"""The manifest of a batch: what is to be run, under which revisions, held whole before anything runs."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetPydanticSchema,
    StrictFloat,
    StrictInt,
    TypeAdapter,
    ValidationError,
    with_config,
)

from harness.batches import ids
from harness.batches.study_layout import write
from harness.errors import ConfigurationError, raise_if_any

NO_OTHERS = ConfigDict(extra="forbid")
Text = Annotated[str, Field(min_length=1)]


def _with_offset(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("expected a time with its offset from UTC")
    return text


class _Session(BaseModel):
    """Options that identify runs, as `harness.runtime.settings.Settings` has them."""

    model_config = NO_OTHERS

    mode: str = ""
    count: StrictInt = Field(default=1, ge=1)
    engine: str = ""
    model: str = ""
    base_url: str = ""
    judge_model: str = ""
    judge_base_url: str = ""
    extractor_model: str = ""
    corrector_model: str = ""
    user_model: str = ""
    temperature: StrictFloat | StrictInt = 0
    model_options: dict[str, Any] = {}
    response_format: str = ""
    provider_seed: StrictInt = 0
    rpm: Annotated[StrictInt, Field(ge=1)] | dict[str, Annotated[StrictInt, Field(ge=1)]] = 1
    notebooks: str = ""

    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


Session = Annotated[
    Mapping[str, Any],
    GetPydanticSchema(lambda _, handler: handler(Annotated[_Session, AfterValidator(_Session.given)])),
]


@with_config(NO_OTHERS)
@dataclass(frozen=True, slots=True)
class SpecFile:
    """A base spec: its path below the study, and the SHA-256 (hex) of its content."""

    path: Text
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@with_config(NO_OTHERS)
@dataclass(frozen=True, slots=True)
class Planned:
    """One variant: what it overrides, axis by axis, and its seed."""

    id: str
    seed: Annotated[StrictInt, Field(ge=0)]
    overrides: Mapping[str, ids.Value] = field(default_factory=dict)


@with_config(NO_OTHERS)
@dataclass(frozen=True, slots=True)
class Manifest:
    """A batch as declared. ``session`` are the options of its pytest sessions that identify runs.

    ``scenario`` and ``config`` are the meaning of the two revisions (`harness.batches.revisions`). ``path`` is the test
    file of an unregistered experiment, or, below the batch's folder, the simulated scenario. ``axes`` is what the batch
    varies, ``declared`` the axes of the experiment.
    """

    study: str
    batch_id: str
    experiment: Text
    scenario_rev: str
    config_rev: str
    created_at: Annotated[str, AfterValidator(_with_offset)]
    objective: Text
    success_metric: Text
    gate_profile: Text
    schema_map: Text
    axes: Annotated[tuple[str, ...], Field(min_length=1)]
    variants: Annotated[tuple[Planned, ...], Field(min_length=1)]
    base_specs: tuple[SpecFile, ...] = ()
    declared: tuple[str, ...] = ()
    path: str | None = None
    session: Session = field(default_factory=dict)
    scenario: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        return ids.vocabulary(self.declared)

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({one.seed for one in self.variants}))

    def variant(self, variant_id: str) -> Planned:
        """The variant of that id. Raises `ConfigurationError`."""
        for one in self.variants:
            if one.id == variant_id:
                return one
        known = ", ".join(one.id for one in self.variants)
        raise ConfigurationError(
            f"Batch {self.batch_id} has no variant {variant_id!r}; expected one of {known}."
        )


def save(manifest: Manifest, path: Path) -> None:
    """Write ``manifest`` as YAML. Raises `HarnessError`."""
    from harness.records.json_safe import plain
    from harness.records.strict_yaml import yaml_text

    write(path, yaml_text(plain(asdict(manifest))[0]))


def mark(manifest: Manifest) -> str:
    """SHA-256 (hex) over all that ``manifest`` declares but its name, its time and where its experiment's file lies.

    The first session keeps it beside each variant, so that nothing is declared otherwise after results are known.
    """
    from harness.records import fingerprint
    from harness.records.json_safe import plain

    named = asdict(manifest) | {"path": manifest.path and Path(manifest.path).name}
    return fingerprint(plain({key: named[key] for key in named if key not in ("batch_id", "created_at")})[0])


def load(path: Path, study: str | None = None) -> Manifest:
    """The manifest at ``path``, of ``study`` if given. Raises `ConfigurationError` with every fault."""
    from harness.records.strict_yaml import read_yaml

    try:
        manifest = _reader().validate_python(read_yaml(path, str(path)))
    except ValidationError as error:
        raise ConfigurationError(*(f"{path}: {_told(one)}" for one in error.errors())) from None
    problems = _contradictions(manifest, path.parent.name)
    if study is not None and manifest.study != study:
        problems.append(
            f"study: {manifest.study!r}; it is in the folder of {study!r}. Put it back where it was."
        )
    raise_if_any(f"{path}: {problem}" for problem in problems)
    return manifest


@functools.cache
def _reader() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)


def _told(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"]) or "the file"
    if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{where}: no such field; leave it out."
    value = "" if fault["type"] == "missing" else f"{fault['input']!r:.60}: "
    return f"{where}: {value}{fault['msg'][:1].lower()}{fault['msg'][1:]}."


def _contradictions(manifest: Manifest, folder: str) -> list[str]:
    """What each field alone does not show."""
    found: list[str] = []

    def tried(what: Any, *arguments: Any) -> Any:
        try:
            return what(*arguments)
        except ConfigurationError as error:
            found.extend(error.problems)
            return None

    tried(ids.study_id, manifest.study)
    tried(ids.parse_batch, manifest.batch_id)
    tried(ids.parse_revision, manifest.scenario_rev, "scn")
    tried(ids.parse_revision, manifest.config_rev, "cfg")
    if manifest.batch_id != folder:
        found.append(f"batch_id: {manifest.batch_id!r} in the folder {folder!r}; expected the same.")
    names = [one.id for one in manifest.variants]
    found += [f"variants: {name} occurs {names.count(name)} times; expected once."
              for name in dict.fromkeys(names) if names.count(name) > 1]  # fmt: skip
    found += [f"base_specs: {spec.path!r}: expected a path below the study." for spec in manifest.base_specs
              if Path(spec.path).is_absolute() or ".." in Path(spec.path).parts]  # fmt: skip
    axes = tried(lambda: manifest.vocabulary)
    for one in manifest.variants if axes else ():
        name = tried(ids.parse_variant, one.id, axes)
        if name is not None and name != _of(one):
            found.append(
                f"variants: {one.id} overrides {dict(one.overrides)} with seed {one.seed}; expected what its id says."
            )
        if name is not None and set(name.axes) - {"seed"} - set(manifest.axes):
            found.append(
                f"variants: {one.id} varies what is none of the batch's axes: {', '.join(manifest.axes)}."
            )
    return found


def _of(planned: Planned) -> ids.VariantId:
    values = tuple((axis, ids.text_of(value)) for axis, value in planned.overrides.items())
    return ids.VariantId(values or (("seed", str(planned.seed)),), planned.seed)
