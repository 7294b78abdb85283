"""Runs one trial of the real TinyTroupe in a worker process, with the notebook's calls in its order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from configparser import ConfigParser
from pathlib import Path
from typing import Any

from harness.engines.tinytroupe import package
from harness.engines.tinytroupe.event_capture import Corrections, Transcript
from harness.engines.tinytroupe.job import Job, JobResult
from harness.engines.tinytroupe.package import theirs
from harness.engines.tinytroupe.results import count
from harness.model import Extraction, Intervention, Proposition

PARALLEL = 32
"""The number of threads that request scores."""

EXTRACTIONS = 3
"""The most unusable replies to the request for an extraction."""

_ready = False
_checkout = ""


def write_settings(directory: Path, settings: Mapping[str, Mapping[str, str]]) -> None:
    """Put the settings where the package looks for them: config.ini in the working directory."""
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_dict(settings)
    with (directory / "config.ini").open("w", encoding="utf-8") as file:
        parser.write(file)


def initialize(checkout: str, directory: str, settings: Mapping[str, Mapping[str, str]]) -> None:
    """Give this process a working directory. The first trial imports the package, so that errors reach its caller."""
    global _checkout
    _checkout = checkout
    own = Path(directory) / str(os.getpid())
    own.mkdir()
    write_settings(own, settings)
    os.chdir(own)


def play(job: Job) -> JobResult:
    """Run the trial to its end, or until a call fails; ``lost`` then says which."""
    _prepare()
    package.reset(job.seed)
    package.connect(*job.endpoint)
    return _Trial(job).play()


def _prepare() -> None:
    global _ready
    if not _ready:
        package.import_package(_checkout)
        package.configure()
        _ready = True


class _LostError(Exception):
    """A call failed, so the rest would be about another conversation."""


class _Trial:
    def __init__(self, job: Job) -> None:
        load = theirs("agent").TinyPerson.load_specification
        self.job = job
        self.played = JobResult()
        self.people = [load(dict(persona)) for persona in job.personas]
        self.transcript = Transcript(self.people)
        self.corrections = Corrections()
        self._set_correction()
        for person in self.people:
            person.clear_episodic_memory()
        self.world = theirs("environment").TinyWorld(
            agents=self.people, initial_datetime=job.start, interventions=self._interventions()
        )

    def play(self) -> JobResult:
        try:
            self._converse()
            self._conclude()
            self._score()
        except _LostError as error:
            self.played.lost = str(error)
        self.played.events = self.transcript.events()
        self.played.corrections = self.corrections.events()
        return self.played

    # Setting up

    def _set_correction(self) -> None:
        for person in self.people:
            generator, correction = person.action_generator, self.job.correction
            generator.enable_reasoning_step = False
            generator.enable_quality_checks = correction is not None
            if correction is not None:
                generator.max_attempts = correction.max_attempts
                generator.enable_regeneration = correction.regeneration
                generator.quality_threshold = correction.quality_threshold
                self.corrections.watch(person, self.transcript)

    def _interventions(self) -> list[Any]:
        return [one for intervention in self.job.interventions for one in self._for_each(intervention)]

    def _for_each(self, intervention: Intervention) -> Any:
        batch = theirs("steering").Intervention.create_for_each(self.people)
        if intervention.functional is not None:
            batch.set_functional_precondition(intervention.functional)
        if intervention.textual is not None:
            batch.set_textual_precondition(intervention.textual)
        return batch.set_effect(lambda person: self._nudge(intervention, person))

    def _nudge(self, intervention: Intervention, person: Any) -> None:
        fired = {"name": intervention.name, "person": person.name, "step": self.transcript.step}
        self.played.interventions.append(fired)
        person.think(intervention.effect)

    # The conversation

    def _converse(self) -> None:
        if self.job.introduction is not None:
            self.transcript.step = 0
            self.world.broadcast(self.job.introduction)
            self._step()
        self.transcript.step = 1
        self.world.broadcast(self.job.task)
        for step in range(1, self.job.steps + 1):
            self.transcript.step = step
            self._step()

    def _step(self) -> None:
        """Run one step of the world, and fail if the package dropped a person's turn."""
        acted = self.world.run(1, return_actions=True)[0]
        self._check_calls()
        silent = [person.name for person in self.people if not acted.get(person.name)]
        if silent:
            raise _LostError(f"the turn of {', '.join(silent)} in step {self.transcript.step} failed")

    def _conclude(self) -> None:
        if self.job.consolidation is not None:
            self.transcript.step = self.job.steps + 1
            self.people[0].listen_and_act(self.job.consolidation)
            self._check_calls()
        if self.job.extraction is not None:
            self._extract(self.job.extraction)

    def _extract(self, extraction: Extraction) -> None:
        """Request the extraction until a reply is usable, within the limit. Refusals are kept."""
        told = package.rejections("extract")
        while told["rejections"] < EXTRACTIONS:
            extracted = self._extracted(extraction)
            self._check_calls()
            _, fault = count(extraction, extracted)
            if fault is None:
                self.played.extraction = extracted
                return
            told = package.rejections("extract", fault)
            if not told["rejected"]:
                self.played.fault = fault
                return
        self.played.fault = told["reason"]

    def _extracted(self, extraction: Extraction) -> Any:
        return (
            theirs("extraction")
            .ResultsExtractor()
            .extract_results_from_agent(
                self.people[0],
                extraction_objective=extraction.objective,
                situation=extraction.situation,
                fields=list(extraction.fields),
                fields_hints={extraction.root: extraction.root_hint},
            )
        )

    def _check_calls(self) -> None:
        if package.failures:
            raise _LostError(package.failures[0])

    # Scores

    def _score(self) -> None:
        panel = [(one, self.world) for one in self.job.propositions if one.about == "panel"]
        person = [(one, who) for who in self.people for one in self.job.propositions if one.about == "person"]
        for pairs in (panel, person):
            self._ask_judge(pairs)
            self._check_calls()

    def _ask_judge(self, pairs: list[tuple[Proposition, Any]]) -> None:
        answers = theirs("utils.parallel").parallel_map(
            pairs, lambda pair: self._judge(*pair), max_workers=PARALLEL
        )
        for (proposition, target), answer in zip(pairs, answers, strict=True):
            subject = None if target is self.world else target.name
            self.played.scores[proposition.name, subject] = answer

    def _judge(self, proposition: Proposition, target: Any) -> Any:
        options: dict[str, Any] = {"return_full_response": True}
        if proposition.about == "panel":
            options["claim_variables"] = {"task_description": self.job.task_description}
            if proposition.tinytroupe is None:  # its claim has no place for the task
                options["additional_context"] = self.job.task_description
        return proposition_of(proposition).score(target, **options)


def proposition_of(proposition: Proposition) -> Any:
    """The package's proposition of that name, a copy for one use; without a name, one made from the claim."""
    if proposition.tinytroupe is None:
        return theirs("experimentation").Proposition(
            proposition.claim, include_personas=proposition.include_persona
        )
    return getattr(theirs("validation"), proposition.tinytroupe).copy()
