"""Whether the declared treatment, and nothing else, reached the model: read from the sent requests (F30)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from textwrap import shorten

from harness.checks.checked_run import CheckedRun, Line
from harness.gateway.journal.requests import SentRequest, SentRequests
from harness.model import Check, Level
from harness.model.roles import PLAYER, USER

MOST_BLOCKS = 6
"""Pairs of trials whose requests are read: a treatment that is missing is missing from all of them."""
MOST_REQUESTS = 40
"""Requests of one trial that are compared."""
SHORTEST_REPLY = 8
"""Characters of a reply that are recognised in later requests."""

_DECLARED = (
    *("model", "instructions", "script", "survey", "population", "memory_limit", "model_options", "own"),
    *("correction", "interventions"),
)
"""The keys of `group_settings` in which arms may differ."""
_VISIBLE = frozenset({"model", "instructions", "script", "survey", "population", "model_options", "own"})
"""What requests show of it. Corrections, interventions and memory show in the trials' own records."""
_NOT_A_PLAYER = frozenset({"intervention_check", "goal_check", "embedding"})
TREATMENT, _AGAINST = "treatment", " against "
_PLACEHOLDER = re.compile(r"\{[A-Za-z_]\w*\}")
Pair = tuple[list[SentRequest], list[SentRequest]]


def delivery(subject: CheckedRun) -> Iterator[Check]:
    """Per pair of arms, whether the declared difference is in the requests, and whether there is any other.

    A run without its journal is skipped. Where each panel took part in one arm, trials about the same proposal are
    compared, whose words differ by their people; then settings of a play cannot be told from those.
    """
    journal = SentRequests.of_run(subject.run.folder, subject.run.run_id)
    for control, other in subject.pairs if journal else ():
        lines = [next(iter(subject.lines(arm)), {}) for arm in (control, other)]
        declared = [_declared(line) for line in lines]
        names = [name for name in _DECLARED if declared[0].get(name) != declared[1].get(name)]
        found = (_requests(journal, pair) for pair in _trial_pairs(subject, control, other))
        pairs = [pair for pair in found if all(pair)]
        apart = {"population", "own"} if subject.data.between else set()
        about = f"{other}{_AGAINST}{control}"
        if not pairs:
            continue
        if not names:
            yield Check(
                TREATMENT, Level.WARN, "the arms declare nothing that differs: an A/A comparison", None,
                "a declared difference", about,
            )  # fmt: skip
        elif visible := [name for name in names if name in _VISIBLE - apart]:
            yield _reached(visible, declared, pairs, about)
        if "own" not in names:  # a play may write anything into its prompts
            yield _only([*names, *apart], declared, _own_lines(lines), pairs, about)


def undelivered(checks: Iterable[Check]) -> dict[str, str]:
    """The arms whose declared difference from the first arm reached no request, with what was missing."""
    return {
        check.about.partition(_AGAINST)[0]: check.message
        for check in checks
        if check.name == TREATMENT and check.level is Level.FAIL and _AGAINST in check.about
    }


def unrecorded(subject: CheckedRun) -> Iterator[Check]:
    """Arms of an experiment's own play in which no trial made a call through the gateway."""
    for arm in subject.arms:
        own = any(line.get("engine") == "own" for line in subject.lines(arm))
        trials = subject.accepted(arm) if own else []
        if trials and not any((record.get("usage") or {}).get("calls") for record in trials):
            said = f"no call of {arm} went through the gateway: unbudgeted and unrecorded"
            if subject.run.rehearsal:
                said += "; if it asks a model, that model answered, not the rehearsal"
            yield Check(
                "calls", Level.WARN, said, 0,
                "the play's calls to go through its client", arm,
            )  # fmt: skip


def _declared(line: Line) -> Mapping[str, object]:
    found = line.get("group_settings") or {}
    return found if isinstance(found, Mapping) else {}


