"""The columns of every table: what each means, in which unit, and which values it may have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "name", "whole", "number", "truth"]
"""``name`` is text that repeats: it is kept once and pointed at."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``values`` says what may stand in it; every column may be empty where ``values`` says so."""

    name: str
    kind: Kind
    meaning: str
    values: str = ""
    unit: str = ""


EXPERIMENT = Column("experiment", "name", "Name of the experiment.")
RUN = Column(
    "run_id", "name", "Id of the run: sessions with equal settings that were resumed belong together."
)
REHEARSAL = Column(
    "rehearsal", "truth", "Whether the offline rehearsal model answered: then it is no evidence."
)
GROUP = Column("group", "name", 'The arm. In SQL it is quoted, "group", since group is a word of SQL.')
REP = Column("rep", "whole", "Repetition.", "from 1")
PANEL = Column("panel", "whole", "Which people met.", "from 0")
PROPOSAL = Column("proposal", "whole", "What they were given to talk about.", "from 0")
TRIAL = Column(
    "trial", "name", "Id of the trial, unique within its run.", "experiment/group/rep/panel/proposal"
)
CALLS = Column("calls", "whole", "Model calls, failed attempts included.", "from 0")
TOKENS_IN = Column("tokens_in", "whole", "Tokens of prompts that this try was paid for.", unit="tokens")
TOKENS_OUT = Column("tokens_out", "whole", "Tokens of replies that this try was paid for.", unit="tokens")
COST = Column(
    "cost", "number", "What was paid.", "empty where the price of any call is not known", "US dollars"
)
STARTED = Column("started", "text", "When it began.", "ISO 8601, UTC", "time")
ENDED = Column("ended", "text", "When it ended.", "ISO 8601, UTC", "time")
PLACE = (EXPERIMENT, RUN, REHEARSAL, GROUP, REP, PANEL, PROPOSAL, TRIAL)

EXPERIMENTS = (
    EXPERIMENT,
    RUN,
    REHEARSAL,
    Column("mode", "text", "Size of the experiment, as it was declared."),
    Column("protocol", "text", "How a trial is played."),
    Column("engine", "text", "What simulated the persons."),
    Column("provider", "text", "Who answered the model calls."),
    Column("model", "text", "The model that was asked for."),
    Column("judge_model", "text", "The model that scored.", "empty: the same, or not told apart"),
    Column("temperature", "number", "Sampling temperature.", "empty: the provider's default"),
    Column("seed", "whole", "Seed of order and rehearsal."),
    Column(
        "provider_seed", "whole", "What seeds sent to the provider were derived from.", "empty: none was sent"
    ),
    Column("groups", "text", "The arms; the first is the one that the others are compared with.", "a; b; …"),
    Column("metrics", "text", "What was measured, in the artifact's order.", "a; b; …"),
    Column("people", "whole", "Persons who took part."),
    Column("panels", "whole", "Panels per arm and rep."),
    Column("proposals", "whole", "Proposals per panel."),
    Column("reps", "whole", "Repetitions planned."),
    Column("trials_planned", "whole", "Trials planned, all arms.", "empty where no file has the design"),
    Column("trials_finished", "whole", "Planned trials with an accepted record."),
    Column("tries", "whole", "Tries of trials, failed ones and duplicates included."),
    Column("scores_planned", "whole", "Values planned, all arms.", "empty where no file has the design"),
    Column("scores_obtained", "whole", "Values obtained."),
    CALLS,
    TOKENS_IN,
    TOKENS_OUT,
    COST,
    STARTED,
    ENDED,
    Column("fingerprint", "text", "SHA-256 of the run's settings."),
    Column("script_sha256", "text", "SHA-256 of all words said to the persons."),
    Column("population", "text", "Where the persons came from."),
    Column("population_sha256", "text", "SHA-256 of the persons' specifications."),
    Column("git_commit", "text", "Commit of the experimenter's code.", "empty: no repository"),
    Column("git_dirty", "truth", "Whether that code had changes that were not committed."),
    Column("harness_version", "text", "Version of this harness."),
    Column("python_version", "text", "Version of Python."),
    Column("files", "whole", "Record files of the run."),
    Column("problems", "whole", "Lines of those files that could not be read."),
)

