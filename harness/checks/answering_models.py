"""Which models answered and judged, under which settings: arms may differ only as the design says (F39, F42)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness.checks.checked_run import CheckedRun, Line, percent
from harness.gateway.model_snapshots import bare
from harness.gateway.requests.response_formats import AS_DECLARED
from harness.model import Check, Level
from harness.model.roles import SEPARATE
from harness.records.accepted_changes import without_changes
from harness.records.earlier_versions import CODE, without_code
from harness.records.json_safe import canonical, flat

MINOR = ("harness_version", "python_version", "git_commit", "git_dirty")
"""Facts that do not change any request; a difference between arms is a WARN."""
GRAVE = (
    "provider",
    "model",
    *(f"{role}_{fact}" for role in SEPARATE for fact in ("provider", "model")),
    "base_url",
    "temperature",
    "seed",
    "engine",
    "mode",
)
APPEARANCE, SHIFT = 0.05, 0.10
"""The tolerated share of replies by a model of one arm only, and distance between arms' shares of snapshots."""
Answers = Mapping[str | None, Counter[str | None]]
"""Model → fingerprint → replies."""


def settings(subject: CheckedRun) -> Iterator[Check]:
    """The settings that differ between arms, other than those that the design names (the group's own)."""
    unknown = subject.without_lines
    own = {name for arm in subject.arms for line in subject.lines(arm) for name in _of_the_arm(line)}
    lines = [line for arm in subject.arms for line in subject.lines(arm)]
    coded = all(CODE in (line.get("settings") or {}) for line in lines)  # version 0.1.0 recorded none
    for facts, level in ((GRAVE, Level.FAIL), (MINOR, Level.WARN)):
        names = [name for name in facts if name not in own]
        grave = level is Level.FAIL
        seen = {arm: _facts(subject.lines(arm), names, grave=grave, coded=coded) for arm in subject.arms}
        pairs = [pair for pair in subject.pairs if not {*pair} & {*unknown}]
        found = sorted({key for one, other in pairs for key in _unlike(seen[one], seen[other])})
        name = "settings" if level is Level.FAIL else "versions"
        said = f"different between arms: {', '.join(found)}" if found else "the same in all arms"
        number: int | None = len(found)
        expected = "0 beyond the differences that the design names"
        if unknown:
            said = f"unknown for {', '.join(unknown)}: could not read the metadata line"
            said += f"; different between the others: {', '.join(found)}" if found else ""
            number, expected = None, "a metadata line of each arm"
        yield Check(name, level if found or unknown else Level.PASS, said, number, expected)


def options(subject: CheckedRun) -> Iterator[Check]:
    """Per arm with model options, the trials in which no call carried one of them as declared (F45)."""
    for arm in subject.arms:
        if not any(line.get("model_options") for line in subject.lines(arm)):
            continue
        trials = subject.accepted(arm)
        missed = [record for record in trials if record.get("unsent_options")]
        names = sorted({str(name) for record in missed for name in record["unsent_options"]})
        said = f"{', '.join(names)} reached no call in {len(missed):,} of {len(trials):,} trials"
        level = Level.FAIL if missed else Level.PASS
        yield Check(
            "model options",
            level,
            said if missed else f"every option reached the model in {len(trials):,} trials",
            len(missed),
            "0 trials without a declared option",
            arm,
        )


def forms(subject: CheckedRun) -> Iterator[Check]:
    """The formats in which JSON replies were requested, if a server did not accept the declared one.

    A schema as a constraint, in the prompt, or without strict mode gives different replies, so arms must be alike.
    """
    seen = {arm: _forms(subject, arm) for arm in subject.arms}
    used = {str(form) for kinds in seen.values() for counts in kinds.values() for form in counts}
    if used <= {AS_DECLARED}:
        return
    apart, mixed = 0.0, set[str]()
    for control, other in subject.pairs:
        common = seen[control].keys() & seen[other].keys()
        apart = max([apart, *(_variation(seen[control][kind], seen[other][kind]) for kind in common)])
    for kinds in seen.values():
        mixed |= {kind for kind, counts in kinds.items() if len(counts) > 1}
    said = f"JSON replies were requested in the format {', '.join(sorted(used))}"
    said += f"; in more than one format for {', '.join(sorted(mixed))} calls" if mixed else ""
    level = Level.FAIL if apart > APPEARANCE else Level.WARN if mixed else Level.PASS
    expected = f"one format per kind of call, with shares at most {percent(APPEARANCE)} apart between arms"
    yield Check("response format", level, said, apart, expected)