def _trial_pairs(subject: CheckedRun, control: str, other: str) -> list[tuple[str, str]]:
    """Ids of trials that both arms finished, in a fixed order: of the same block, or about the same proposal."""
    by_place: list[dict[tuple[int, ...], list[str]]] = []
    for arm in (control, other):
        found: dict[tuple[int, ...], list[str]] = {}
        for record in subject.accepted(arm):
            rep, panel, proposal = record["rep"], record["panel"], record["proposal"]
            place = (rep, proposal) if subject.data.between else (rep, panel, proposal)
            trial = f"{subject.run.experiment}/{arm}/rep{rep}/panel{panel}/proposal{proposal}"
            found.setdefault(place, []).append(trial)
        by_place.append(found)
    one, two = by_place
    shared = sorted(one.keys() & two.keys())
    pairs = (pair for place in shared for pair in zip(sorted(one[place]), sorted(two[place]), strict=False))
    return list(islice(pairs, MOST_BLOCKS))


def _requests(journal: SentRequests, trials: tuple[str, str]) -> Pair:
    one, two = (journal.of(trial) for trial in trials)
    return _played(one), _played(two)


def _played(requests: Iterable[SentRequest]) -> list[SentRequest]:
    """The sent requests of personas and agents, without those of judges and checks."""
    played = [one for one in requests if one.role in (PLAYER, USER) and one.kind not in _NOT_A_PLAYER]
    return sorted(played, key=lambda one: one.sent)[:MOST_REQUESTS]


def _opening(
    requests: Sequence[SentRequest], *, anyone: bool
) -> dict[tuple[str, str, int, int], SentRequest]:
    """The requests that no reply can have influenced: all that were sent before the first reply came.

    By their place in the trial; with ``anyone``, regardless of the person.
    """
    first = min(one.sent + one.seconds for one in requests)
    found: dict[tuple[str, str, int, int], SentRequest] = {}
    for one in requests:
        if one.sent <= first:
            found.setdefault((one.kind, "" if anyone else one.person, one.step, one.attempt), one)
    return found


def _reached(
    names: Sequence[str], declared: Sequence[Mapping[str, object]], pairs: Sequence[Pair], about: str
) -> Check:
    missed = [name for name in names if not _arrived(name, declared, pairs)]
    number = f"{len(pairs)} pair{'s' * (len(pairs) != 1)} of trials"
    said = f"{_words(names)}: sent as declared in {number}"
    if missed:
        said = f"{_words(missed)}: declared, and in no request of {number}"
    level = Level.FAIL if missed else Level.PASS
    return Check(TREATMENT, level, said, len(missed), "0 declared differences that reach no request", about)


def _arrived(name: str, declared: Sequence[Mapping[str, object]], pairs: Sequence[Pair]) -> bool:
    """Whether a declared difference shows in the requests of any pair of trials."""
    if name == "own":
        return any(_without_replies(one) != _without_replies(two) for one, two in pairs)
    if name == "population":
        return any(_systems(one) != _systems(two) for one, two in pairs)
    if name == "model":
        return any({each.model for each in one} != {each.model for each in two} for one, two in pairs)
    if name == "model_options":
        return all(_sent(pairs, side, declared[side].get(name)) for side in (0, 1))
    holds = [[_holds(pair[side], _texts(name, declared[side])) for pair in pairs] for side in (0, 1)]
    return all(map(any, holds))


def _sent(pairs: Sequence[Pair], side: int, options: object) -> bool:
    """Whether some request of an arm carries all its options; ``None`` means that the field is left out."""
    wanted = options if isinstance(options, Mapping) else {}
    requests = [one.options for pair in pairs for one in pair[side]]
    return any(all(one.get(name) == value for name, value in wanted.items()) for one in requests)


def _texts(name: str, declared: Mapping[str, object]) -> list[str]:
    value = declared.get(name)
    texts = list(value.values()) if isinstance(value, Mapping) else [value] if value else []
    return [max(_PLACEHOLDER.split(str(text)), key=len).strip() for text in texts]


def _holds(requests: Sequence[SentRequest], texts: Sequence[str]) -> bool:
    said = [text for one in requests for text in _contents(one)]
    return all(any(text in one or _escaped(text) in one for one in said) for text in texts)


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _only(
    names: Sequence[str],
    declared: Sequence[Mapping[str, object]],
    own: Sequence[str],
    pairs: Sequence[Pair],
    about: str,
) -> Check:
    options = {name for side in declared for name in _keys(side.get("model_options"))}
    others = dict.fromkeys(
        found for one, two in pairs for found in _differences(one, two, {*names}, options, own)
    )
    said = "the opening requests differ in nothing else"
    if "population" in names:
        said = "the opening requests differ in no other model or option; their people differ, and so do their words"
    if others:
        said = f"the opening requests also differ in {', '.join(list(others)[:3])}"
        said += f" and {len(others) - 3} more" if len(others) > 3 else ""
    level = Level.FAIL if others else Level.PASS
    return Check("only the treatment", level, said, len(others), "0 differences that no arm declares", about)


