"""The reporting checklist for studies with language models, filled in from the records."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from harness.console import on_one_line
from harness.records.json_safe import canonical
from harness.reports import design_summary
from harness.reports.data.arrays import clean
from harness.reports.data.prompts import first_line, groups_of
from harness.reports.data.record_rows import Row, RunRows
from harness.reports.data.tables import Tables
from harness.reports.data.tidy import without_places

AUTHORS = "*to be filled in by the authors*"
NOT_RECORDED = "not recorded; " + AUTHORS
Item = tuple[str, str]


def checklist(
    tables: Tables,
    plans: Sequence[str] = (),
    mark: str | None = None,
    metas: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> str:
    """The checklist in Markdown, a section per run.

    ``plans`` are the files of locked plans, ``mark`` is the first line, ``metas`` has the runs' meta files by run id.
    """
    lines = ["# Reporting checklist", "", *([f"**{mark}**", ""] if mark else [])]
    lines += ["What the records do not contain is marked: " + AUTHORS + ".", ""]
    experiments = {(one["experiment"], one["run_id"]): one for one in tables.experiments.to_pylist()}
    counts = _counts(tables)
    journaled = set(tables.calls.column("run_id").unique().to_pylist())
    for run in tables.runs:
        facts = experiments[clean(run.experiment), clean(run.run_id)]
        lines += [f"## {cell(run.experiment)}, run {cell(run.run_id)}", ""]
        if run.rehearsal:
            lines += ["**REHEARSAL: this run is not evidence.**", ""]
        requests = clean(run.run_id) in journaled
        for title, items in _sections(run, facts, plans, metas.get(run.run_id, {}), requests):
            lines += [f"### {title}", "", "| item | answer |", "| --- | --- |"]
            lines += [f"| {name} | {answer} |" for name, answer in items]
            lines += [""]
        lines += list(_sizes(run, counts))
    return "\n".join(lines)


def cell(value: Any) -> str:
    """Text from records in a Markdown table: one line, bounded, without markup."""
    if value is None:
        return NOT_RECORDED
    text = " ".join(str(value).split())
    text = text if len(text) <= 300 else text[:299] + "…"
    return re.sub(r"([\\`*\[\]<>|~!#])", r"\\\1", on_one_line(text))


def _sections(
    run: RunRows, facts: Row, plans: Sequence[str], meta: Mapping[str, Any], requests: bool
) -> Iterator[tuple[str, Iterable[Item]]]:
    yield "Question and plan", _question(plans)
    yield "Model", _model(run, facts)
    yield "Prompts and personas", _prompts(facts, requests)
    yield "Procedure", _procedure(run, facts)
    yield "Outcome", _outcome(run, facts)
    yield "Analysis", _analysis(meta)
    yield "People, ethics, availability", _people(facts)


def _question(plans: Sequence[str]) -> Iterator[Item]:
    yield "Research question and hypotheses", AUTHORS
    locked = ", ".join(f"`{name}`" for name in plans)
    yield "Plan locked before the first paid call", locked or f"none found with the records; {AUTHORS}"
    yield "Primary metric, test, smallest effect of interest", f"see {locked}" if plans else AUTHORS
    yield "Why a language model can answer this question", AUTHORS


def _model(run: RunRows, facts: Row) -> Iterator[Item]:
    answered = sorted({name for row in run.rows for name in (row["answered_by"] or "").split("; ") if name})
    yield "Provider", cell(facts["provider"])
    yield "Requested model", cell(facts["model"])
    yield "Models named in replies (snapshot)", cell("; ".join(answered) or None)
    yield (
        "Judge model",
        cell(facts["judge_model"] or f"{facts['model']} (not distinguished)"),
    )
    yield "Endpoint", "chosen by the experimenter" if run.said("base_url") else "the provider's"
    yield "Dates of use", cell(f"{facts['started']} to {facts['ended']}" if facts["started"] else None)
    yield "Temperature", _by_arm(run, "temperature")
    yield "Other request fields", _by_arm(run, "model_options")
    yield "Seed of order and rehearsal", cell(facts["seed"])
    seed = facts["provider_seed"]
    yield "Seeds sent to the provider", "none" if seed is None else f"derived per sample from {cell(seed)}"
    yield "Training data, knowledge cut-off, known biases of the model", AUTHORS


def _by_arm(run: RunRows, name: str) -> str:
    """A request field: one value, or one for each arm where they differ."""
    texts = {group: _field(first_line(run, group), name) for group in groups_of(run)}
    if len(set(texts.values())) == 1:
        return cell(next(iter(texts.values())))
    return cell("; ".join(f"{text} in {group}" for group, text in texts.items()))


def _field(line: Mapping[str, Any], name: str) -> str:
    value = line.get(name, (line.get("settings") or {}).get(name))
    return canonical(value).decode() if value not in (None, {}) else "the provider's default"


def _prompts(facts: Row, requests: bool) -> Iterator[Item]:
    yield "Prompts as declared", "`prompts.json`"
    yield (
        "All prompts as sent",
        "`data/calls.parquet`"
        if requests
        else f"not in this bundle: the run's journal was not with the records; {AUTHORS}",
    )
    yield "SHA-256 of the script", cell(facts["script_sha256"])
    yield "How the prompts were developed, and on which data", AUTHORS
    yield (
        "Personas",
        cell(f"{facts['people']} from {without_places(facts['population'])}" if facts["people"] else None),
    )
    yield "SHA-256 of the personas", cell(facts["population_sha256"])
    yield "Whom the personas represent, and why that is justified", AUTHORS


def _procedure(run: RunRows, facts: Row) -> Iterator[Item]:
    yield "Engine, protocol, mode", cell(f"{facts['engine']}, {facts['protocol']}, {facts['mode']}")
    yield (
        "Design",
        cell(
            f"{facts['panels']} panels × {facts['proposals']} proposals × {facts['reps']} repetitions per arm"
        ),
    )
    for group in groups_of(run):
        yield f"Arm {cell(group)}", cell(design_summary.arm(first_line(run, group)))
    yield "Human involvement during the runs", f"none by the harness; {AUTHORS}"


def _outcome(run: RunRows, facts: Row) -> Iterator[Item]:
    rows = run.rows
    accepted = [row for row in rows if row["accepted"]]
    failed = Counter(str(row["kind"]) for row in rows if row["status"] == "failed")
    yield "Trials planned, finished", cell(f"{facts['trials_planned']}, {facts['trials_finished']}")
    planned, obtained = facts["scores_planned"], facts["scores_obtained"]
    missing = "" if planned is None else f", missing {planned - obtained}"
    yield "Values planned, obtained", cell(f"{planned}, {obtained}{missing} (by metric below)")
    yield "Failed tries", cell(", ".join(f"{n} {kind}" for kind, n in sorted(failed.items())) or "none")
    yield (
        "Duplicate finished tries",
        str(sum(row["status"] == "finished" and not row["accepted"] for row in rows)),
    )
    yield "Refusals", _sum(rows, "refusals")
    yield "Replies rejected and requested again", _sum(rows, "rejections")
    yield "Turns regenerated by correction", _by_group(accepted, "corrections")
    yield "Interventions that fired", _by_group(accepted, "interventions")
    yield (
        "Model calls; tokens in, out",
        cell(f"{facts['calls']}; {facts['tokens_in']}, {facts['tokens_out']}"),
    )
    yield (
        "Cost, US dollars",
        "unknown for some calls" if facts["cost"] is None else cell(f"{facts['cost']:.4f}"),
    )
    yield "Lines of the record files that could not be read", cell(facts["problems"])
    yield "Exclusions beyond these", AUTHORS


def _analysis(meta: Mapping[str, Any]) -> Iterator[Item]:
    analysis = meta.get("analysis") or {}
    found = analysis.get("comparisons") or ()
    said = dict.fromkeys(
        f"{one['primary']['method']}, unit {one['primary']['unit']}, claimed for {one['primary']['estimand']}"
        for one in found
    )
    yield "Statistical analysis", _joined(said)
    every = (*found, *(analysis.get("contrasts") or ()), *(analysis.get("effects") or ()))
    yield "Corrections for multiplicity", _joined(dict.fromkeys(one["adjustment"] for one in every))
    plan = meta.get("plan")
    yield "Deviations from the plan", AUTHORS if plan is None else _joined(plan["deviations"] or ["none"])
    labelled = "yes" if meta.get("exploratory") else "no"
    yield "Exploratory, beyond a locked plan", labelled if meta else NOT_RECORDED
    yield "Looks at the results", cell(meta.get("looks"))
    bad = [one for one in (meta.get("instrument") or {}).get("checks") or () if one["level"] != "PASS"]
    said = dict.fromkeys(f"{one['level']} {one['name']}" for one in bad)
    yield "Validity checks that fail or warn", _joined(said or ["none"] * ("instrument" in meta))


def _joined(texts: Iterable[str]) -> str:
    return cell(without_places("; ".join(texts)) or None)


def _people(facts: Row) -> Iterator[Item]:
    yield "Human participants, raters or their data", AUTHORS
    yield "Ethics review", AUTHORS
    yield "Comparison with human data", AUTHORS
    commit = f"{facts['git_commit']}{' with uncommitted changes' if facts['git_dirty'] else ''}"
    yield "Code", cell(commit if facts["git_commit"] else None)
    yield "Harness, Python", cell(f"{facts['harness_version']}, {facts['python_version']}")
    yield "Data", "this bundle; `checksums.sha256`"
    yield "Funding, interests, limits of the claim", AUTHORS


def _sum(rows: Iterable[Row], name: str) -> str:
    values = [row[name] for row in rows]
    return NOT_RECORDED if any(value is None for value in values) else str(sum(values))


def _by_group(rows: Sequence[Row], name: str) -> str:
    found: Counter[str] = Counter()
    for row in rows:
        found[str(row["group"])] += row[name]
    return cell(", ".join(f"{count} in {group}" for group, count in sorted(found.items())) or "0")


def _counts(tables: Tables) -> dict[tuple[Any, ...], tuple[int, int]]:
    import pyarrow as pa

    scores = tables.scores.select(["experiment", "run_id", "group", "metric", "value"])
    keys = ["experiment", "run_id", "group", "metric"]
    plain = pa.table(
        {name: scores.column(name).cast(pa.string()) for name in keys} | {"value": scores.column("value")}
    )
    counted = plain.group_by(keys).aggregate([("value", "count"), ([], "count_all")])
    return {
        tuple(row[key] for key in keys): (row["count_all"], row["value_count"]) for row in counted.to_pylist()
    }


def _sizes(run: RunRows, counts: dict[tuple[Any, ...], tuple[int, int]]) -> Iterator[str]:
    yield from (
        "### Values by arm and metric",
        "",
        "| arm | metric | planned | obtained | missing | trial unfinished |",
    )
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    mine = (clean(run.experiment), clean(run.run_id))
    own = {key[2:]: found for key, found in counts.items() if key[:2] == mine}
    metrics = run.design.metrics if run.design else sorted({metric for _, metric in own})
    for group in groups_of(run):
        for metric in metrics:
            due, obtained = own.get((clean(group), clean(metric)), (0, 0))
            planned = _planned(run, group, metric)
            rest = NOT_RECORDED if planned is None else str(planned - due)
            yield (
                f"| {cell(group)} | {cell(metric)} | {NOT_RECORDED if planned is None else planned} | {obtained} | "
                f"{due - obtained} | {rest} |"
            )
    yield ""


def _planned(run: RunRows, group: str, metric: str) -> int | None:
    if run.design is None:
        return None
    return sum(
        len(run.design.expected(one.panel, metric)) for one in run.design.trials(run.experiment, group)
    )