TRIALS = (
    *PLACE,
    Column("people", "text", "Who met.", "a; b; …"),
    Column("attempt", "whole", "Which try of the trial this is.", "from 1"),
    Column("status", "name", "How the try ended.", "finished, failed"),
    Column("accepted", "truth", "Whether it counts: of a trial's finished tries, the one that ended first."),
    Column("planned", "truth", "Whether the design has this trial.", "empty where no file has the design"),
    Column("kind", "name", "Class of the error of a failed try.", "empty where finished"),
    Column("reason", "text", "Why a failed try failed.", "empty where finished"),
    STARTED,
    ENDED,
    Column("duration", "number", "Length of the try.", unit="seconds"),
    CALLS,
    Column("calls_replayed", "whole", "Calls answered from the journal, paid for before."),
    TOKENS_IN,
    TOKENS_OUT,
    COST,
    Column("refusals", "whole", "Calls that the model declined to answer."),
    Column("rejections", "whole", "Replies that were of no use, and were asked for again."),
    Column("corrections", "whole", "Turns that action correction sent back."),
    Column("interventions", "whole", "Interventions that fired."),
    Column("samples", "whole", "Values in the record, missing ones included."),
    Column("missing", "whole", "Values in the record that could not be obtained."),
    Column("answered_by", "text", "Models as they named themselves in their replies.", "a; b; …"),
    Column("file", "name", "Name of the record file."),
)

SCORES = (
    *PLACE,
    Column("metric", "name", "What was measured."),
    Column("person", "name", "Whom the value is about.", "empty: the panel as a whole"),
    Column("value", "number", "The value; propositions are scored 0 to 9.", "empty where missing"),
    Column("reason", "text", "Why the value is missing.", "empty where there is a value"),
    Column("justification", "text", "What the judge gave as its reason."),
)

CALLS_BY_KIND = (
    *PLACE,
    Column("attempt", "whole", "Which try of the trial this is.", "from 1"),
    Column("accepted", "truth", "Whether that try counts."),
    Column("kind", "name", "What was asked.", "act, quality_check, regenerate, score_person, …"),
    CALLS,
)

REPLIES = (
    RUN,
    TRIAL,
    Column("kind", "name", "What was asked.", "act, quality_check, regenerate, score_person, …"),
    Column("person", "name", "Whose turn it was, or whom it is about."),
    Column("step", "whole", "Step of the conversation.", "0 is the introduction"),
    Column("site_attempt", "whole", "Which generation of the same turn.", "from 0"),
    Column("attempt", "whole", "Which sending of the same request."),
    Column("sent", "number", "When it was sent.", unit="seconds since 1970, UTC"),
    Column("seconds", "number", "How long the reply took.", unit="seconds"),
    Column("asked", "name", "The model that was asked for."),
    Column("answered", "name", "The model as it named itself."),
    Column("fingerprint", "name", "The provider's fingerprint of the model."),
    Column("finish_reason", "name", "Why the reply ended."),
    Column("refusal", "truth", "Whether the model declined."),
    Column(
        "characters",
        "whole",
        "Length of the reply's text as it came, thoughts in it included.",
        unit="characters",
    ),
    Column("tokens_in", "whole", "Tokens of the prompt.", unit="tokens"),
    Column("tokens_out", "whole", "Tokens of the reply.", unit="tokens"),
    COST,
    Column("verdict", "name", "What became of the reply.", "accepted, rejected, …"),
    Column("reason", "text", "Why it was not accepted."),
)

TABLES = {
    "experiments": EXPERIMENTS,
    "trials": TRIALS,
    "scores": SCORES,
    "calls": CALLS_BY_KIND,
    "replies": REPLIES,
}
ROWS = {
    "experiments": "one row per run",
    "trials": "one row per try of a trial",
    "scores": "one row per value that an accepted trial should give, obtained or missing",
    "calls": "one row per try and kind of model call, counted in the records",
    "replies": "one row per reply in the journal, for the runs whose journal is there",
}