def _differences(
    one: Sequence[SentRequest],
    two: Sequence[SentRequest],
    names: set[str],
    options: set[str],
    own: Sequence[str],
) -> Iterator[str]:
    """What differs between the arms' opening requests that is not declared."""
    first, second = (_opening(each, anyone="population" in names) for each in (one, two))
    if "population" in names:
        options = options | {"response_format"}  # it has the names of those who can be spoken to
    for site in first.keys() & second.keys():
        a, b = first[site], second[site]
        if a.model != b.model and "model" not in names:
            yield f"the model ({a.model}, {b.model})"
        for name in sorted({*a.options, *b.options} - options):
            if a.options.get(name) != b.options.get(name):
                yield name
        if "population" in names:
            continue
        lines = [{line for text in _contents(each) for line in text.splitlines()} for each in (a, b)]
        for line in sorted(lines[0] ^ lines[1]):
            heading = not line.strip() or line.startswith("#")
            if not heading and not any(text in line or _escaped(text) in line for text in own):
                yield f"the words {shorten(line.strip(), 60, placeholder=' …')!r}"
    if "population" not in names and not first.keys() & second.keys():
        yield "who is asked first"


def _own_lines(lines: Sequence[Line]) -> list[str]:
    """The lines of text in which arms may differ: instructions, and what any replaces of the script or the survey."""
    parts = {part for line in lines for part in _keys(_declared(line).get("script"))}
    texts = [str(_declared(line).get("instructions") or "") for line in lines]
    for line in lines:
        words = (line.get("script") or {}).get("words") or {}
        texts += [str(words.get(part) or "") for part in sorted(parts)]
        texts += _survey_texts(line, {name for one in lines for name in _keys(_declared(one).get("survey"))})
    literal = (piece.strip() for text in texts for piece in re.split(rf"{_PLACEHOLDER.pattern}|\n", text))
    return [piece for piece in literal if piece]


def _survey_texts(line: Line, replaced: set[str]) -> list[str]:
    """The arm's own words of a survey, and those of the experiment that any arm replaces."""
    own = _declared(line).get("survey")
    play = (line.get("settings") or {}).get("play")
    if not replaced or not isinstance(play, Mapping):
        return []
    questions = {"introduction": play.get("introduction")} | {
        str(item.get("name")): item.get("question") for item in play.get("survey") or ()
    }
    texts = [questions.get(name) for name in sorted(replaced)]
    return [str(text) for text in [*texts, *(own.values() if isinstance(own, Mapping) else ())] if text]


def _keys(value: object) -> Iterable[str]:
    return value.keys() if isinstance(value, Mapping) else ()


def _systems(requests: Sequence[SentRequest]) -> set[str]:
    return {
        str(message.get("content"))
        for one in requests
        for message in one.messages
        if message.get("role") in ("system", "developer")
    }


def _contents(request: SentRequest) -> Iterator[str]:
    for message in request.messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else [content]:
            text = part.get("text") if isinstance(part, Mapping) else part
            if isinstance(text, str):
                yield text


def _without_replies(requests: Sequence[SentRequest]) -> set[str]:
    """The requests with what earlier replies of the trial said taken out, so that chance alone makes no difference."""
    found, replies = set(), list[str]()
    for one in requests:
        text = json.dumps([one.model, one.messages, one.options], ensure_ascii=False, sort_keys=True)
        for reply in sorted(replies, key=len, reverse=True):
            text = text.replace(reply, "…")
        found.add(text)
        replies += filter(partial(_is_long), {one.reply, _escaped(one.reply), _escaped(one.reply.strip())})
    return found


def _is_long(reply: str) -> bool:
    return len(reply) >= SHORTEST_REPLY


def _words(names: Sequence[str]) -> str:
    return ", ".join({"own": "settings", "model_options": "model options"}.get(name, name) for name in names)
