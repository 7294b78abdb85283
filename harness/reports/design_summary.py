"""What an experiment asked, in words: its arms, its size, and the model that answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.model import options_in_words, read_items
from harness.model.contrast import CONTROL, PAIRS, contrasts_in_words, contrasts_to_metadata
from harness.reports import arm_labels
from harness.reports.numbers import counted
from harness.reports.run_report import RunReport
from harness.stats.results import NO_METRIC as NO_METRIC


def arm(line: Mapping[str, Any]) -> str:
    """What an arm has, from the first line of one of its files."""
    return arm_labels.arm(line) or "default settings"


def question(report: RunReport) -> str:
    """The experiment's question in one sentence."""
    control, *others = report.design.groups or ("",)
    preferences = len({one.metric for one in report.dataset.judgements})
    sizes = ((len(report.design.metrics), "metric"), (preferences, "pairwise comparison"))
    metrics = " and ".join(counted(size, noun) for size, noun in sizes if size)
    if not metrics:
        return f"What do personas answer in {' and '.join(report.design.groups)}?"
    if not others:
        return f"How does {control} score on {metrics}?"
    if report.design.contrasts == PAIRS:
        return (
            f"Do {', '.join((control, *others[:-1]))} and {others[-1]} differ from one another on {metrics}?"
        )
    if report.design.contrasts != CONTROL:
        named = contrasts_in_words(contrasts_to_metadata(report.design.contrasts))
        return f"Do these contrasts differ from 0 on {metrics}: {named}?"
    return f"Does {' or '.join(others)} differ from {control} on {metrics}?"


def size(report: RunReport) -> str:
    """How many people, panels, proposals and repetitions: what was planned."""
    design = report.design
    people = len({person for panel in design.panels for person in panel})
    proposals = counted(design.proposals, "proposal")
    if design.only is not None:
        proposals = f"{len(design.only)} of {proposals}, a part,"
    unit = "persona" if report.dataset.individual else "panel"
    in_panels = f" in {counted(len(design.panels), 'panel')}" if unit == "panel" else ""
    who = f"{counted(people, 'persona')}{in_panels} × " if people else ""
    shared = "" if unit == "persona" and design.proposals == 1 else f"{proposals} × "
    begun = f"{who}{shared}{counted(design.reps, 'repetition')}: "
    if design.assignment is not None:
        arms = ", ".join(
            f"{counted(design.trials_of(arm), 'trial')} of {counted(len(design.panels_of(arm)), unit)} in {arm}"
            for arm in design.groups
        )
        return f"{begun}each {unit} in one arm, {arms}."
    return f"{begun}{counted(design.trials_per_group, 'trial')} planned per arm."


def answered_by(report: RunReport) -> str:
    """The engine and the model, as the records name them."""
    line = report.first_line
    settings = line.get("settings") or {}
    temperature = settings.get("temperature", line.get("temperature"))
    warmth = "the provider's own temperature" if temperature is None else f"temperature {temperature:g}"
    shared = options_in_words(settings.get("model_options") or {})
    warmth += f", {shared}" if shared else ""
    return (
        f"Model {line.get('model')} by {line.get('provider')}, {warmth}; "
        f"{line.get('engine')} engine, mode {line.get('mode')}."
    )


def words(report: RunReport) -> Iterator[tuple[str, str]]:
    """The script, part by part, or the items of a survey."""
    yield from _survey(report)
    script = (report.first_line.get("script") or {}).get("words") or {}
    for part in ("introduction", "task", "consolidation"):
        if script.get(part):
            yield part, str(script[part])
    for number, proposal in enumerate(script.get("proposals") or (), start=1):
        for name, text in (proposal or {}).items():
            yield f"proposal {number}: {name}", str(text)


def _survey(report: RunReport) -> Iterator[tuple[str, str]]:
    """The survey's introduction and questions, with the answers that each allows."""
    play = (report.first_line.get("settings") or {}).get("play")
    if not isinstance(play, Mapping):
        return
    items = read_items(play.get("survey"))
    if items and play.get("introduction"):
        yield "introduction", str(play["introduction"])
    for number, item in enumerate(items, start=1):
        answers = ", ".join([*item.choices, *item.opt_out])
        asked = f" (asked if {item.when})" if item.when else ""
        yield f"item {number}: {item.name}", item.question + (f" [{answers}]" if answers else "") + asked


def _labelled(metric: Mapping[str, Any]) -> str:
    """What a metric of a survey means: its item's words, and its scale; empty for another."""
    label, scale = metric.get("label"), metric.get("scale")
    if not label:
        return ""
    return (
        f"{label} ({scale[0]:g} to {scale[1]:g})"
        if isinstance(scale, list) and len(scale) == 2
        else str(label)
    )


def claims(report: RunReport) -> Iterator[tuple[str, str]]:
    """Each metric with what it means: the claim that the judge scores, or where its number comes from."""
    declared = (report.first_line.get("settings") or {}).get("metrics") or ()
    known = {one.get("name"): one for one in declared if isinstance(one, Mapping)}
    for metric in report.design.metrics:
        one = known.get(metric, {})
        text = one.get("claim") or _labelled(one) or "a number computed from the trial"
        yield metric, f"{text}" + (f" (about each {one['about']})" if one.get("about") else "")
