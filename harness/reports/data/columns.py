"""The columns of every table: meaning, unit, and possible values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "name", "whole", "number", "truth"]
"""``name`` is text that repeats, which is stored once."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``values`` describes its possible values, and when it is empty."""

    name: str
    kind: Kind
    meaning: str
    values: str = ""
    unit: str = ""


EXPERIMENT = Column("experiment", "name", "Name of the experiment.")
RUN = Column("run_id", "name", "Id of the run: a session and those that resumed it have the same.")
REHEARSAL = Column("rehearsal", "truth", "Whether the offline rehearsal model answered: not evidence.")
GROUP = Column("group", "name", 'The arm. Quote it in SQL, where group is a keyword: "group".')
REP = Column("rep", "whole", "Repetition.", "from 1")
PANEL = Column("panel", "whole", "Which people met.", "from 0")
PROPOSAL = Column("proposal", "whole", "What they were given to talk about.", "from 0")
TRIAL = Column("trial", "name", "Id of the trial in its run.", "experiment/group/rep/panel/proposal")
CALLS = Column("calls", "whole", "Model calls, failed attempts included.", "from 0")
TOKENS_IN = Column("tokens_in", "whole", "Prompt tokens that were paid for.", unit="tokens")
TOKENS_OUT = Column("tokens_out", "whole", "Reply tokens that were paid for.", unit="tokens")
COST = Column("cost", "number", "What was paid.", "empty if the price of any call is unknown", "US dollars")
STARTED = Column("started", "text", "When it began.", "ISO 8601, UTC", "time")
ENDED = Column("ended", "text", "When it ended.", "ISO 8601, UTC", "time")
ATTEMPT = Column("attempt", "whole", "Which try of the trial this is.", "from 1")
METRIC = Column("metric", "name", "What was measured.")
CALL_KIND = Column("kind", "name", "What was asked.", "act, quality_check, regenerate, score_person, …")
PLACE = (EXPERIMENT, RUN, REHEARSAL, GROUP, REP, PANEL, PROPOSAL, TRIAL)

EXPERIMENTS = (
    EXPERIMENT,
    RUN,
    REHEARSAL,
    Column("mode", "text", "Size of the experiment, as it was declared."),
    Column("protocol", "text", "How a trial runs."),
    Column("engine", "text", "What simulated the personas."),
    Column("provider", "text", "The provider that answered the model calls."),
    Column("model", "text", "The requested model."),
    Column(
        "judge_model",
        "text",
        "The model named to score.",
        "empty: the same, or not distinguished",
    ),
    Column("temperature", "number", "Sampling temperature.", "empty: the provider's default"),
    Column("seed", "whole", "Seed of order and rehearsal."),
    Column("provider_seed", "whole", "Seed of the seeds sent to the provider.", "empty: none was sent"),
    Column("groups", "text", "The arms; the others are compared with the first.", "a; b; …"),
    Column("metrics", "text", "What was measured, in the artifact's order.", "a; b; …"),
    Column("people", "whole", "Personas who took part."),
    Column("panels", "whole", "Panels per arm and rep."),
    Column("proposals", "whole", "Proposals per panel."),
    Column("reps", "whole", "Repetitions planned."),
    Column("trials_planned", "whole", "Trials planned, all arms.", "empty if no file has the design"),
    Column("trials_finished", "whole", "Planned trials with an accepted record."),
    Column("tries", "whole", "Tries of trials, failed ones and duplicates included."),
    Column("scores_planned", "whole", "Values planned, all arms.", "empty if no file has the design"),
    Column("scores_obtained", "whole", "Values obtained."),
    CALLS,
    TOKENS_IN,
    TOKENS_OUT,
    COST,
    STARTED,
    ENDED,
    Column("fingerprint", "text", "SHA-256 of the run's settings."),
    Column("script_sha256", "text", "SHA-256 of the script."),
    Column("population", "text", "Source of the personas."),
    Column("population_sha256", "text", "SHA-256 of the personas' specifications."),
    Column("git_commit", "text", "Commit of the experimenter's code.", "empty: no repository"),
    Column("git_dirty", "truth", "Whether that code had uncommitted changes."),
    Column("harness_version", "text", "Version of this harness."),
    Column("python_version", "text", "Version of Python."),
    Column("files", "whole", "Record files of the run."),
    Column("problems", "whole", "Lines of those files that could not be read."),
)

