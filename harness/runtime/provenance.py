"""The provenance of a run: the settings that identify it, and further facts in its records."""

from __future__ import annotations

import functools
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.addresses import without_secrets
from harness.engines import engine_factory
from harness.engines.dialogue import run_dialogue
from harness.engines.survey import run_survey
from harness.engines.transcript_judge import score_transcript
from harness.errors import ConfigurationError, raise_if_any
from harness.gateway.calls import Provider
from harness.model import (
    Correction,
    Dialogue,
    Experiment,
    Intervention,
    Measure,
    Play,
    Proposition,
    Script,
    Survey,
    merge_options,
)
from harness.model.roles import JUDGE
from harness.personas import Population, digest, fragments_of
from harness.personas.population import has_attributes
from harness.records import fingerprint
from harness.records.json_safe import indented, plain
from harness.records.people import KEY
from harness.runtime.code.identity import CodeIdentity, CodeReader
from harness.runtime.code.unread_settings import unreadable
from harness.runtime.plan import CellPlan
from harness.runtime.settings import Settings

MOST_KEPT = 200
"""People of a population whose specifications are kept, so that a later session can show what changed."""
DISTRIBUTION = "persona-harness"


@functools.cache
def harness_version() -> str:
    """The installed version of this package."""
    return version(DISTRIBUTION)


def python_version() -> str:
    return platform.python_version()


@functools.cache
def git_state(folder: Path) -> tuple[str | None, bool | None]:
    """(commit, whether the tree was dirty) of the repository that holds ``folder``; (None, None) outside one."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    changed = git("status", "--porcelain") if commit else None
    return commit, bool(changed) if changed is not None else None


def describe_correction(correction: Correction | None) -> dict[str, Any]:
    """A correction in its record format; ``{"enabled": False}`` for none."""
    if correction is None:
        return {"enabled": False}
    return {
        "enabled": True,
        "quality_threshold": correction.quality_threshold,
        "max_attempts": correction.max_attempts,
        "regeneration": correction.regeneration,
    }


def describe_intervention(intervention: Intervention) -> dict[str, Any]:
    """An intervention in its record format, texts included."""
    functional = intervention.functional
    return {
        "name": intervention.name,
        "functional": None if functional is None else _describe_function(functional),
        "textual": intervention.textual,
        "effect": intervention.effect,
    }


def _describe_function(function: Any) -> str:
    """A function by its module and name; an object with its own ``str`` (`ActionsAtLeast`) by that."""
    if isinstance(function, functools.partial):
        return f"partial of {_describe_function(function.func)}"
    if not hasattr(function, "__qualname__") and "__str__" in vars(type(function)):
        return str(function)
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


@dataclass(frozen=True, slots=True)
class PlanCode:
    """The code of a cell, by purpose.

    ``requests`` determine what is sent in every arm, ``interventions`` in their arm; ``measures`` compute metrics from
    transcripts, so that changing them needs no new request.
    """

    requests: Mapping[str, CodeIdentity] = field(default_factory=dict)
    interventions: Mapping[str, CodeIdentity] = field(default_factory=dict)
    measures: Mapping[str, CodeIdentity] = field(default_factory=dict)

    def identities(self) -> list[CodeIdentity]:
        return [*self.requests.values(), *self.interventions.values(), *self.measures.values()]


def code_of(plan: CellPlan, reader: CodeReader, checkout: Path | None = None) -> PlanCode:
    """The code that ``plan`` runs, that of TinyTroupe's ``checkout`` included where its engine does.

    What a play or an agent uses of a metric's function belongs to the play.
    """
    experiment, play = plan.experiment, plan.experiment.play
    functional = {
        one.name: reader.identify(one.functional) for one in plan.interventions if one.functional is not None
    }
    measures = {
        metric.name: reader.identify(metric.function)
        for metric in experiment.trial_metrics
        if isinstance(metric, Measure) and metric.function is not None
    }
    if play is not None:
        if not isinstance(play, Dialogue | Survey):
            _refuse_unread(plan, reader.identify(play.function))
        judged = any(isinstance(metric, Proposition) for metric in experiment.metrics)
        judge = {"judge": reader.identify(score_transcript)} if judged else {}
        return PlanCode({**_play_code(play, reader), **judge}, functional, measures)
    engine = engine_factory(plan.engine)
    requests = {"engine": reader.identify(engine.code or engine.make)}
    if plan.engine == "tinytroupe" and checkout is not None:
        requests["tinytroupe"] = reader.identify_folder(checkout / "tinytroupe")
    return PlanCode(requests, functional, measures)


def _play_code(play: Play, reader: CodeReader) -> dict[str, CodeIdentity]:
    if isinstance(play, Survey):
        return {"survey": reader.identify(run_survey)}
    if not isinstance(play, Dialogue):
        return {"play": reader.identify(play.function)}
    functions = {"agent": play.agent, "until": play.until}
    own = {name: reader.identify(one) for name, one in functions.items() if callable(one)}
    return {"dialogue": reader.identify(run_dialogue), **own}


def _describe_play(play: Play) -> Any:
    """A play by its function; a survey by its items; a dialogue by its texts, and the names of its functions."""
    if isinstance(play, Survey):
        return play.declared
    if not isinstance(play, Dialogue):
        return _describe_function(play.function)
    named = {name: getattr(play, name) for name in ("agent", "until")}
    return {
        **play.declared,
        **{name: _describe_function(one) for name, one in named.items() if callable(one)},
    }


def _refuse_unread(plan: CellPlan, code: CodeIdentity) -> None:
    """Raise `ConfigurationError` for settings that the play cannot read."""
    experiment = plan.experiment
    assert experiment.play is not None
    owners = {
        "arm": (f"Group {plan.group.name!r} of {experiment.name}", plan.group.settings),
        "settings": (f"Experiment {experiment.name}", experiment.settings),
    }
    raise_if_any(
        f"{owner}: {problem}"
        for field, (owner, settings) in owners.items()
        if (problem := unreadable(experiment.play.function, code, field, settings)) is not None
    )


def _hashes(identities: Mapping[str, CodeIdentity]) -> dict[str, str]:
    return {name: one.sha256 for name, one in identities.items()}


def metric_code(code: PlanCode) -> dict[str, str]:
    """Metric → the hash of the code that computes it from a transcript."""
    return _hashes(code.measures)


def describe_script(script: Script) -> dict[str, Any]:
    """All words of a script, for hashing and for the record."""
    return {
        "introduction": script.introduction,
        "task": script.task,
        "proposals": [dict(proposal) for proposal in script.proposals],
        "consolidation": script.consolidation,
        "task_description": script.task_description,
        "extraction": script.extraction and asdict(script.extraction),
    }


def script_words(script: Script) -> tuple[str, dict[str, str]]:
    """The hash of a script as settings have it, and its words by part."""
    described = describe_script(script)
    words = {
        key: value if isinstance(value, str) else indented(plain(value)[0])
        for key, value in described.items()
    }
    return fingerprint(described), {key: text for key, text in words.items() if text != "null"}


def people_texts(plan: CellPlan) -> tuple[str, dict[str, str]]:
    """The hash of the people who take part, and each one's specification by name; none of a large population."""
    people = plan.population.personas
    texts = (
        {one.name: indented(plain(one.specification)[0]) for one in people}
        if len(people) <= MOST_KEPT
        else {}
    )
    return population_hash(plan), texts


