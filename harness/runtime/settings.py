"""The settings of a session: what each is called, what it means, and which values it takes.

`Settings` is the one declaration. pytest's options, the command line, ``harness.run``, the environment and
``[tool.harness]`` in pyproject.toml are made from its fields; `harness.runtime.setting_sources` combines them.
"""

# ruff: noqa: RUF009 - `_setting` makes a dataclass field
from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, TypedDict, get_args, get_type_hints

from harness.errors import ConfigurationError
from harness.gateway.rates import EXPECTED, Rate, read_rate
from harness.gateway.waiting import LONGEST_WAIT
from harness.guests import Sources
from harness.text_files import named_path

CHECKOUT_VARIABLE = "TINYTROUPE_REPO_DIR"
NOTEBOOKS_IN_CHECKOUT = Path("publications", "paper_artifacts_june-2025")
SWITCH = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)
"""How a switch is written in a variable."""

SIZE, MODEL, LIMITS, RUN, RESULTS, TIME, ESTIMATE = (
    "experiment", "model", "limits and budget", "run", "results", "time limits for your code", "estimate",
)  # fmt: skip
"""The sections of the help, in its order."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How users write one field of `Settings`, and which values are valid.

    ``name`` is the option's where it differs from ``field``, ``former`` an older name that still works. ``unset`` says
    what holds where ``default`` is ``None``. ``once`` keeps it out of files: it is meant for a single session. A number
    is valid from ``least`` to ``most`` or above ``above``, and finite unless ``endless``. ``rates`` may be given by
    provider, and several times.
    """

    help: str
    section: str
    metavar: str = ""
    name: str = ""
    former: str = ""
    unset: str = ""
    choices: tuple[str, ...] = ()
    once: bool = False
    least: float | None = None
    above: float | None = None
    most: float | None = None
    endless: bool = False
    rates: bool = False
    field: str = ""
    kind: type = str
    optional: bool = False
    default: Any = None

    @property
    def flag(self) -> str:
        """The option without its dashes.

        >>> setting_fields()["base_url"].flag
        'model-base-url'
        """
        return self.name.replace("_", "-")

    @property
    def default_text(self) -> str:
        """The default as help shows it; empty for a switch."""
        if self.default is None or self.kind in (bool, dict):
            return self.unset
        return f"{self.default:g}" if self.kind is float else str(self.default)

    @property
    def typed(self) -> type:
        """The type that a command line converts to; ``str`` where a word such as ``none`` is valid too."""
        return str if self.optional or self.kind is dict else self.kind

    def read(self, value: Any, folder: Path | None = None) -> Any:
        """The field's value from a text or a typed value; a relative path starts at ``folder``.

        Raises `ValueError` with what was expected.
        """
        if self.optional and value in (None, "unlimited" if self.field == "concurrency" else "none"):
            return None
        if self.rates:
            return read_rate(value)
        if self.kind is Path and isinstance(value, str | Path):
            path = named_path(str(value))
            return path if folder is None or path == Path() else folder / path
        if self.kind is bool and (found := SWITCH.get(str(value).lower())) is not None:
            return found
        if self.kind is str and isinstance(value, str) and value in (self.choices or [value]):
            return value
        if self.kind in (int, float) and self._is_number(value):
            return self.kind(value)
        raise ValueError(self.expected)

    def _is_number(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return False
        try:
            number = float(value) if self.kind is float or isinstance(value, float) else int(value)
        except (ValueError, OverflowError):
            return False
        return (
            (self.kind is float or isinstance(number, int))
            and (self.least is None or number >= self.least)
            and (self.above is None or number > self.above)
            and (self.most is None or number <= self.most)
            and (number == number and (self.endless or abs(number) != float("inf")))
        )

    @property
    def expected(self) -> str:
        """What a valid value is, for messages."""
        if self.rates:
            return EXPECTED
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.field == "concurrency":
            return "a whole number from 1, or 'unlimited'"
        if self.above is not None:
            unit = " seconds" if self.metavar == "SECONDS" else ""
            return f"more than {self.above:g}{unit}" + (", or inf" if self.endless else "")
        if self.most is not None:
            return f"{self.least:g} to {self.most:g}"
        if self.least is not None:
            return f"{self.least:g} or more"
        kinds = {bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}
        return kinds.get(self.kind, "a text")


def _setting(default: Any, section: str, metavar: str, help: str, **more: Any) -> Any:
    metadata = {"setting": Setting(help=help, section=section, metavar=metavar, **more)}
    if default is dict:
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a session.

    ``concurrency`` ``None`` means no limit. Limits and budgets do not belong to a run's identity. ``checkout`` is a
    TinyTroupe checkout, ``sources`` where experiments read their words from (`with_sources` finds both). ``origins``
    says where each field that was given comes from.
    """

    # fmt: off
    mode: str | None = _setting(None, SIZE, "NAME", unset="the experiment's own", help=
        "Size of the experiments: full, fast or paper.")
    engine: str = _setting("embedded", SIZE, "NAME", help=
        "What simulates personas: embedded, tinytroupe, or an installed one.")
    workers: int | None = _setting(None, SIZE, "N", unset="by processors and model", least=1, help=
        "Processes of the tinytroupe engine.")
    notebooks: Path | None = _setting(None, SIZE, "DIR", unset="the checkout's June 2025 folder", help=
        "Folder of notebooks to read the experiments' words from.")
    accept_differences: bool = _setting(False, SIZE, "", help=
        "Use the notebooks' settings where they differ from ours, and note it in the record.")
    seed: int = _setting(0, SIZE, "N", help="Seed of the order of trials and of the rehearsal.")
    model: str = _setting("rehearsal", MODEL, "PROVIDER:MODEL", help=
        "Model that answers: rehearsal (offline, no evidence), local (a small model on this machine) or "
        "local:FILE.gguf, openai:MODEL (OpenAI, or any compatible server with --model-base-url), anthropic:, azure:, "
        "bedrock:, deepseek:, gemini:, groq:, llamacpp:, mistral:, ollama:, openrouter:, together:, vertex: or "
        "vllm:MODEL, or pydantic-ai:PROVIDER:MODEL. Keys come from the environment.")
    base_url: str | None = _setting(None, MODEL, "URL", name="model_base_url", unset="the provider's", help=
        "Endpoint of the model.")
    judge_model: str | None = _setting(None, MODEL, "PROVIDER:MODEL", unset="--model", help=
        "Model that scores propositions, and that extracts results if --extractor-model names none.")
    judge_base_url: str | None = _setting(None, MODEL, "URL", unset="the provider's", help=
        "Endpoint of the judge's model.")
    extractor_model: str | None = _setting(None, MODEL, "PROVIDER:MODEL", unset="--judge-model", help=
        "Model that extracts results.")
    corrector_model: str | None = _setting(None, MODEL, "PROVIDER:MODEL", unset="the model of the arm", help=
        "Model that checks the quality of turns, which drives action correction.")
    user_model: str | None = _setting(None, MODEL, "PROVIDER:MODEL", unset="--model", help=
        "Model of simulated users.")
    temperature: float | None = _setting(None, MODEL, "T", unset="the provider's", least=0, most=2, help=
        "Sampling temperature.")
    model_options: Mapping[str, Any] = _setting(dict, MODEL, "NAME=VALUE", name="model_option", help=
        "Field to add to every request to the model, such as top_p=0.9, reasoning_effort=low or max_tokens=800. VALUE "
        "is JSON, otherwise text; null leaves out a field that the experiment sets. May be repeated.")
    env_file: Path | None = _setting(None, MODEL, "FILE", unset="none is read", once=True, help=
        "File of variables, such as keys, that the environment lacks: a NAME=VALUE a line.")
    response_format: str = _setting("auto", MODEL, "FORM", choices=("auto", "schema", "object", "prompt"), help=
        "How to request JSON: schema, object (with the schema in the prompt), prompt, or auto: in this order until "
        "the server accepts one.")
    provider_seed: int | None = _setting(None, MODEL, "N", unset="no seed", help=
        "Send the provider a seed with each call, derived from N for each trial and sample.")
    call_timeout: float = _setting(120.0, LIMITS, "SECONDS", above=0, former="timeout", help=
        "Time limit of one attempt at a model call, to the last byte of the reply.")
    call_timeout_total: float = _setting(600.0, LIMITS, "SECONDS", above=0, help=
        "Time limit of all attempts at one model call together, without the pauses between them. Then its trial fails.")
    connect_timeout: float = _setting(10.0, LIMITS, "SECONDS", above=0, help=
        "Time limit for connecting to the model's server.")
    first_token_timeout: float | None = _setting(None, LIMITS, "SECONDS", unset="replies come whole", above=0, help=
        "Time limit for the first token of a reply. Replies are then requested as streams, and recorded whole.")
    max_wait: float = _setting(LONGEST_WAIT, LIMITS, "SECONDS", above=0, help=
        "How long to wait when the server asks for it. If it asks for longer, the session ends with exit code 7; "
        "rerun to resume.")
    batch: bool = _setting(False, LIMITS, "", help=
        "Send calls that nothing waits for (scores, extractions, survey answers, steps of simulations) through the "
        "batch API of openai: or anthropic:, at half the price, answered within a day.")
    concurrency: int | None = _setting(16, LIMITS, "N", least=1, help=
        "Model calls in flight, or 'unlimited'.")
    rpm: Rate = _setting(None, LIMITS, "[PROVIDER=]N", unset="no limit", least=1, rates=True, help=
        "Model calls in any 60 seconds, retries included: of all models together, or of one provider "
        "(openai=500). May be repeated.")
    tpm: Rate = _setting(None, LIMITS, "[PROVIDER=]N", unset="no limit", least=1, rates=True, help=
        "Tokens in any 60 seconds, prompts and replies, of all models or of one provider. May be repeated.")
    max_cost: float | None = _setting(None, LIMITS, "DOLLARS", unset="no limit", above=0, help=
        "US dollars that this command may spend. It stops before a call that could exceed them, with exit code 6; "
        "rerun to resume.")
    max_calls: int | None = _setting(None, LIMITS, "N", unset="no limit", least=1, help=
        "Model calls that this command may make, retries included.")
    max_tokens: int | None = _setting(None, LIMITS, "N", unset="no limit", least=1, help=
        "Tokens that this command may use, prompts and replies.")
    prices: Path | None = _setting(None, LIMITS, "FILE", unset="dated list prices", help=
        'JSON file of your own prices, {"my-model": {"input": 0.5, "output": 1.5}}, in US dollars per million tokens.')
    resume: str | None = _setting(None, RUN, "RUN", unset="the newest open one of the same settings", once=True, help=
        "Continue this run and no other.")
    fresh: bool = _setting(False, RUN, "", once=True, help="Start a new run even if one could be continued.")
    accept_changes: bool = _setting(False, RUN, "", once=True, help=
        "Continue the run that --resume names although settings or code have changed since. The run is then mixed: "
        "nothing can be claimed from it.")
    accept_lost_journal: bool = _setting(False, RUN, "", once=True, help=
        "If the journal is lost, continue: send, and pay, the calls of unfinished trials again.")
    exploratory: bool = _setting(False, RUN, "", once=True, help=
        "Allow what a locked plan does not (more repetitions, another run); record and summary say so.")
    strict_checks: bool = _setting(False, RUN, "", former="strict_instrument", help=
        "Fail the session if a validity check FAILs.")
    results_dir: Path = _setting(Path("results"), RESULTS, "DIR", help=
        "Folder of records, artifacts and journal.")
    out: Path | None = _setting(None, RESULTS, "FILE", unset="no copy", once=True, help=
        "Write a copy of the artifact here; for a session with one experiment.")
    report: Path | None = _setting(None, RESULTS, "FILE", unset="no report", help=
        "At the end, write a report of the session's runs to FILE.html or FILE.md.")
    sentry_content: bool = _setting(False, RESULTS, "", help=
        "Send prompts, replies and texts of errors to Sentry too, if SENTRY_DSN enables it.")
    function_timeout: float = _setting(60.0, TIME, "SECONDS", above=0, endless=True, help=
        "Time limit of one call of your metrics, preconditions and checks. A sample that takes longer is missing, "
        "with the reason.")
    play_timeout: float = _setting(600.0, TIME, "SECONDS", above=0, endless=True, help=
        "How long your play may run without a model call. After that its trial fails, and the reason names the line.")
    estimate: bool = _setting(False, ESTIMATE, "", once=True, help=
        "Only rehearse, offline, and print the calls, tokens, price and minutes of a run.")
    seconds_per_call: float = _setting(3.0, ESTIMATE, "SECONDS", above=0, help=
        "Duration of a call that the estimate assumes.")
    # fmt: on
    checkout: Path | None = None
    sources: Sources = field(default_factory=Sources)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def trial_window(self) -> int | None:
        """How many trials may run at once. One call in flight per trial at least, so never more than the calls.

        With batches any number: what waits in a batch leaves room for the calls of other trials.
        """
        return None if self.batch else self.concurrency

    def given(self) -> dict[str, str]:
        """Where each setting comes from that is not its default, by the option's name."""
        return {
            one.name: self.origins[name]
            for name, one in setting_fields().items()
            if name in self.origins and getattr(self, name) != one.default
        }

    def with_sources(self) -> Settings:
        """With the checkout that the environment names, and where words come from. Raises `ConfigurationError`."""
        checkout = find_checkout()
        sources = find_sources(self.notebooks, checkout, accept_differences=self.accept_differences)
        return replace(self, checkout=checkout, sources=sources)


@cache
def setting_fields() -> Mapping[str, Setting]:
    """Every field of `Settings` that users set, by its name, in the order of the help."""
    hints = get_type_hints(Settings)
    return {
        one.name: _described(one, hints[one.name]) for one in fields(Settings) if "setting" in one.metadata
    }


def _described(one: Field[Any], hint: Any) -> Setting:
    declared: Setting = one.metadata["setting"]
    kinds = [kind for kind in get_args(hint) if isinstance(kind, type) and kind is not NoneType] or [hint]
    is_mapping = one.default is MISSING
    return replace(
        declared,
        field=one.name,
        name=declared.name or one.name,
        kind=dict if is_mapping else kinds[0],
        optional=NoneType in get_args(hint),
        default={} if is_mapping else one.default,
    )


class RunOptions(TypedDict, total=False):
    """The settings that ``harness.run`` takes, for type checkers and editors; `Settings` says what they mean."""

    mode: str | None
    engine: str
    workers: int | None
    notebooks: Path | str | None
    accept_differences: bool
    seed: int
    model: str
    base_url: str | None
    judge_model: str | None
    judge_base_url: str | None
    extractor_model: str | None
    corrector_model: str | None
    user_model: str | None
    temperature: float | None
    model_options: Mapping[str, Any] | None
    response_format: str
    env_file: Path | str | None
    provider_seed: int | None
    call_timeout: float | None
    call_timeout_total: float | None
    connect_timeout: float | None
    first_token_timeout: float | None
    timeout: float | None
    max_wait: float | None
    batch: bool
    concurrency: int | None
    rpm: Rate | str
    tpm: Rate | str
    max_cost: float | None
    max_calls: int | None
    max_tokens: int | None
    prices: Path | str | None
    resume: str | None
    fresh: bool
    accept_changes: bool
    accept_lost_journal: bool
    exploratory: bool
    strict_checks: bool
    results_dir: Path | str
    out: Path | str | None
    report: Path | str | None
    sentry_content: bool
    function_timeout: float | None
    play_timeout: float | None
    strict_instrument: bool


ROLE_MODELS = ("extractor_model", "corrector_model", "user_model")
"""The settings of roles other than player and judge."""


def without_role_models() -> dict[str, Any]:
    """What leaves every role to the session's model, as fields of `Settings`."""
    return dict.fromkeys(("judge_model", *ROLE_MODELS))


def find_checkout(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The TinyTroupe checkout that the environment names, if any. Raises `ConfigurationError`."""
    value = environ.get(CHECKOUT_VARIABLE, "").strip()
    if not value:
        return None
    path = named_path(value)
    if not path.is_dir():
        raise ConfigurationError(
            f"{CHECKOUT_VARIABLE}={value}: no such folder; expected a checkout of microsoft/TinyTroupe. "
            "Unset the variable to use the packaged script and populations."
        )
    return path.resolve()


def find_sources(
    notebooks: Path | None, checkout: Path | None, *, accept_differences: bool = False
) -> Sources:
    """Where words come from: the folder of notebooks, else the checkout's June-2025 folder, else ours.

    Raises `ConfigurationError` when what was named is not there.
    """
    if notebooks is not None:
        if not notebooks.is_dir():
            raise ConfigurationError(
                f"Notebooks {notebooks}: no such folder; expected one with the experiments' .ipynb files."
            )
        return Sources(notebooks.resolve(), whole=False, accept_differences=accept_differences)
    if checkout is None:
        return Sources()
    path = checkout / NOTEBOOKS_IN_CHECKOUT
    if not path.is_dir():
        raise ConfigurationError(
            f"{CHECKOUT_VARIABLE}={checkout}: it has no {NOTEBOOKS_IN_CHECKOUT}; expected a checkout with the "
            "paper's notebooks. Name another folder of notebooks, or unset the variable."
        )
    return Sources(path, accept_differences=accept_differences)