TRIALS = (
    *PLACE,
    Column("people", "text", "Who met.", "a; b; …"),
    ATTEMPT,
    Column("status", "name", "How the try ended.", "finished, failed"),
    Column("accepted", "truth", "Whether it counts: the finished try of the trial that ended first."),
    Column("planned", "truth", "Whether the trial is part of the design.", "empty if no file has the design"),
    Column("kind", "name", "Class of the error of a failed try.", "empty if finished"),
    Column("reason", "text", "Why a failed try failed.", "empty if finished"),
    STARTED,
    ENDED,
    Column("duration", "number", "Length of the try.", unit="seconds"),
    CALLS,
    Column("calls_replayed", "whole", "Calls answered from the journal, paid for before."),
    TOKENS_IN,
    TOKENS_OUT,
    COST,
    Column("refusals", "whole", "Calls that the model refused."),
    Column("rejections", "whole", "Replies that were rejected and requested again."),
    Column("corrections", "whole", "Turns that action correction had regenerated."),
    Column("interventions", "whole", "Interventions that fired."),
    Column("samples", "whole", "Values in the record, missing ones included."),
    Column("missing", "whole", "Values in the record that could not be obtained."),
    Column("answered_by", "text", "Models as named in their replies.", "a; b; …"),
    Column("file", "name", "Name of the record file."),
)

SCORES = (
    *PLACE,
    METRIC,
    Column("person", "name", "The persona that the value is about.", "empty: the panel as a whole"),
    Column("value", "number", "The value; propositions are scored 0 to 9.", "empty if missing"),
    Column("reason", "text", "Why the value is missing.", "empty if there is a value"),
    Column("justification", "text", "The judge's justification."),
)

EVENTS = (
    *PLACE,
    Column("place", "whole", "Place in the transcript.", "from 0"),
    Column("step", "whole", "Step of the conversation, or number of the call.", "0 is the introduction"),
    Column("person", "name", "Who acted or perceived.", "empty: everyone"),
    Column("kind", "name", "Whether the person acted.", "action, stimulus"),
    Column("type", "name", "What it is.", "TALK, THINK, ANSWER, CONVERSATION, TOOL_CALL, TOOL_RESULT, …"),
    Column("source", "name", "Who or what caused it.", "a person, a role, a tool; may be empty"),
    Column("target", "name", "Whom it addresses, or the tool that is called.", "empty: everyone"),
    Column("content", "text", "The text; of a tool call, its arguments.", "empty: none"),
)

ANSWERS = (
    *PLACE,
    Column("person", "name", "The persona who answered."),
    Column("item", "name", "Name of the item."),
    Column("part", "name", "Option or row of an item that has several.", "empty: the item as a whole"),
    Column("kind", "name", "Kind of item.", "likert, choice, yes_no, numeric, multiple_choice, ranking, …"),
    Column("position", "whole", "In which place the item was asked.", "from 1; empty if skipped"),
    Column("status", "name", "How the item was answered.", "answered, opt out, skipped, missing"),
    Column(
        "value",
        "number",
        "The answer as a number.",
        "points, 0 or 1, an amount, a rank; empty if it has none",
    ),
    Column("answer", "text", "The answer in words.", "empty if skipped or missing"),
    Column("reason", "text", "Why the item was skipped, or the answer is missing."),
    Column("category", "name", "Where the judge put an answer in free text.", "empty: not coded"),
    Column("probabilities", "text", "Probability of each option, where those were asked for.", "JSON"),
    Column("covered", "number", "Probability of all options together, before they were scaled to 1."),
    Column(
        "options",
        "text",
        "The options or rows in the order in which the persona read them.",
        "JSON; empty: as declared",
    ),
)

