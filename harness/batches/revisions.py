"""Scenario and config revisions: their meaning, which must be unique."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.batches import ids
from harness.batches.axes import Options
from harness.batches.errors import RequestError
from harness.batches.manifest import Manifest, SpecFile, load
from harness.batches.resolved_settings import Resolved
from harness.batches.study_layout import Study
from harness.model import Experiment
from harness.model.roles import FACTS, role_facts
from harness.records.earlier_versions import setting_differences
from harness.records.json_safe import plain, shown

_CONFIG = ("mode", "steps", "people", "proposals", "engine", "temperature", "model_options")
_ANSWERING = ("provider", "model", "base_url", "temperature", "seed", "provider_seed", "response_format")
_JUDGING = tuple(name for name in role_facts() if name not in FACTS)
_SESSION = (*_ANSWERING, *_JUDGING)
_CONFIG_SPECS = "specs/network-config/"


def contents(
    base: Resolved, experiment: Experiment, options: Options, specs: Iterable[SpecFile]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the scenario and the config of a batch are, before any override, as plain data.

    ``base`` is the unvaried experiment, resolved. Config: who answers, at what rate, sizes, corrections, the settings
    that the experiment declares as axes, and the specs of the network; scenario: all else.
    """
    specs = list(specs)
    settings = dict(base.settings)
    own = settings.pop("own", {})
    varied = {name: own[name] for name in own if name in experiment.axes}
    config = {name: settings[name] for name in (*_CONFIG, *_SESSION) if settings.get(name) is not None}
    config |= {
        "reps": options.get("count") or experiment.modes[str(settings["mode"])].reps,
        "rate": options.get("rpm"),
        "corrections": {name: group["correction"] for name, group in base.groups.items()},
        "axes": varied,
        "specs": {spec.path: spec.sha256 for spec in specs if spec.path.startswith(_CONFIG_SPECS)},
    }
    scenario = {
        name: value for name, value in settings.items() if name not in {*_CONFIG, *_SESSION, "trial_seed"}
    }
    scenario |= {
        "experiment": experiment.name,
        "own": {name: own[name] for name in own if name not in varied},
        "arms": {
            name: {k: v for k, v in group.items() if k != "correction"} for name, group in base.groups.items()
        },
        "specs": {spec.path: spec.sha256 for spec in specs if not spec.path.startswith(_CONFIG_SPECS)},
    }
    return plain(scenario)[0], plain(config)[0]


def choose(
    kind: str,
    content: Mapping[str, Any],
    asked: str | None,
    known: Mapping[str, tuple[str, Mapping[str, Any]]],
) -> str:
    """The revision for ``content``: the one ``asked`` for, else the newest, else the first.

    ``known`` maps each revision to the batch that first used it, and its meaning there. Raises `RequestError` if the
    revision means something else, with the changes and the next revision.
    """
    newest = max((ids.parse_revision(name, kind) for name in known), key=lambda one: one.number, default=None)
    first = ids.Revision("scn" if kind == "scn" else "cfg", 1)
    revision = ids.parse_revision(asked, kind) if asked else newest or first
    if str(revision) not in known:
        return str(revision)
    batch, then = known[str(revision)]
    if not setting_differences(then, content):
        return str(revision)
    same = [name for name, (_, other) in known.items() if not setting_differences(other, content)]
    bump = same[-1] if same else str(newest.following if newest else first)
    what = "scenario" if kind == "scn" else "config"
    changed = setting_differences(then, content).items()
    problems = (
        f"The {what} differs from {revision} in {batch}:",
        *(f"  {key}: {shown(a)} then, {shown(b)} now" for key, (a, b) in changed),
        f"Restore it, or declare {bump}{' (where it was the same)' if same else ''}.",
    )
    raise RequestError(problems, {f"{what}_rev": bump})


def known_in(study: Study) -> tuple[dict[str, tuple[str, Mapping[str, Any]]], ...]:
    """For scenario and config: each revision in use, with its batch and its meaning."""
    scenarios: dict[str, tuple[str, Mapping[str, Any]]] = {}
    configs: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for manifest in manifests(study):
        scenarios.setdefault(manifest.scenario_rev, (manifest.batch_id, manifest.scenario))
        configs.setdefault(manifest.config_rev, (manifest.batch_id, manifest.config))
    return scenarios, configs


def manifests(study: Study) -> list[Manifest]:
    """Of every batch, by id. Raises `ConfigurationError` for one that is malformed."""
    paths = (study.batch(name).manifest for name in study.batch_ids())
    return [load(path, study.name) for path in paths if path.is_file()]
