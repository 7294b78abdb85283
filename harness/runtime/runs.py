"""The runs that a session works on: which one each cell belongs to, and what of it is done already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigurationError, HarnessError, LostRepliesError
from harness.gateway.model_snapshots import bare, split_address
from harness.gateway.requests.model_options import FIXED_MODEL, CallOptions
from harness.model import Cell, Sample, Trial
from harness.model.roles import is_rehearsed
from harness.model.watched_settings import UNREAD
from harness.records import Design, Run, RunRegistry, files_of_run, fingerprint, merge, session_timestamp
from harness.records.accepted_changes import changes_of, is_mixed
from harness.records.earlier_versions import CODE, setting_differences
from harness.records.json_safe import differences, shown
from harness.records.lines import sample_line
from harness.records.looks import note_look
from harness.records.measurements import CODE as METRIC_CODE
from harness.records.measurements import measurement_line, open_measurements
from harness.records.plans import Plan, beyond, plan_for, refusal
from harness.records.reader import outcomes, read_all
from harness.records.registry.code_store import setting_lines
from harness.records.registry.recovery import describe
from harness.records.registry.store import FINISHED, OPEN
from harness.runtime import provenance
from harness.runtime.cells import Entry, TrialOutcome
from harness.runtime.code.changes import new_run_notes, remeasured_notes
from harness.runtime.remeasuring import Unmeasured
from harness.runtime.settings import Settings
from harness.text_files import read_json

if TYPE_CHECKING:
    from harness.checks import CheckRunner, OwnChecks
    from harness.gateway.journal.journal import Journal


CONFIGURED_ENGINES = ("tinytroupe",)
"""Engines that put the defaults of their configuration into every request: model and model options replace them."""

MIXED = "  The run is mixed now: nothing can be claimed from it."


@dataclass
class OpenRun:
    """A run under way: its accepted trials, how often each was tried, and the arms' settings.

    ``called`` are the trials for which earlier sessions had replies. ``measures`` is the code of the metrics that this
    session has. ``unmeasured`` are accepted trials with the metrics that are to be computed again for them; ``None``
    where the run's records are all by that code, ``measured_before`` the code that they are by. ``notes`` is what
    there is to say of the run on the terminal. ``uncompared`` counts pairwise comparisons still to be made, where that
    is known.
    """

    run: Run
    experiment: str
    design: Design
    settings: Mapping[str, Any]
    groups: dict[str, Mapping[str, Any]]
    accepted: dict[str, TrialOutcome] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    plan: Plan | None = None
    measures: Mapping[str, str] = field(default_factory=dict)
    unmeasured: Unmeasured | None = None
    measured_before: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    uncompared: int | None = None

    @property
    def rehearsal(self) -> bool:
        return is_rehearsed(self.settings)

    @property
    def mixed(self) -> bool:
        """Whether settings changed while the run was under way, and the user accepted that."""
        return is_mixed(self.settings)

    @property
    def has_unknown_code(self) -> bool:
        """Whether a version that recorded no code began it, and this session is the first to join it since."""
        before = self.run.before
        return before is not None and CODE in self.settings and CODE not in before.settings

    def accept(self, run: Run, *, since: Run, results_dir: Path) -> None:
        """Take over the settings of ``run`` with its accepted changes, and note those that ``since`` lacks."""
        if not is_mixed(run.settings):
            return
        self.run = replace(self.run, settings=run.settings, fingerprint=run.fingerprint)
        self.settings = run.settings
        for change in changes_of(run.settings)[len(changes_of(since.settings)) :]:
            lines = setting_lines(
                results_dir, {key: tuple(pair) for key, pair in change["differences"].items()}
            )
            self.notes.append(
                "\n".join([f"{self.experiment}: accepted changes in run {run.id}:", *lines, MIXED])
            )

    def unmeasurable(self) -> bool:
        """Whether a metric's function failed for some trial. The run then stays open: a mended one needs no new run."""
        return any(sample.raised for played in self.accepted.values() for sample in played.samples)

    def keep_contrasts(self, metadata: Iterable[Mapping[str, Any]]) -> None:
        """Keep the contrasts that the run began with: those declared later may have been chosen by its data."""
        designs = [Design.from_metadata(line["design"]) for line in metadata if line.get("design")]
        if designs and designs[0].contrasts != self.design.contrasts:
            self.design = replace(self.design, contrasts=designs[0].contrasts)
            self.notes.append(
                f"{self.experiment}: contrasts= has changed since run {self.run.id} began; the analysis keeps those "
                "that the run began with. A new run takes the new ones."
            )

    def is_compared(self) -> bool:
        """Whether all pairwise comparisons that the run declares are made."""
        return not self.settings.get("preferences") or self.uncompared == 0

    def finished(self) -> dict[str, int]:
        """How many trials of each group have an accepted record."""
        count = Counter(played.trial.cell.group for played in self.accepted.values())
        return {group: count[group] for group in self.design.groups}

    def unfinished(self) -> int:
        """How many trials that earlier sessions planned have no accepted record."""
        if self.run.before is None or self.run.before.status == FINISHED:
            return 0
        planned = replace(self.design, reps=self.run.before.reps)
        trials = (
            trial for group in self.run.before.groups for trial in planned.trials(self.experiment, group)
        )
        return sum(trial.id not in self.accepted for trial in trials)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a session left of a run: its files, and what could not be written."""

    experiment: str
    run_id: str
    records: tuple[Path, ...]
    artifact: Path | None
    meta: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None


class RunBook:
    """Opens runs in the registry as cells need them, and concludes them at the end."""

    def __init__(
        self,
        settings: Settings,
        registry: RunRegistry,
        facts: Mapping[str, Any],
        journal: Journal | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings, self._registry, self._facts = settings, registry, facts
        self._journal, self._say = journal, say
        self._open: dict[str, OpenRun] = {}
        self._of_cell: dict[Cell, OpenRun] = {}
        self._fixed: set[Cell] = set()  # whose requests' names of models are ignored
        self._first_lines: dict[Cell, Mapping[str, Any]] = {}
        self._varying: set[Cell] = set()
        self._arms: dict[tuple[str, str], Mapping[str, Any]] = {}

    def of(self, cell: Cell) -> OpenRun:
        """The run that ``cell`` belongs to."""
        return self._of_cell[cell]

    @property
    def runs(self) -> tuple[OpenRun, ...]:
        """The runs that this session works on."""
        return tuple(self._open.values())

    def enter(self, entries: Iterable[Entry]) -> list[OpenRun]:
        """Give every cell its run, opening or joining one where needed; the runs that are new to this session.

        Raises `HarnessError` when a run cannot be resumed or is held by another session, and `ConfigurationError` for
        an arm set up in two ways.
        """
        members: dict[str, list[Entry]] = {}
        for entry in entries:
            entry = replace(entry, settings=with_facts(entry.settings, self._facts))
            measured = {"code of metric": entry.measures}
            self._refuse_two_minds(entry.cell, {**entry.settings, **entry.group_settings, **measured})
            members.setdefault(fingerprint(entry.settings), []).append(entry)
        opened = []
        for key, cells in members.items():
            arms = {entry.cell.group: entry.group_settings for entry in cells}
            known = self._open.get(key)
            if known is None:
                self._open[key] = self._enter(cells[0], arms)
                opened.append(self._open[key])
            elif not arms.keys() <= known.groups.keys():
                self._widen(known, arms, cells[0].design.reps)
                opened.append(known)
            for entry in cells:
                _refuse_two_measures(self._open[key], entry)
                self._of_cell[entry.cell] = self._open[key]
                self._first_lines[entry.cell] = entry.first_line
                if entry.fixed_model:
                    self._fixed.add(entry.cell)
                if not entry.repeats:
                    self._varying.add(entry.cell)
        return opened

    def _refuse_two_minds(self, cell: Cell, settings: Mapping[str, Any]) -> None:
        """Refuse a second set of settings for an arm: their records could not be distinguished."""
        known = self._arms.setdefault((cell.experiment, cell.group), settings)
        changed = differences(known, settings)
        if changed:
            raise ConfigurationError(
                f"Group {cell.group!r} of {cell.experiment} has two different setups in one session:",
                *(f"  {key}: {shown(one)} and {shown(other)}" for key, (one, other) in changed.items()),
                "Expected one setup per group. Rename one of the two experiments, or run one at a time.",
            )

    def _widen(self, known: OpenRun, groups: Mapping[str, Any], reps: int) -> None:
        """Let more groups into a run that this session is working on."""
        known.groups.update(groups)
        run = self._registry.open(
            known.experiment,
            known.settings,
            known.groups,
            reps,
            resume=known.run.id,
            accept_changes=self._settings.accept_changes,
        )
        known.accept(run, since=known.run, results_dir=self._settings.results_dir)

    def _plan(self, entry: Entry) -> Plan | None:
        """The locked plan of the run. Raises `BeyondPlanError` for anything beyond it."""
        mark, rehearsal = fingerprint(entry.settings), entry.settings["provider"] == "rehearsal"
        folder, settings = self._settings.results_dir, entry.settings
        plan = plan_for(folder, entry.cell.experiment, mark, settings, rehearsal=rehearsal)
        if plan is not None and plan.covers(mark, settings) and not self._settings.exploratory:
            what = beyond(plan, entry.design.reps) or self._another(entry.cell.experiment, settings)
            if what is not None:
                raise refusal(plan, what)
        return plan

    def _another(self, experiment: str, settings: Mapping[str, Any]) -> str | None:
        """Warn if this session would start another run with the same settings."""
        runs = self._registry.runs(experiment)
        made = [run for run in runs if not setting_differences(run.settings, settings)]
        goes_on = not self._settings.fresh and any(run.status == OPEN for run in made)
        if not made or goes_on or self._settings.resume is not None:
            return None
        return f"another run after {made[-1].id}, but the plan has one"

    def _enter(self, entry: Entry, groups: dict[str, Mapping[str, Any]]) -> OpenRun:
        plan = self._plan(entry)
        earlier = self._registry.runs(entry.cell.experiment)
        run = self._registry.open(
            entry.cell.experiment,
            entry.settings,
            groups,
            entry.design.reps,
            resume=self._settings.resume,
            fresh=self._settings.fresh,
            accept_changes=self._settings.accept_changes,
            prepare=self._begin_journal,
        )
        entered = OpenRun(
            run,
            entry.cell.experiment,
            entry.design,
            entry.settings,
            groups,
            plan=plan,
            measures=entry.measures,
        )
        if run.before is not None:
            entered.accept(run, since=run.before, results_dir=self._settings.results_dir)
            self._recall(entered)
            self._open_journal(entered)
            entered.notes += _joining_notes(entered)
        elif not self._settings.fresh:
            folder = self._settings.results_dir
            entered.notes += new_run_notes(folder, run, earlier, entry.measures)
        return entered

    def _begin_journal(self, run: Run) -> None:
        if self._journal is not None:
            self._journal.open(run.id, about=describe(run))

    def _open_journal(self, entered: OpenRun) -> None:
        """Open the journal of a run that an earlier session began.

        Raises `LostRepliesError` where paid replies are lost that unfinished trials may need, unless the user knows.
        """
        if self._journal is None:
            return
        run, about = entered.run, describe(entered.run)
        try:
            file = self._journal.open(run.id, about=about, expected=True)
            gone = entered.called - file.trials - file.lost
            if gone:
                raise LostRepliesError(
                    f"The journal {self._journal.folder / run.id}.sqlite has no replies for {len(gone)} recorded "
                    f"trials, such as {min(gone)}: it is older than the records, or belongs to another run."
                )
        except LostRepliesError as loss:
            self._accept(entered, loss)
            self._journal.open(run.id, about=about, replace=True).give_up(entered.called)

    def _accept(self, entered: OpenRun, loss: LostRepliesError) -> None:
        """Continue without lost replies where they are not needed, or the user accepts that."""
        left, run = entered.unfinished(), entered.run
        if left == 0:
            self._say(f"{loss} All planned trials of run {run.id} are finished; nothing is lost.")
        elif self._settings.accept_lost_journal:
            self._say(
                f"{loss} Run {run.id} resumes without these replies and sends the calls of {left} trials again."
            )
        else:
            raise LostRepliesError(
                f"{loss} Resuming run {run.id} of {run.experiment} would send and pay for the calls of {left} "
                f"unfinished trials again. Nothing was sent; the {len(entered.accepted)} finished trials are kept. "
                "Restore the file."
            ) from loss

    def _recall(self, entered: OpenRun) -> None:
        """Read from the run's files which trials need not run again."""
        run_id = entered.run.id
        paths = files_of_run(self._settings.results_dir, entered.experiment, run_id)
        files, revisions = read_all(paths, current={run_id: entered.measures})
        sections = [section for file in files for section in file.sections]
        records = [record for section in sections for record in section.records]
        for outcome in outcomes(records).values():
            entered.attempts[outcome.trial] = outcome.attempts
            if outcome.accepted is not None and _has_replies(outcome.accepted):
                entered.called.add(outcome.trial)
            if outcome.accepted is not None:
                entered.accepted[outcome.trial] = _played(outcome.accepted)
        entered.keep_contrasts(section.metadata for section in sections if section.metadata)
        entered.measured_before, unmeasured = revisions.recorded(run_id), revisions.unmeasured(sections)
        if unmeasured or entered.measures != entered.measured_before:
            entered.unmeasured = unmeasured

    def keep_measurements(
        self, entered: OpenRun, found: Mapping[str, Sequence[Sample]], now: datetime
    ) -> None:
        """Write down metrics that were computed again, and that their code counts from now on."""
        metadata = {
            "timestamp": now.isoformat(),
            "harness_version": provenance.harness_version(),
            "python_version": provenance.python_version(),
            METRIC_CODE: dict(entered.measures),
            "metric_code_before": dict(entered.measured_before),
        }
        folder, run_id, stamp = self._settings.results_dir, entered.run.id, session_timestamp(now)
        with open_measurements(folder, entered.experiment, run_id, metadata, stamp) as writer:
            for trial, samples in found.items():
                lines = [sample_line(one) for one in samples]
                writer.write(measurement_line(run_id, trial, entered.measures, lines))
                entered.accepted[trial] = _with_samples(entered.accepted[trial], samples)
        entered.unmeasured = None
        entered.notes += remeasured_notes(
            folder, entered.experiment, entered.measured_before, entered.measures, found
        )

    def metadata(self, cell: Cell, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The first line of a cell's file. ``facts`` are the session's that identify no run."""
        entered = self.of(cell)
        own = entered.groups[cell.group].get("model_options") or {}
        return {
            "run_id": entered.run.id,
            "fingerprint": entered.run.fingerprint,
            **with_facts({**self._first_lines[cell], **facts}, self._facts),
            **({"temperature": own["temperature"]} if "temperature" in own else {}),
            **self._own_model(cell),
            **self._judging(cell),
            "plan": None if entered.plan is None else entered.plan.sealed,
            "exploratory": self._settings.exploratory,
            "setting_sources": self._settings.given(),
            "design": entered.design.to_metadata(),
            METRIC_CODE: dict(entered.measures),
            "settings": dict(entered.settings),
            "group_settings": dict(entered.groups[cell.group]),
        }

    def _own_model(self, cell: Cell) -> dict[str, Any]:
        """Who answers in an arm with its own model; in a rehearsal no other model does."""
        spec = self.model_of(cell)
        if spec is None or self._facts.get("provider") == "rehearsal":
            return {}
        named, address = split_address(spec)
        provider, _, model = named.partition(":")
        return {"provider": provider, "model": model, "base_url": address}

    def _judging(self, cell: Cell) -> dict[str, Any]:
        """Whether one model plays, or corrects, and judges, be it bought from two sellers."""
        session = str(self._facts.get("model"))
        player = bare(self.model_of(cell) or session)
        judge = bare(str(self._facts.get("judge_model") or session))
        found = {"judge_is_player": judge == player}
        if corrector := self._facts.get("corrector_model"):
            found["judge_is_corrector"] = judge == bare(str(corrector))
        return found

    def model_of(self, cell: Cell) -> str | None:
        """The spec of the model that the cell's arm names as its own."""
        spec = self.of(cell).groups[cell.group].get("model")
        return None if spec is None else str(spec)

    def repeats(self, cell: Cell) -> bool:
        """Whether the cell's resumed trials must ask what the journal has; not where earlier code is unknown."""
        run = self.of(cell)
        return cell not in self._varying and not run.mixed and not run.has_unknown_code

    def call_options(self, cell: Cell) -> CallOptions:
        """The request fields of a cell's calls, as the run's settings and the arm's name them."""
        run = self.of(cell)
        options = self.run_options(run, run.groups[cell.group].get("model_options") or {})
        fixed = FIXED_MODEL if cell in self._fixed else frozenset()
        return replace(options, replaced=options.replaced | fixed)

    def run_options(self, run: OpenRun, arm: Mapping[str, Any] | None = None) -> CallOptions:
        """The request fields of a run's calls, those of an ``arm`` added."""
        arm = arm or {}
        warmth = run.settings.get("temperature")
        shared = {} if warmth is None else {"temperature": warmth}
        others = run.settings.get("model_options") or {}
        replaced: set[str] = set()
        if run.settings.get("engine") in CONFIGURED_ENGINES:
            replaced = {*FIXED_MODEL, *others, *arm}
            if self._settings.temperature is None:  # the session's is in the engine's configuration already
                replaced.add("temperature")
        own = self._settings.temperature
        judge = {} if own is None else {"temperature": own}
        return CallOptions({**shared, **others}, arm, judge=judge, replaced=frozenset(replaced))

    def conclude(self, own: OwnChecks | None = None) -> list[Conclusion]:
        """Merge all files of each run into its artifact, examined with its ``own`` checks too; mark finished runs.

        One fault does not stop the others.
        """
        from harness.checks import CheckRunner

        concluded = [self._conclude(entered, CheckRunner(own)) for entered in self._open.values()]
        self._registry.close()
        return concluded

    def _conclude(self, entered: OpenRun, examiner: CheckRunner) -> Conclusion:
        import harness.stats as stats

        files: Sequence[Path] = ()
        try:
            files = files_of_run(self._settings.results_dir, entered.experiment, entered.run.id)
            if not files:
                return Conclusion(
                    entered.experiment, entered.run.id, (), None, problem=_without_files(entered)
                )
            self._look(entered)
            artifact = merge(files, stats=stats, examine=examiner)[0]
            meta = read_json(artifact.with_suffix(".meta.json"), "Meta file")
            if not meta["partial"] and not entered.unmeasurable() and entered.is_compared():
                self._registry.finish(entered.run.id)
            problem = self._copied(files, examiner)
            return Conclusion(entered.experiment, entered.run.id, tuple(files), artifact, meta, problem)
        except HarnessError as error:
            return Conclusion(entered.experiment, entered.run.id, tuple(files), None, problem=str(error))

    def _look(self, entered: OpenRun) -> None:
        """Note a look: the summary of a session shows the result, finished or not."""
        if not entered.rehearsal:
            note_look(
                self._settings.results_dir,
                entered.run.id,
                entered.experiment,
                entered.finished(),
                how="session",
                now=datetime.now(UTC),
                planned=None if entered.plan is None else int(entered.plan.content["n"]["trials_per_arm"]),
            )

    def _copied(self, files: Sequence[Path], examiner: CheckRunner) -> str | None:
        """Copy the artifact to ``out``, where the session names one; why that failed, if it did."""
        import harness.stats as stats

        try:
            if self._settings.out is not None:
                merge(files, self._settings.out, stats=stats, examine=examiner)
        except HarnessError as error:
            return f"copy of the artifact: {error}"
        return None


def _without_files(entered: OpenRun) -> str:
    if not entered.accepted:
        return "no trial ended"
    return (
        f"its record files were removed, with {len(entered.accepted)} finished trials; rerun the same command to "
        "record them again from the journal"
    )


def _joining_notes(entered: OpenRun) -> Iterator[str]:
    run_id = entered.run.id
    yield f"{entered.experiment}: resuming run {run_id} with {len(entered.accepted)} finished trials."
    if entered.has_unknown_code:
        yield (
            f"{entered.experiment}: run {run_id} was started by a version that did not record code, so its earlier "
            "trials may come from other code."
        )


def _refuse_two_measures(known: OpenRun, entry: Entry) -> None:
    """All arms of a run are measured by the same code."""
    changed = differences(known.measures, entry.measures)
    if changed:
        raise ConfigurationError(
            f"{entry.cell.experiment}: {', '.join(changed)} is computed by different code in different groups; "
            "expected the same function in all of them. Give the groups two metrics, or one function."
        )


def _with_samples(played: TrialOutcome, samples: Sequence[Sample]) -> TrialOutcome:
    new = {one.metric: one for one in samples}
    return replace(played, samples=tuple(new.get(one.metric, one) for one in played.samples))


def with_facts(own: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """``own``, with the session's facts; what the session leaves open stays as the experiment has it."""
    return {**own, **{key: value for key, value in facts.items() if value is not None or key not in own}}


def _has_replies(record: Mapping[str, Any]) -> bool:
    usage = record.get("usage") or {}
    return any((usage.get("calls") or {}).values())


def _played(record: Mapping[str, Any]) -> TrialOutcome:
    cell = Cell(record["experiment"], record["group"], record["rep"])
    samples = tuple(
        Sample(
            one["metric"],
            one["value"],
            one.get("person"),
            one.get("reason"),
            raised=one.get("raised") is True,
        )
        for one in record.get("samples") or ()
    )
    trial = Trial(cell, record["panel"], record["proposal"])
    return TrialOutcome(trial, samples, earlier=True, unread=record.get(UNREAD) or {})
