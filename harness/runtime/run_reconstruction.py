"""Rebuild the trials of a run from its records: personas, transcript and claims."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engines.survey.coding import OpenAnswer, open_answers
from harness.errors import ConfigurationError, HarnessError
from harness.model import Event, Experiment, FreeText, Item, Persona, Proposition, Survey, read_items, render
from harness.personas import Population, load
from harness.personas.population import restored_person
from harness.records import FiledRun, stream
from harness.records.people import kept_people
from harness.runtime.plan import OWN

PACKAGED = "packaged:"


@dataclass(frozen=True, slots=True)
class RecordedTrial:
    """One finished trial, which the experiment's ``own`` play ran, or a ``foreign`` engine instead of ``embedded``.

    ``texts`` are the answers to a survey that a judge coded.
    """

    record: Mapping[str, Any]
    personas: tuple[Persona, ...]
    transcript: tuple[Event, ...]
    claims: tuple[Proposition, ...]
    task: str
    steps: int
    foreign: bool
    own: bool = False
    texts: tuple[OpenAnswer, ...] = ()

    @property
    def trial(self) -> str:
        return str(self.record["trial"])


def choose(run: FiledRun, share: float, seed: int) -> list[Mapping[str, Any]]:
    """A share of the finished trials, the same blocks in every arm; a larger share has the smaller one in it.

    ``share`` is above 0 and at most 1, taken of each arm and rounded up. Raises `ConfigurationError`.
    """
    if not 0 < share <= 1:
        raise ConfigurationError(f"share {share:g}: expected more than 0, and 1 at most.")
    arms: dict[str, list[Mapping[str, Any]]] = {group: [] for group in run.design.groups}
    for outcome in run.outcomes.values():
        if outcome.accepted is not None:
            arms.setdefault(outcome.accepted["group"], []).append(outcome.accepted)
    return [
        record
        for records in arms.values()
        for record in sorted(records, key=lambda one: _rank(one, seed))[: math.ceil(share * len(records))]
    ]


def _rank(record: Mapping[str, Any], seed: int) -> str:
    block = "/".join(str(record[name]) for name in ("rep", "panel", "proposal"))
    return hashlib.sha256(f"{seed}/{block}".encode()).hexdigest()


def reconstruct(
    run: FiledRun,
    chosen: Sequence[Mapping[str, Any]],
    experiments: Mapping[str, Experiment],
    notebooks: Path | None = None,
) -> list[RecordedTrial]:
    """Rebuild the trials of ``chosen`` for a judge.

    A population that is no longer where the record says comes from ``experiments``. Raises `HarnessError` when the
    personas have changed or the run has no propositions.
    """
    try:
        return _reconstruct(run, chosen, experiments, notebooks)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HarnessError(
            f"Run {run.run_id} of {run.experiment}: its records lack what a judge needs ({type(error).__name__}: "
            f"{error!s:.80}); expected them as a session wrote them."
        ) from error


def _reconstruct(
    run: FiledRun,
    chosen: Sequence[Mapping[str, Any]],
    experiments: Mapping[str, Experiment],
    notebooks: Path | None,
) -> list[RecordedTrial]:
    cells = {(line["group"], line["rep"]): line for line in run.metadata}
    known: dict[str, Mapping[str, Persona]] = {}
    found = []
    for record in _whole(run, chosen):
        line = cells.get((record["group"], record["rep"])) or run.metadata[0]
        claims, texts = tuple(_claims(line)), _texts(record, line)
        if not claims and not _is_coded(line):
            raise ConfigurationError(f"Run {run.run_id} of {run.experiment}: a judge scored nothing in it.")
        names, mark = record["people"], str(line["population"]["sha256"])
        if not any(claim.include_persona for claim in claims):
            personas = {name: Persona(name, {}) for name in names}
        else:
            if mark not in known:
                known[mark] = _people(line, run.folder, experiments.get(run.experiment), notebooks)
            personas = dict(known[mark])
        found.append(_trial(record, line, tuple(personas[name] for name in names), claims, texts))
    return found


def _trial(
    record: Mapping[str, Any],
    line: Mapping[str, Any],
    personas: tuple[Persona, ...],
    claims: tuple[Proposition, ...],
    texts: tuple[OpenAnswer, ...],
) -> RecordedTrial:
    words, fields = line["script"]["words"], record["proposal_fields"]
    task = render(words["task"], fields)
    described = render(words["task_description"], {**fields, "task": task})
    own, play = line["engine"] == OWN, line["settings"].get("play")
    if own:
        goal = play.get("goal") if isinstance(play, Mapping) else None  # of a dialogue
        described = render(goal, fields) if goal else described if task else ""
    return RecordedTrial(
        record,
        personas,
        tuple(Event(**event) for event in record["transcript"]),
        claims,
        described,
        int(line["settings"]["steps"]),
        foreign=line["engine"] not in ("embedded", OWN),
        own=own,
        texts=texts,
    )


def _items(line: Mapping[str, Any]) -> tuple[Item, ...]:
    """The items of the survey that a file's first line describes, in the words of its arm; none without a survey."""
    play = line["settings"].get("play")
    survey = Survey(items=read_items(play.get("survey"))) if isinstance(play, Mapping) else Survey(items=())
    return survey.worded((line.get("group_settings") or {}).get("survey") or {}).items