PEOPLE = (
    EXPERIMENT,
    RUN,
    REHEARSAL,
    Column("group", "name", "The arm, where arms have their own people.", "empty: every arm"),
    Column("person", "name", "Name of the persona."),
    Column(
        "weight", "number", "How many people the persona stands for, relative to the others.", "1: all alike"
    ),
)
"""A column per attribute follows."""

CALL_COUNTS = (
    *PLACE,
    ATTEMPT,
    Column("accepted", "truth", "Whether that try counts."),
    CALL_KIND,
    CALLS,
)

COMPARISONS = (
    EXPERIMENT,
    RUN,
    REHEARSAL,
    METRIC,
    Column("earlier", "name", "The arm that the experiment declares first of the two."),
    Column("later", "name", "The other arm."),
    REP,
    PANEL,
    PROPOSAL,
    Column(
        "answer",
        "name",
        "What the judge preferred, the earlier arm shown as A.",
        "A, B or tie; empty if missing",
    ),
    Column("answer_swapped", "name", "The same, the later arm shown as A.", "A, B or tie; empty if missing"),
    Column(
        "score",
        "number",
        "Mean over both orders: 1 the later arm, 0 the earlier one.",
        "0 to 1; empty if missing",
    ),
    Column("reason", "text", "Why there is no comparison.", "empty if there is one"),
)

CALLS_IN_JOURNAL = (
    RUN,
    GROUP,
    TRIAL,
    CALL_KIND,
    Column("role", "name", "Whose model answers.", "player, judge, corrector, extractor, user"),
    Column("person", "name", "The persona that acted or was scored."),
    Column("step", "whole", "Step of the conversation.", "0 is the introduction"),
    Column("site_attempt", "whole", "Which generation of the turn.", "from 0"),
    Column("attempt", "whole", "Which attempt at the request."),
    Column("sent", "number", "When it was sent.", unit="seconds since 1970, UTC"),
    Column("seconds", "number", "How long the reply took.", unit="seconds"),
    Column("asked", "name", "The requested model."),
    Column("answered", "name", "The model as named in the reply."),
    Column("fingerprint", "name", "The provider's fingerprint of the model."),
    Column("finish_reason", "name", "Why the reply ended."),
    Column("refusal", "truth", "Whether the model refused."),
    Column("characters", "whole", "Length of the raw reply, thoughts included.", unit="characters"),
    Column("tokens_in", "whole", "Tokens of the prompt.", unit="tokens"),
    Column("tokens_out", "whole", "Tokens of the reply.", unit="tokens"),
    COST,
    Column("verdict", "name", "What happened to the reply.", "accepted, rejected, …"),
    Column("reason", "text", "Why it was not accepted."),
    Column("request", "text", "The request as it was sent: model, messages, tools and other fields.", "JSON"),
    Column("reply", "text", "The raw reply, thoughts included.", "empty: no text"),
    Column("tool_calls", "text", "The tools that the reply calls.", "JSON; empty: none"),
)

TABLES = {
    "experiments": EXPERIMENTS,
    "trials": TRIALS,
    "scores": SCORES,
    "answers": ANSWERS,
    "people": PEOPLE,
    "events": EVENTS,
    "calls": CALLS_IN_JOURNAL,
    "call_counts": CALL_COUNTS,
    "comparisons": COMPARISONS,
}
ON_REQUEST = frozenset({"calls", "events", "answers"})
"""Tables that are large, and made only for queries that name them."""
ROWS = {
    "experiments": "one row per run",
    "trials": "one row per try of a trial",
    "scores": "one row per value due from an accepted trial, obtained or missing",
    "answers": "one row per answer to an item of a survey, and per option or row where an item has several",
    "people": "one row per persona who took part, with a column per attribute",
    "events": "one row per event in the transcripts of accepted trials",
    "calls": "one row per reply in the journals present, with its request",
    "call_counts": "one row per try and kind of model call, as the records count them",
    "comparisons": "one row per pairwise comparison of two arms in a block, made or missing",
}