def describe_metric(metric: Proposition | Measure) -> dict[str, Any]:
    """A metric by what it asks or computes."""
    if isinstance(metric, Measure):
        reported = metric.function is None  # by the experiment's own play
        return {
            "name": metric.name,
            **({"function": None} if reported else {"measured": True}),
            **({} if metric.scale is None else {"scale": list(metric.scale)}),
            **({} if metric.label is None else {"label": metric.label}),
        }
    return {
        "name": metric.name,
        "claim": metric.claim,
        "about": metric.about,
        "include_persona": metric.include_persona,
        "tinytroupe": metric.tinytroupe,
    }


def base_settings(plan: CellPlan, code: PlanCode, *, declared_population: str | None) -> dict[str, Any]:
    """What identifies a run, beside the session's facts: not ``-k``, count, concurrency or limits.

    ``declared_population`` is the hash of the population that the experiment names, whatever a fixture put in its
    place (that is a group's setting).
    """
    experiment, mode = plan.experiment, plan.mode
    return {
        "experiment": experiment.name,
        "protocol": experiment.protocol,
        "mode": plan.mode_name,
        "steps": mode.steps,
        "people": mode.people,
        "proposals": mode.proposals,
        "panel_size": experiment.panel_size,
        "shuffle_seed": experiment.shuffle_seed,
        "groups": [group.name for group in experiment.groups],
        "metrics": [describe_metric(metric) for metric in experiment.trial_metrics],
        "script": fingerprint(describe_script(experiment.script)),
        "population": declared_population,
        "engine": plan.engine,
        **_options(plan.model_options),
        **_own(experiment, plan.selected),
        **({"code": _hashes(code.requests)} if code.requests else {}),
    }


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Model options as settings have them: the temperature by itself, the others together; nothing for none."""
    others = {name: value for name, value in options.items() if name != "temperature"}
    warmth = {"temperature": options["temperature"]} if "temperature" in options else {}
    return warmth | ({"model_options": others} if others else {})


def _own(experiment: Experiment, selected: tuple[int, ...] | None) -> dict[str, Any]:
    """Optional settings. A part of the proposals is a separate run, never pooled with a complete one."""
    own: dict[str, Any] = {}
    if experiment.seed is not None:
        own["trial_seed"] = experiment.seed
    if experiment.play is not None:
        own["play"] = _describe_play(experiment.play)
    if experiment.settings:
        own["own"] = dict(experiment.settings)
    if experiment.assignment != "within":
        own["assignment"] = experiment.assignment
    if experiment.preferences:
        own["preferences"] = {
            one.name: {"question": one.question, "pairs": one.pairs} for one in experiment.preferences
        }
    if selected is not None:
        proposals = experiment.script.proposals
        own["selected"] = [proposals[number].get("id", number) for number in selected]
    return own


def group_settings(plan: CellPlan, code: PlanCode, *, declared_population: str | None) -> dict[str, Any]:
    """What identifies an arm within its run."""
    own = population_hash(plan)
    return {
        "correction": describe_correction(plan.correction),
        "interventions": [describe_intervention(intervention) for intervention in plan.interventions],
        "population": None if own == declared_population else own,
        **({"own": dict(plan.group.settings)} if plan.group.settings else {}),
        **({"model_options": plan.group.options} if plan.group.options else {}),
        **plan.group.declared,
        **({"code": _hashes(code.interventions)} if code.interventions else {}),
    }


def population_hash(plan: CellPlan) -> str:
    """Of the personas as they take part: a fixture may have changed them since the population was read."""
    try:
        return digest(plan.population.personas, plan.population.file_sha256)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"Group {plan.cell.group!r} of {plan.cell.experiment}: population {plan.population.source} is not plain "
            f"data ({error}); expected specifications of text, numbers, lists and objects."
        ) from None


def population_facts(population: Population) -> dict[str, Any]:
    """Where people came from and how they were chosen, as records have it; what does not apply is left out."""
    facts: dict[str, Any] = {"source": population.source}
    if population.file_sha256 is not None:
        facts["file_sha256"] = population.file_sha256
    if population.sampling:
        facts["sampling"] = [step.to_metadata() for step in population.sampling]
    if len(set(population.weights)) > 1:
        facts["effective_n"] = round(population.effective_n, 1)
    if has_attributes(population):
        facts[KEY] = True
    return facts


def cell_metadata(plan: CellPlan) -> dict[str, Any]:
    """The part of a file's first line that depends on the cell."""
    script = plan.experiment.script_of(plan.group)
    return {
        **plan.experiment.settings,
        **plan.group.settings,
        **_options(merge_options(plan.model_options, plan.group.options)),
        **({} if plan.experiment.seed is None else {"trial_seed": plan.experiment.seed}),
        "experiment": plan.cell.experiment,
        "group": plan.cell.group,
        "rep": plan.cell.rep,
        "mode": plan.mode_name,
        "harness_version": harness_version(),
        "python_version": python_version(),
        "engine": plan.engine,
        "correction": describe_correction(plan.correction),
        "interventions": [describe_intervention(intervention) for intervention in plan.interventions],
        "script": {
            "source": script.source,
            "sha256": fingerprint(describe_script(script)),
            "origin": dict(script.origin),
            "words": describe_script(script),
        },
        "population": {
            **population_facts(plan.population),
            "sha256": population_hash(plan),
            "declared": plan.group.population is not None or plan.group.fragments is not None,
            "people": len(plan.population.personas),
            "fragments": [str(fragment) for fragment in fragments_of(plan.experiment, plan.group)],
        },
    }