def _is_coded(line: Mapping[str, Any]) -> bool:
    return any(isinstance(item, FreeText) and item.codes for item in _items(line))


def _texts(record: Mapping[str, Any], line: Mapping[str, Any]) -> tuple[OpenAnswer, ...]:
    return open_answers(record, _items(line)) if "answers" in record and _is_coded(line) else ()


def _claims(line: Mapping[str, Any]) -> Iterator[Proposition]:
    for metric in line["settings"]["metrics"]:
        if "claim" in metric:
            yield Proposition(**metric)


def _whole(run: FiledRun, chosen: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Read the records again, now with their transcripts."""
    wanted = {(one["trial"], one.get("ended"), one.get("attempt")) for one in chosen}
    for file in run.files:
        for line in stream(file.path):
            mark = (line.get("trial"), line.get("ended"), line.get("attempt"))
            if mark in wanted and line.get("run_id") == run.run_id and "transcript" in line:
                wanted.remove(mark)
                yield line
    if wanted:
        names = ", ".join(sorted(str(trial) for trial, *_ in wanted)[:3])
        raise HarnessError(
            f"Run {run.run_id}: no transcript on record of {names}; expected one of every trial."
        )


def _people(
    line: Mapping[str, Any], results: Path, experiment: Experiment | None, notebooks: Path | None
) -> Mapping[str, Persona]:
    """The personas of a population by name, where one is found whose hash is the recorded one."""
    wanted, seen = line["population"], []
    for population in _populations(wanted, results, experiment, notebooks):
        if population.sha256 == wanted["sha256"]:
            return {persona.name: persona for persona in population.personas}
        seen.append(f"{population.source} has {population.sha256[:12]}")
    raise ConfigurationError(
        f"Population {wanted['source']} of {line['experiment']}: the run's had the hash {wanted['sha256'][:12]}, "
        f"{'; '.join(dict.fromkeys(seen)) or 'and it is no longer readable'}. A judge must see the same personas: "
        "restore the files, or name the test file that declares the experiment."
    )


def _populations(
    wanted: Mapping[str, Any], results: Path, experiment: Experiment | None, notebooks: Path | None
) -> Iterator[Population]:
    """Where the people of a run may be found.

    How a table was read is known to no record, so that its people come from what was kept first. Other sources must
    not have changed, and what was kept serves only where they are gone.
    """
    from_table = "file_sha256" in wanted or "sampling" in wanted
    if from_table:
        yield from _kept(wanted, results)
    readable = False
    for population in _candidates(wanted, experiment, notebooks):
        readable = True
        yield population
    if not readable and not from_table:
        yield from _kept(wanted, results)


def _kept(wanted: Mapping[str, Any], results: Path) -> Iterator[Population]:
    """The population as it was kept with the records of the run."""
    rows = kept_people(results, str(wanted["sha256"]))
    if rows is not None:
        source = str(wanted["source"])
        people = [restored_person(row, source) for row in rows]
        yield Population(people, source, file_sha256=wanted.get("file_sha256"))


def _candidates(
    wanted: Mapping[str, Any], experiment: Experiment | None, notebooks: Path | None
) -> Iterator[Population]:
    source, fragments = str(wanted["source"]), tuple(wanted.get("fragments") or ())
    place: str | Path = source.removeprefix(PACKAGED) if source.startswith(PACKAGED) else Path(source)
    tries: list[tuple[Any, Sequence[Any], Path | None]] = [(place, fragments, None)]
    if isinstance(place, Path):
        tries.append((place, fragments, place.parent.parent))
    if experiment is not None:
        tries += [(experiment.population, experiment.fragments, folder) for folder in (None, notebooks)]
    for what, parts, folder in tries:
        try:
            yield load(what, parts, folder=folder)
        except ConfigurationError:
            continue