def models(subject: CheckedRun) -> Iterator[Check]:
    """Models that answered in one arm and not in another, and replies that name no model."""
    answers = {arm: _answers(subject, arm) for arm in subject.arms}
    for control, other in subject.pairs:
        if any(
            (line.get("group_settings") or {}).get("model")
            for arm in (control, other)
            for line in subject.lines(arm)
        ):
            yield from _declared_models(subject, answers, control, other)
            continue
        pair = {
            arm: {name: found.total() for name, found in answers[arm].items()} for arm in (control, other)
        }
        lone = {
            f"{name or '(unnamed)'} in {arm}": replies / sum(counts.values())
            for (arm, counts), them in zip(pair.items(), reversed(pair.values()), strict=True)
            for name, replies in counts.items()
            if name not in them and not _is_declared(name, subject.lines(arm))
        }
        share = max(lone.values(), default=0.0)
        level = Level.FAIL if share > APPEARANCE else Level.WARN if lone else Level.PASS
        said = f"only in one arm: {', '.join(lone)}" if lone else f"both arms: {_names(answers[control])}"
        expected = f"no model in one arm only; fails above {percent(APPEARANCE)} of an arm's replies"
        yield Check("model", level, said, share, expected, f"{other} against {control}")


def _declared_models(
    subject: CheckedRun, answers: Mapping[str, Answers], control: str, other: str
) -> Iterator[Check]:
    """Whether arms that name different models were answered by different ones (F47). Not in a rehearsal."""
    named = {arm: sorted({str(line.get("model")) for line in subject.lines(arm)}) for arm in (control, other)}
    found = {arm: sorted(str(name) for name in answers[arm]) for arm in (control, other)}
    if subject.run.rehearsal or named[control] == named[other] or not all(found.values()):
        return
    told = "; ".join(
        f"{arm} names {', '.join(named[arm])}, {', '.join(found[arm])} answered" for arm in named
    )
    is_same = found[control] == found[other]
    yield Check(
        "model", Level.FAIL if is_same else Level.PASS, told, int(is_same),
        "arms that name different models to be answered by different ones", f"{other} against {control}",
    )  # fmt: skip


def snapshots(subject: CheckedRun) -> Iterator[Check]:
    """Per model, the total variation distance between the arms' shares of its snapshots (fingerprints)."""
    answers = {arm: _answers(subject, arm) for arm in subject.arms}
    expected = f"at most {percent(SHIFT)} apart; fails at 100 %"
    for control, other in subject.pairs:
        for model in sorted({*answers[control]} & {*answers[other]}, key=str):
            one, two = answers[control][model], answers[other][model]
            apart = _variation(one, two)
            level = Level.FAIL if apart >= 1 else Level.WARN if apart > SHIFT else Level.PASS
            known = len({*one, *two} - {None})
            said = f"{known} snapshots of {model}, shares {percent(apart)} apart between arms"
            yield Check("snapshot", level, said, apart, expected, f"{other} against {control}")


def judge(subject: CheckedRun) -> Iterator[Check]:
    """Arms whose judge also corrects their actions, so that they were optimised against it (F42)."""
    own = [arm for arm in subject.arms if any(map(_judges_itself, subject.lines(arm)))]
    said = (
        f"{', '.join(own)}: the model that scores the outcome also drove the correction"
        if own
        else "no arm is corrected by the model that scores it"
    )
    if subject.without_lines and not own:
        said = f"unknown for {', '.join(subject.without_lines)}: could not read the metadata line"
    level = Level.WARN if own or subject.without_lines else Level.PASS
    yield Check(
        "judge", level, said, len(own), "0 arms corrected by their own judge (score with another model)"
    )


