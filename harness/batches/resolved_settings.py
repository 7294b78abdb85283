"""All resolved settings of a variant's run, which must be the same when it is resumed or compared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.batches.axes import Options, apply_overrides
from harness.batches.manifest import Manifest, Planned, SpecFile, mark
from harness.batches.study_layout import Study, VariantFolder, read_json, write
from harness.errors import ConfigurationError, HarnessError
from harness.model import Experiment
from harness.personas import population_of
from harness.records import fingerprint
from harness.records.earlier_versions import setting_differences
from harness.records.json_safe import indented, plain, shown
from harness.runtime.plan import CellPlan, plan_cell
from harness.user_code import runner

Facts = Callable[[Options], Mapping[str, Any]]
"""What a session of these options adds to its runs' identity: who answers, where, and how."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A variant, ready to run. ``settings`` and ``groups`` are those of its run in the registry of runs.

    ``asks`` says that a model is to be asked something: so it is unless the experiment's own play declares no calls.
    """

    planned: Planned
    experiment: Experiment
    options: Options
    settings: Mapping[str, Any]
    groups: Mapping[str, Any]
    asks: bool = True

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.settings)

    def content(self, manifest: Manifest) -> dict[str, Any]:
        """What ``inputs/settings.json`` has."""
        return {
            "variant": self.planned.id,
            "seed": self.planned.seed,
            "overrides": dict(self.planned.overrides),
            "fingerprint": self.fingerprint,
            "count": self.options.get("count"),
            "rate": self.options.get("rpm"),
            "settings": plain(self.settings)[0],
            "groups": plain(self.groups)[0],
            "base_specs": {spec.path: spec.sha256 for spec in manifest.base_specs},
            "manifest": mark(manifest),
        }


def resolve(experiment: Experiment, planned: Planned, options: Options, facts: Facts) -> Resolved:
    """What ``planned`` makes of ``experiment``. Raises `ConfigurationError` for what cannot be run."""
    from harness.runtime.cells import entry_of
    from harness.runtime.code.identity import CodeReader
    from harness.runtime.provenance import code_of
    from harness.runtime.runs import with_facts
    from harness.runtime.settings import find_checkout

    changed, session = apply_overrides(experiment, planned, options)
    population = population_of(changed, _folder(changed, session))
    cells = {
        group.name: plan_cell(
            changed,
            group,
            1,
            mode=session.get("mode"),
            reps=session.get("count") or None,
            population=population,
            engine=str(session.get("engine") or "embedded"),
            model_options=session.get("model_options") or {},
        )
        for group in changed.groups
    }
    reader, checkout = CodeReader(), find_checkout() if session.get("engine") == "tinytroupe" else None
    entries = {
        name: entry_of(cell, population.sha256, code_of(cell, reader, checkout))
        for name, cell in cells.items()
    }
    settings = with_facts(next(iter(entries.values())).settings, facts(session))
    groups = {name: one.group_settings for name, one in entries.items()}
    return Resolved(planned, changed, session, settings, groups, _asks(changed, next(iter(cells.values()))))


def _asks(experiment: Experiment, cell: CellPlan) -> bool:
    play = experiment.play
    if play is None or play.bounds is None:
        return True
    expected, call = play.bounds, runner.get().call_now
    return any(
        call(expected, trial, what="The play's calls", then=lambda range_: sum(range_[0].values()) > 0)
        for trial in cell.trials
    )


def _folder(experiment: Experiment, options: Options) -> Path | None:
    notebooks = options.get("notebooks")
    return Path(notebooks) if notebooks and experiment.script.source == "notebook" else None


def base_specs(study: Study) -> tuple[SpecFile, ...]:
    """Every file under ``specs``, with its hash. Raises `HarnessError`."""
    return tuple(
        SpecFile(path.relative_to(study.folder).as_posix(), digest(path)) for path in study.spec_files()
    )


def digest(path: Path) -> str:
    """The SHA-256 (hex) of a file. Raises `HarnessError`."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise HarnessError(f"{path}: {error.strerror}; expected a file that can be read.") from error


def changed_specs(study: Study, manifest: Manifest) -> list[str]:
    """Differences of the base specs from the manifest, a sentence each."""
    found = []
    for spec in manifest.base_specs:
        path = study.folder / spec.path
        now = digest(path) if path.is_file() else None
        if now != spec.sha256:
            found.append(
                f"{spec.path}: SHA-256 {spec.sha256[:12]} in the manifest, {now[:12] if now else 'no file'} now."
            )
    return found


def keep_inputs(place: VariantFolder, content: Mapping[str, Any]) -> None:
    """Write the settings of a variant, once. Raises `ConfigurationError` if others exist."""
    if place.resolved.exists():
        changed = setting_differences(_read(place.resolved), plain(content)[0])
        changed.pop("fingerprint", None)  # it follows from the settings
        if changed:
            raise ConfigurationError(
                f"Variant {place.folder.name} was begun with other inputs or settings:",
                *(f"  {key}: {shown(then)} then, {shown(now)} now" for key, (then, now) in changed.items()),
                "Restore the settings, or declare a new batch: harness study sweep (or new).",
            )
        return
    write(place.resolved, indented(plain(content)[0]) + "\n")


def _read(path: Path) -> Any:
    content = read_json(path, "what an earlier session wrote; put it back")
    if not isinstance(content, dict):
        raise HarnessError(f"{path}: {content!r:.60}; expected what an earlier session wrote. Put it back.")
    return content


def read_inputs(place: VariantFolder) -> Mapping[str, Any]:
    """What ``inputs/settings.json`` has; empty before the first session. Raises `HarnessError`."""
    found: Mapping[str, Any] = _read(place.resolved) if place.resolved.exists() else {}
    return found