def session_settings(settings: Settings, provider: Provider, roles: Mapping[str, Provider]) -> dict[str, Any]:
    """What identifies a run besides `base_settings`: the player, models of separate roles, and the seeds."""
    found = {
        "provider": provider.name,
        "model": provider.model,
        "base_url": _address(provider, settings.base_url),
        "temperature": settings.temperature,
        "seed": settings.seed,
        **getattr(provider, "facts", {}),
    }
    if settings.response_format != "auto":
        found["response_format"] = settings.response_format
    if settings.provider_seed is not None:
        found["provider_seed"] = settings.provider_seed
    for role, one in roles.items():
        asked = settings.judge_base_url if role == JUDGE else None
        found |= {
            f"{role}_provider": one.name,
            f"{role}_model": one.model,
            f"{role}_base_url": _address(one, asked),
            **{f"{role}_{name}": fact for name, fact in getattr(one, "facts", {}).items()},
        }
    return found


def _address(provider: Provider, asked: str | None) -> str | None:
    address = getattr(provider, "base_url", None) or asked
    return without_secrets(address) if address else None


def metric_kinds(experiment: Experiment) -> dict[str, bool]:
    """Metric name → whether it has one value per person, in the artifact's order."""
    personal = {m.name for m in experiment.trial_metrics if m.about == "person"}
    return {name: name in personal for name in experiment.metric_names}