def _facts(
    lines: Iterable[Line], names: Sequence[str], *, grave: bool, coded: bool
) -> Mapping[str, set[bytes]]:
    """Key → its values as JSON. The run's settings, if ``coded`` with its code, and the script's words are grave."""
    distinct = {repr(named): named for named in (_named(line, names, grave, coded) for line in lines)}
    found: dict[str, set[bytes]] = {}
    for named in distinct.values():
        for key, value in flat(named).items():
            found.setdefault(key, set()).add(canonical(value))
    return found


def _named(line: Line, names: Sequence[str], grave: bool, coded: bool) -> dict[str, Any]:
    named = {name: line[name] for name in names if name in line}
    if grave:
        named["settings"], code = without_code(without_changes(line.get("settings") or {}))
        named |= {"settings.code": code} if coded else {}
        if not (line.get("group_settings") or {}).get("script"):  # texts that the arm declares are its own
            named["script.words"] = (line.get("script") or {}).get("sha256")
    return named


def _of_the_arm(line: Line) -> Mapping[str, Any]:
    """The arm's own settings and model options."""
    settings = line.get("group_settings") or {}
    own_model = dict.fromkeys(("provider", "model", "base_url")) if settings.get("model") else {}
    parts = (settings.get(name) for name in ("own", "model_options"))
    return own_model | {
        name: value for part in parts if isinstance(part, Mapping) for name, value in part.items()
    }


def _unlike(one: Mapping[str, set[bytes]], other: Mapping[str, set[bytes]]) -> Iterator[str]:
    return (key for key in {*one, *other} if one.get(key) != other.get(key))


def _is_declared(model: str | None, lines: Iterable[Line]) -> bool:
    """Whether a setting of the arm names ``model``, perhaps without its date, for a play to ask."""
    settings = ((line.get("group_settings") or {}).get("own") or {} for line in lines)
    named = (bare(value) for own in settings for value in own.values() if isinstance(value, str) and value)
    return model is not None and any(bare(model).startswith(name) for name in named)


def _answers(subject: CheckedRun, arm: str) -> Answers:
    found: dict[str | None, Counter[str | None]] = {}
    for record in subject.tries(arm):
        for one in (record.get("usage") or {}).get("models") or ():
            found.setdefault(one.get("model"), Counter())[one.get("fingerprint")] += one.get("replies") or 0
    return {model: counts for model, counts in found.items() if counts.total()}


def _forms(subject: CheckedRun, arm: str) -> dict[str, Counter[str | None]]:
    """Kind of call → form → replies, over all tries of the arm."""
    found: dict[str, Counter[str | None]] = {}
    for record in subject.tries(arm):
        kinds = (record.get("replies") or {}).get("forms")
        for kind, counts in kinds.items() if isinstance(kinds, Mapping) else ():
            found.setdefault(str(kind), Counter()).update(counts)
    return found


def _names(answers: Answers) -> str:
    return ", ".join(sorted(name or "(unnamed)" for name in answers)) or "no replies recorded"


def _variation(one: Counter[str | None], other: Counter[str | None]) -> float:
    """Half the sum of the differences between shares: 0 for equal shares, 1 where nothing is common."""
    keys = {*one, *other}
    return sum(abs(one[key] / one.total() - other[key] / other.total()) for key in keys) / 2


def _judges_itself(line: Line) -> bool:
    correction = line.get("correction") or (line.get("group_settings") or {}).get("correction") or {}
    for same in ("judge_is_corrector", "judge_is_player"):
        if isinstance(line.get(same), bool):
            return bool(correction.get("enabled")) and bool(line[same])
    run = line.get("settings") or {}
    judging = line.get("judge_model", run.get("judge_model"))
    model, provider = (line.get(key, run.get(key)) for key in ("model", "provider"))
    return bool(correction.get("enabled")) and judging in (None, model, f"{provider}:{model}")
