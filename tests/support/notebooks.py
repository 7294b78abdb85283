"""The published notebooks where a checkout is at hand, and notebooks of their structure in our own words."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path
from typing import Any

import pytest

from harness.experiments.table1.settings import ArmSettings, ExperimentSettings
from harness.experiments.table1.words import Words

JUNE = "publications/paper_artifacts_june-2025"


def published(folder: str = JUNE) -> Path:
    checkout = os.environ.get("TINYTROUPE_REPO_DIR")
    if not checkout:
        pytest.skip("needs a TinyTroupe checkout; set TINYTROUPE_REPO_DIR")
    if not (Path(checkout) / folder).is_dir():
        pytest.skip(f"the checkout in TINYTROUPE_REPO_DIR has no {folder}")
    return Path(checkout) / folder


def write_notebook(file: Path, row: ExperimentSettings, words: Words) -> None:
    """A notebook that says ``row`` and ``words`` in the way the family says it."""
    sources = [textwrap.dedent(cell).strip() for cell in _cells(row, words)]
    cells = [{"cell_type": "markdown", "metadata": {}, "source": ["# Written for a test"]}]
    for source in sources:
        cells.append(
            {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}  # type: ignore[dict-item]
        )
    file.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))


def _cells(row: ExperimentSettings, words: Words) -> list[str]:
    script = words.script
    extraction = script.extraction
    assert extraction is not None
    local = dict.fromkeys(key for proposal in script.proposals for key in proposal)
    return [
        "from somewhere import *",
        f"full_mode = {row.full_mode}",
        f"if full_mode:\n{_mode(row.full)}\nelse:\n{_mode(row.fast)}",
        f"runner = InPlaceExperimentRunner('./{row.artifact}')\n"
        + "\n".join(f"runner.add_experiment({name!r})" for name in row.groups),
        _people(row),
        f"for i in range(0, len(people), {row.panel_size}):\n    panels.append(people[i:i+{row.panel_size}])",
        _corrections(row),
        f"proposals = {list(map(dict, script.proposals))!r}\n"
        "if not full_mode:\n    proposals = proposals[:qty_proposals]",
        "def battery(agents, interventions):\n    for proposal in proposals:\n"
        + "".join(f"        my_{name} = proposal[{name!r}]\n" for name in local)
        + f"        world.broadcast({_fstring(script.introduction)})\n"
        "        world.run(1)\n"
        f"        world.broadcast({_fstring(script.task)})\n"
        "        world.run(simulation_steps)\n"
        "        rapporteur = agents[0]\n"
        f"        rapporteur.listen_and_act({script.consolidation!r})\n"
        "        found = ResultsExtractor().extract_results_from_agent(rapporteur,\n"
        f"            extraction_objective={extraction.objective!r}, situation={extraction.situation!r},\n"
        f"            fields={list(extraction.fields)!r}, fields_hints={{{extraction.root!r}: 'the root'}})\n"
        f"        scores[{extraction.metric!r}].append(len(found[{extraction.root!r}]))\n"
        f"        it.score(world, claim_variables={{'task_description': "
        f"{_fstring(script.task_description)}}})",
        _study(row, words),
    ]


def _mode(mode: Any) -> str:
    lines = [f"    repetitions_per_task = {mode.reps}", f"    simulation_steps = {mode.steps}"]
    lines += [f"    qty_agents = {mode.people}"] if mode.people else []
    lines += [f"    qty_proposals = {mode.proposals}"] if mode.proposals else []
    return "\n".join(lines)


def _people(row: ExperimentSettings) -> str:
    lines = ["people = []", "if not runner.has_finished_all_experiments():"]
    lines += [f"    people = TinyPerson.load_specifications_from_folder('./population/{row.population}')"]
    if row.shuffle_seed is not None:
        lines += [f"    random.seed({row.shuffle_seed})", "    random.shuffle(people)"]
    lines += ["    if not full_mode:", "        people = people[:qty_agents]", "    for person in people:"]
    lines += [
        "        # person.import_fragment('./fragments/commented_out.agent.fragment.json')",
        "        pass",
    ]
    lines += [
        f"        person.import_fragment('./fragments/{name}.agent.fragment.json')" for name in row.fragments
    ]
    return "\n".join(lines)


def _corrections(row: ExperimentSettings) -> str:
    lines = []
    for name, arm in row.groups.items():
        lines += [f"if runner.get_active_experiment() == {name!r}:", "    for person in people:"]
        settings: dict[str, object] = {"enable_reasoning_step": False, "enable_quality_checks": False}
        if arm.correction:
            settings |= {
                "enable_quality_checks": True,
                "max_attempts": arm.correction.max_attempts,
                "enable_regeneration": arm.correction.regeneration,
                "quality_threshold": arm.correction.quality_threshold,
            }
        lines += [f"        person.action_generator.{key} = {value}" for key, value in settings.items()]
    if not any(arm.correction for arm in row.groups.values()):
        return "\n".join(["for person in people:", *lines[2:4]])
    return "\n".join(lines)


def _study(row: ExperimentSettings, words: Words) -> str:
    lines = ["def study(people):", "    interventions = []"]
    for name, arm in row.groups.items():
        lines += _intervention(name, arm, words)
    lines += [
        "    # interventions = Intervention.create_for_each(people).set_effect(lambda target: target.act())",
        "    return battery(agents=people, interventions=interventions,",
        f"        agent_propositions={_pairs(row.agent_propositions)},",
        f"        environment_propositions={_pairs(row.environment_propositions)},",
        "        repetitions=repetitions_per_task, simulation_steps=simulation_steps)",
    ]
    return "\n".join(lines)


def _intervention(name: str, arm: ArmSettings, words: Words) -> list[str]:
    if arm.gap is None:
        return []
    return [
        f"    if runner.get_active_experiment() == {name!r}:",
        "        interventions = Intervention.create_for_each(people)\\",
        "            .set_functional_precondition("
        f"lambda target: target.actions_count >={arm.actions_at_least})\\",
        f"            .set_textual_precondition({words.precondition!r})\\",
        f"            .set_effect(lambda target: target.think({words.effect!r}))",
    ]


def _pairs(pairs: tuple[tuple[str, str], ...]) -> str:
    return "{" + ", ".join(f"{metric!r}: {claim}" for metric, claim in pairs) + "}"


def _fstring(template: str | None) -> str:
    return "f" + repr((template or "").replace("{", "{my_"))
