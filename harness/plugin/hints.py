"""What a front end adds to an error: the setting that is a way out, in the terms of that front end.

Lower layers raise typed errors whose texts name no option. The one table here has a hint by class of error; `explain`
adds it where a message is shown, and the front end spells the settings in it: ``--fresh``, or ``fresh=`` in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.errors import (
    BatchRefusedError,
    BeyondPlanError,
    BudgetExhaustedError,
    CallTimeoutError,
    ContextOverflowError,
    HarnessError,
    LongWaitError,
    LostRepliesError,
    MixedRunsError,
    OutputLimitError,
    OversizedCallError,
    RunChangedError,
    RunInUseError,
    UnknownModelError,
    UnknownPriceError,
    UnknownProviderError,
    UnreachableError,
    UnwritableError,
)
from harness.model.roles import JUDGE

Spell = Callable[[str], str]
"""How a front end writes the name of a setting."""

HINTS: Mapping[type[HarnessError], str] = {
    BatchRefusedError: "Or send ordinary calls: leave out {batch}.",
    BeyondPlanError: "Or use {exploratory}: record, summary and report then call the result exploratory.",
    BudgetExhaustedError: "Set a larger limit with {limit}.",
    CallTimeoutError: "Allow calls longer with {call_timeout_total}.",
    ContextOverflowError: "Choose a smaller {mode}, give the arms a memory_limit, or choose another {model}.",
    LongWaitError: "Wait longer with {max_wait}.",
    LostRepliesError: "Or start a new run with {fresh}, or accept the loss with {accept_lost_journal}.",
    MixedRunsError: "Or use {force} to mix them; the artifact's meta file will say so.",
    OutputLimitError: "Allow longer ones with {model_options} (max_tokens=N; max_tokens.KIND=N for one kind).",
    OversizedCallError: "Set a larger limit with {tpm}.",
    RunChangedError: (
        "Or start a new run with {fresh}, or continue this one with {accept_changes}: it is then mixed, and nothing "
        "can be claimed from it."
    ),
    RunInUseError: "Or start a new run with {fresh}.",
    UnknownModelError: "Choose another with {model}, or another address with {base_url}.",
    UnknownPriceError: "Give its price with {prices}, or limit {max_calls} or {max_tokens} instead.",
    UnknownProviderError: (
        "For any OpenAI-compatible server use {model} (openai:MODEL) with {base_url} (http://HOST:PORT/v1)."
    ),
    UnreachableError: "Start the server there, or name another with {base_url}.",
    UnwritableError: "Or choose another folder with {results_dir}.",
}

REFUSED: Mapping[str, str] = {
    "timeout": "{call_timeout} allows longer",
    "first_token": "{first_token_timeout} allows longer",
    "temperature": "set another with {temperature}, or leave it out with {model_options} (temperature=null)",
    "seed": "run without {provider_seed}",
    "response_format": "ask for JSON in another way with {response_format}",
    "tools": "choose a model that supports tools",
    "*": "set another value, or leave it out, with {model_options} (NAME=VALUE) or where the experiment declares it",
}
"""What a user changes, by the field of a request that a server refuses."""


class _Settings(dict[str, str]):
    """The settings of a hint, each spelled when it is asked for: the session's, or those of the ``role`` at fault."""

    def __init__(self, spell: Spell, limit: str = "", role: str = "") -> None:
        super().__init__()
        self._spell = spell
        self._other = {"limit": limit} if limit else {}
        if role:
            model = f"{role}_model"
            self._other |= {"model": model, "base_url": "judge_base_url" if role == JUDGE else model}

    def __missing__(self, name: str) -> str:
        return self._spell(self._other.get(name, name))


def option(name: str) -> str:
    """
    >>> option("results_dir")
    '--results-dir'
    """
    from harness.runtime.settings import setting_fields

    fields = setting_fields()
    return f"--{fields[name].flag if name in fields else name.replace('_', '-')}"


def study_option(name: str) -> str:
    """The same for `harness study`, where the folder of a study takes the place of the results folder."""
    return "--studies-dir" if name == "results_dir" else option(name)


def keyword(name: str) -> str:
    """The setting ``name`` as an argument of `harness.run`.

    >>> keyword("results_dir")
    'results_dir='
    """
    return f"{name}="


def explain(error: BaseException, spell: Spell = option) -> str:
    """The error's text, with the hint of its class, or of the error that caused it, and the ``options`` that it names.

    >>> explain(UnwritableError("Could not open x: disk full."))
    'Could not open x: disk full. Or choose another folder with --results-dir.'
    """
    for one in (error, error.__cause__):
        for kind in type(one).__mro__:
            if kind in HINTS:
                named = _Settings(spell, getattr(one, "limit", ""), getattr(one, "role", ""))
                said = str(error)
                end = "" if said.endswith((".", "!", "?", "…")) else "."  # a server's own words may lack it
                return f"{said}{end} {HINTS[kind].format_map(named)}"
    options = getattr(error, "options", {}).items()
    return "\n".join([str(error), *(f"Option: {spell(name)} {value}".rstrip() for name, value in options)])


def refused(spell: Spell = option) -> dict[str, str]:
    """`REFUSED` in the words of a front end, for providers."""
    return {field: hint.format_map(_Settings(spell)) for field, hint in REFUSED.items()}
