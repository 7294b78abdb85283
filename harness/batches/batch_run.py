"""Running a batch: sessions for unfinished variants, and each variant's results into its folder and row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.batches import resolved_settings
from harness.batches.axes import Options
from harness.batches.batch_kind import kind_of
from harness.batches.manifest import Manifest, Planned
from harness.batches.registry import Registry, RegistryRow, VariantStatus
from harness.batches.resolved_settings import Facts, Resolved
from harness.batches.revisions import contents
from harness.batches.study_layout import Batch, Study, VariantFolder, locked, place, read_json, write
from harness.errors import ConfigurationError, ExitCode, HarnessError
from harness.model import Experiment
from harness.records import Run, RunRegistry, artifact_name, files_of_run
from harness.records.earlier_versions import setting_differences
from harness.records.json_safe import indented, shown
from harness.records.registry.code_store import setting_lines
from harness.records.registry.store import FINISHED

if TYPE_CHECKING:
    from harness.runtime.runs import Conclusion

Launch = Callable[[Sequence[Experiment], Options, Path], "tuple[int, Sequence[Conclusion]]"]
"""Runs experiments in one session with these options, in a results folder: its exit code, what it left of each run."""

Clock = Callable[[], datetime]

STOPPING = (ExitCode.BUDGET, ExitCode.RETRY_LATER)
"""Exit codes of sessions that ended cleanly before they were done; another one now would end in the same way."""


class UnkeptError(HarnessError):
    """Sessions ran, but their results could not be placed or registered. Rerun to resume."""


@dataclass(frozen=True, slots=True)
class Ran:
    """The outcome of running a batch. ``rows`` were added by this call; ``before`` variants were done already.

    ``stuck`` says why no further session started, where the batch's kind escalated.
    """

    code: int
    rows: tuple[RegistryRow, ...] = ()
    before: int = 0
    stuck: str | None = None


def now() -> datetime:
    return datetime.now(UTC)


def run_batch(
    study: Study,
    manifest: Manifest,
    experiment: Experiment,
    *,
    facts: Facts,
    launch: Launch,
    clock: Clock = now,
) -> Ran:
    """Run the unfinished variants of a batch. A finished batch stays unchanged, to the byte.

    Raises `ConfigurationError`, before anything runs, if specs, scenario, config or a variant's inputs have changed
    since the batch was declared, and `HarnessError` while another process works on it.
    """
    batch = study.batch(manifest.batch_id)
    resolved = resolve_all(study, manifest, experiment, facts)
    registry = Registry(study.rows)
    registry.create()  # where it is missing, its rows are rebuilt from results
    rows = registry.read().latest(batch.id)
    left = [one for one in resolved if not finished(batch.variant(one.planned.id), rows.get(one.planned.id))]
    if not left:
        failing = kind_of(manifest.path).failing(study, manifest)
        return Ran(int(ExitCode.FAILED if failing else ExitCode.OK), before=len(resolved))
    with locked(batch.session / "lock", f"Batch {batch.id}", "worked on", batch.heartbeat):
        return _Running(study, manifest, batch, launch, clock).run(left, len(resolved) - len(left))


def resolve_all(study: Study, manifest: Manifest, experiment: Experiment, facts: Facts) -> list[Resolved]:
    """Every variant, resolved and compared with its inputs. Raises `ConfigurationError`."""
    problems = resolved_settings.changed_specs(study, manifest)
    if problems:
        raise ConfigurationError(
            f"Batch {manifest.batch_id}: base specs were changed:",
            *(f"  {problem}" for problem in problems),
            "Put them back, or make a new batch under a new revision.",
        )
    _refuse_changed(manifest, experiment, facts)
    resolved = [
        resolved_settings.resolve(experiment, one, manifest.session, facts) for one in manifest.variants
    ]
    batch = study.batch(manifest.batch_id)
    runs = runs_of(batch)
    for one in resolved:
        if batch.variant(one.planned.id).resolved.exists():
            resolved_settings.keep_inputs(batch.variant(one.planned.id), one.content(manifest))
        _refuse_other_run(one, runs, batch.session)
    return resolved


def _refuse_changed(manifest: Manifest, experiment: Experiment, facts: Facts) -> None:
    base = resolved_settings.resolve(experiment, baseline(manifest), manifest.session, facts)
    for what, then, found in zip(
        (f"scenario ({manifest.scenario_rev})", f"config ({manifest.config_rev})"),
        (manifest.scenario, manifest.config),
        contents(base, experiment, manifest.session, manifest.base_specs),
        strict=True,
    ):
        changed = setting_differences(then, found)
        if changed:
            raise ConfigurationError(
                f"Batch {manifest.batch_id}: its {what} was changed:",
                *(f"  {key}: {shown(a)} then, {shown(b)} now" for key, (a, b) in changed.items()),
                "Restore it, or declare a new batch under a new revision.",
            )


def baseline(manifest: Manifest) -> Planned:
    """No override, the first seed."""
    seed = manifest.variants[0].seed
    return Planned(f"vr-seed-{seed}-s{seed}", seed)


def _refuse_other_run(one: Resolved, runs: Sequence[Run], session: Path) -> None:
    """Refuse a variant whose run has other settings in the registry of runs: resuming would start another run."""
    for run in runs:
        if run.experiment != one.experiment.name or run.fingerprint == one.fingerprint:
            continue
        changed = setting_differences(run.settings, one.settings)
        if changed:
            raise ConfigurationError(
                f"Variant {one.planned.id}: its run {run.id} started with other settings:",
                *setting_lines(session, changed),
                "Restore the settings, or declare a new batch.",
            )


def runs_of(batch: Batch) -> tuple[Run, ...]:
    """The runs of a batch in its registry of runs. Raises `HarnessError`."""
    if not any(batch.session.rglob("*.sqlite")) and not any(batch.session.glob("*.jsonl")):
        return ()  # no session has started yet, so there is no lost registry to rebuild
    with RunRegistry(batch.session, now) as registry:
        return registry.runs()


def finished(place: VariantFolder, row: RegistryRow | None) -> bool:
    """Whether the variant's last run is a success whose results are in place."""
    return row is not None and row.status == VariantStatus.SUCCESS and place.placed.exists()


class _Running:
    """One call of `run_batch`, alone on its batch."""

    def __init__(self, study: Study, manifest: Manifest, batch: Batch, launch: Launch, clock: Clock) -> None:
        self._study, self._manifest, self._batch = study, manifest, batch
        self._launch, self._clock = launch, clock
        self._kind = kind_of(manifest.path)
        self._registry = Registry(study.rows)
        self._rows: list[RegistryRow] = []

    def run(self, left: Sequence[Resolved], before: int) -> Ran:
        for one in left:
            resolved_settings.keep_inputs(self._batch.variant(one.planned.id), one.content(self._manifest))
        ended = {run.experiment: run for run in runs_of(self._batch) if run.status == FINISHED}
        for one in left:  # its session was killed before it could report
            if one.experiment.name in ended:
                self._keep(one, *_found(self._batch.session, ended[one.experiment.name]), code=0)
        known = self._registry.read().latest(self._batch.id)
        placed = {one.planned.id for one in left if one.planned.id not in known and self._read_placed(one)}
        todo = [one for one in left if one.experiment.name not in ended and one.planned.id not in placed]
        code, stuck = int(ExitCode.OK), None
        for options, members in _sessions(todo):
            code = self._session(options, members)
            now = {(row.batch_id, row.variant_id) for row in self._rows}  # older failures were reported then
            stuck = self._kind.escalation(self._study, now) if now else None
            if stuck or code in (ExitCode.INTERRUPTED, *STOPPING, ExitCode.USAGE, ExitCode.INTERNAL):
                break
        code = code or (int(ExitCode.FAILED) if stuck else self._verdict(left))
        return Ran(code, tuple(self._rows), before, stuck)

    def _verdict(self, left: Sequence[Resolved]) -> int:
        """Nothing went wrong in the sessions; whether every variant is a success as well, and no gate FAILs."""
        rows = self._registry.read().latest(self._batch.id)
        done = all(finished(self._batch.variant(one.planned.id), rows.get(one.planned.id)) for one in left)
        sound = done and not self._kind.failing(self._study, self._manifest)
        return int(ExitCode.OK if sound else ExitCode.FAILED)

    def _session(self, options: Options, members: Sequence[Resolved]) -> int:
        code, conclusions = self._launch([one.experiment for one in members], options, self._batch.session)
        by_name = {conclusion.experiment: conclusion for conclusion in conclusions}
        for one in members:
            left = by_name.get(one.experiment.name)
            if left is not None:
                what = (left.run_id, left.records, left.artifact, left.meta, left.problem)
                try:
                    self._keep(one, *what, code=code)
                except HarnessError as error:
                    raise UnkeptError(str(error)) from error
        return code

    def _keep(
        self,
        one: Resolved,
        run_id: str,
        records: Sequence[Path],
        artifact: Path | None,
        meta: Mapping[str, Any],
        problem: str | None,
        *,
        code: int,
    ) -> None:
        """Place the results of a run, then add its row to the registry, unless it is there."""
        target = self._batch.variant(one.planned.id)
        status, note = run_verdict(meta, one.asks, problem, code)
        if artifact is not None:
            own = self._kind.results(self._batch.session, run_id)
            place_all([*records, artifact, artifact.with_suffix(".meta.json"), *own], target)
            if own:
                levels = self._kind.gate(self._study, self._manifest, [target])
                note += "".join(f", gates {level}" for level in levels)
        row = self._row(one, status, f"run {run_id}: {note}")
        last = self._registry.read().latest(self._batch.id).get(one.planned.id)
        if last is None or (last.status, last.notes) != (row.status, row.notes):
            self._registry.append([row])
            self._rows.append(row)

    def _read_placed(self, one: Resolved) -> bool:
        """Say in the registry, which lost it, what is in the variant's results; false where they are not whole."""
        target = self._batch.variant(one.planned.id)
        found = placed_meta(target)
        if found is None or found.get("partial") is not False:
            return False
        status, note = run_verdict(found, one.asks, None, 0)
        row = self._row(one, status, f"run {found['run_id']}: {note}")
        self._registry.append([row])
        self._rows.append(row)
        return True

    def _row(self, one: Resolved, status: VariantStatus, note: str) -> RegistryRow:
        results = self._batch.variant(one.planned.id).results.relative_to(self._study.folder)
        manifest = self._manifest
        return RegistryRow(
            timestamp=self._clock().astimezone(UTC).isoformat(timespec="seconds"),
            study=manifest.study,
            batch_id=manifest.batch_id,
            variant_id=one.planned.id,
            scenario_rev=manifest.scenario_rev,
            config_rev=manifest.config_rev,
            seed=str(one.planned.seed),
            status=str(status),
            results_dir=results.as_posix(),
            notes=note,
        )


def _sessions(left: Iterable[Resolved]) -> Iterator[tuple[Options, list[Resolved]]]:
    """Variants that can share a session: those with the same model, judge and rate."""
    members: dict[str, list[Resolved]] = {}
    for one in left:
        members.setdefault(json.dumps(dict(one.options), sort_keys=True, default=str), []).append(one)
    for together in members.values():
        yield together[0].options, together


def _found(folder: Path, run: Run) -> tuple[str, list[Path], Path | None, Mapping[str, Any], str | None]:
    """What a finished run left in the sessions' folder. Raises `HarnessError`."""
    artifact = folder / artifact_name(run.experiment, run.id)
    try:
        meta = read_json(artifact.with_suffix(".meta.json"), "the meta file of a run; put it back")
        run_verdict(meta, True, None, 0)
    except (HarnessError, KeyError, TypeError, AttributeError) as error:
        raise HarnessError(
            f"Run {run.id} of {run.experiment} is finished, but {artifact}: {error!s:.300}."
        ) from error
    return run.id, list(files_of_run(folder, run.experiment, run.id)), artifact, meta, None


def placed_meta(target: VariantFolder) -> Mapping[str, Any] | None:
    """The meta file in a variant's results; ``None`` if any result is missing or has changed."""
    try:
        hashes = read_json(target.placed, "what was placed")
        whole = all(
            resolved_settings.digest(target.results / name) == sha256 for name, sha256 in hashes.items()
        )
        (name,) = [name for name in hashes if name.endswith(".meta.json")] if whole else []
        meta: Mapping[str, Any] = read_json(target.results / name, "the meta file of a run")
        run_verdict(meta, True, None, 0)
    except (HarnessError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return meta


def run_verdict(
    meta: Mapping[str, Any], asks: bool, problem: str | None, code: int
) -> tuple[VariantStatus, str]:
    """How a run ended, by its meta file, and that in a few words. ``asks``: models were to be asked something."""
    if not meta:
        return _cut_short(code) or VariantStatus.FAILED, problem or "nothing was left of it"
    trials, calls = meta["trials"], sum((meta["usage"].get("calls") or {}).values())
    answered = calls > 0 and meta["usage"].get("tokens_out", 0) > 0
    cost = meta["usage"].get("cost")
    note = f"{trials['finished']} of {trials['planned']} trials, {calls} calls"
    note += "" if cost is None else f", ${cost:.4f}"
    if not meta["partial"]:
        if asks and not answered:
            return VariantStatus.FAILED, f"{note}; no model call was answered"
        if not any(one["obtained"] for group in meta["samples"].values() for one in group.values()):
            return VariantStatus.FAILED, f"{note}; no value of any metric was obtained"
        return (VariantStatus.FAILED, f"{note}; {problem}") if problem else (VariantStatus.SUCCESS, note)
    return _cut_short(code) or (VariantStatus.PARTIAL if trials["finished"] else VariantStatus.FAILED), note


def _cut_short(code: int) -> VariantStatus | None:
    if code == ExitCode.INTERRUPTED:
        return VariantStatus.INTERRUPTED
    return VariantStatus.STOPPED if code in STOPPING else None


def place_all(files: Iterable[Path], target: VariantFolder) -> None:
    """Put ``files`` into the variant's results, and their hashes beside them, last. Raises `HarnessError`."""
    hashes = {}
    for file in files:
        place(file, target.results / file.name)
        hashes[file.name] = resolved_settings.digest(file)
    write(target.placed, indented(dict(sorted(hashes.items()))) + "\n")
