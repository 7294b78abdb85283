"""Learn from a server's refusals what it accepts: the name of the token limit, and the form of requests for JSON.

Only the spelling of a request adapts. An unsupported parameter is never dropped: what is declared reaches the model, or
the session ends with the server's message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.gateway.calls import Request
from harness.gateway.providers.provider_errors import Fault
from harness.gateway.replies.json_reading import label
from harness.gateway.requests.identity import canonical
from harness.gateway.requests.response_formats import (
    FORMS,
    LOOSE,
    OBJECT,
    PROMPT,
    SCHEMA,
    asks_for_json,
    form_of,
    with_system_as_user,
)

LIMITS = ("max_tokens", "max_completion_tokens")
"""The two names of the most tokens that a reply may have."""

_CLIENT_ERRORS = (400, 404, 406, 415, 422, 501)
_REJECTED = re.compile(
    r"unknown|unrecogni[sz]ed|unsupported|unexpected|unavailable|invalid|deprecated|no such|no endpoints|"
    r"not (?:\w+ )?(?:support|permit|allow|recogni|implement|accept|available|enabled|valid|expected|found)|"
    r"(?:does|do|is|are)(?:n't| not)|extra.?(?:inputs|fields|forbidden)|additional properties|only the default|"
    r"must be|should be|expected|instead|enabled only|requires|failed to|cannot",
    re.IGNORECASE,
)
"""Words by which servers say that they do not take a field, or its value."""

_AMOUNT = re.compile(
    r"too (?:large|high|big|many|small|low)|maximum context|context.?length|exceed|at (?:most|least)|less than|greater|"
    r"minimum|maximum (?:allowed|number)|below|above|range|between|[<>]=",
    re.IGNORECASE,
)
"""Words about the amount of a limit, not about its name."""

_FORMAT = re.compile(
    r"response.?format|json_object|json.?(?:schema|mode)|structured.?(?:output|decod|generation)|guided|grammar|"
    r"output.?(?:format|config)|constrained",
    re.IGNORECASE,
)
_ABOUT_STRICT = re.compile(r"\bstrict\b|additional.?properties|['\"`]required['\"`]", re.IGNORECASE)
_ABOUT_ONE_SCHEMA = re.compile(
    r"invalid.{0,20}schema|schema.{0,40}(?:conversion|too |exceed|keyword)|unrecogni[sz]ed schema|"
    r"(?:parse|compile|parsing|compilation).{0,20}grammar|grammar.{0,20}(?:pars|compil)|additional.?properties|"
    r"['\"`]required['\"`]",
    re.IGNORECASE,
)
_SYSTEM = re.compile(
    r"(?:system|developer) (?:role|message|prompt|instruction)s?\b.{0,40}\bnot\b|"
    r"not (?:support|allow|accept)\w* (?:a |the )?['\"`]?(?:system|developer)\b|"
    r"roles must alternate|only user and assistant roles",
    re.IGNORECASE,
)
"""How servers, and the chat templates of models, refuse the role of the system."""

_WORD = re.compile(r"[a-z][a-z0-9_]*", re.IGNORECASE)
_REFUSED: Mapping[str, str] = {
    SCHEMA: "a JSON schema as the response format",
    LOOSE: "this JSON schema",
    OBJECT: "the response format json_object",
    PROMPT: "a request without a response format",
}
_USED: Mapping[str, str] = {
    SCHEMA: "as they are",
    LOOSE: "without strict mode",
    OBJECT: "into the prompt, with the response format json_object",
    PROMPT: "into the prompt, without a response format",
}


@dataclass(frozen=True, slots=True)
class SentForm:
    """How one request was sent: under which name its limit went, and in which form its JSON was asked for.

    ``as_user``: what the system says went as part of a user's message.
    """

    limit: str
    form: str
    as_user: bool = False

    @property
    def name(self) -> str:
        """The form as replies name it, for `in_form`."""
        return with_system_as_user(self.form) if self.as_user else self.form


class Dialect:
    """What one server is known to accept for one model.

    ``limit`` is the name of the limit to begin with. ``least`` is the form that the user chose, which is kept;
    ``None``: begin with the strongest, and learn. ``forms`` are those that the server's protocol has, strongest first;
    ``needs_words`` says of a request for JSON that the protocol cannot express it but in words.
    """

    def __init__(
        self,
        limit: str = LIMITS[0],
        least: str | None = None,
        *,
        forms: tuple[str, ...] = FORMS,
        needs_words: Callable[[Request], bool] = lambda _request: False,
    ) -> None:
        self.limit = limit
        self._forms, self._needs_words = forms, needs_words
        self._of_schema: dict[str, str] = {}
        self._is_limit_learned = self._system_refused = False
        self.choose(least)

    def choose(self, least: str | None) -> None:
        """Ask for JSON in the form ``least``, or the next weaker one that the protocol has; ``None``: learn."""
        self._is_chosen = least is not None
        step = FORMS.index(least or SCHEMA)
        self._least = next(form for form in self._forms if FORMS.index(form) >= step)

    def sent(self, request: Request) -> SentForm:
        """How ``request`` is sent now."""
        as_user = self._system_refused and _has_system(request)
        return SentForm(self.limit, form_of(request, self._least_for(request)), as_user)

    def learn(self, fault: Fault, request: Request, sent: SentForm, body: Mapping[str, Any]) -> str | None:
        """Learn from ``fault``, the answer to ``request``, which was sent as ``sent`` with ``body``.

        Returns a sentence; empty if another call has learned it meanwhile; ``None`` if there is nothing to learn and
        the same request would fail again.
        """
        if self.sent(request) != sent:
            return ""
        if _is_about_limit(fault, body, sent.limit):
            if self._is_limit_learned:
                return None
            self.limit = next(name for name in LIMITS if name != sent.limit)
            self._is_limit_learned = True
            return f"The server does not accept {sent.limit}; the limit is now sent as {self.limit}."
        if _is_about_system(fault, request) and not self._system_refused:
            self._system_refused = True
            return "The server does not accept the role 'system'; its text now begins the first message of the user."
        if _is_about_format(fault, body) and not self._is_chosen:
            return self._weaken(fault, request, sent)
        return None

    def _weaken(self, fault: Fault, request: Request, sent: SentForm) -> str | None:
        weaker = self._next(fault, request, sent)
        if weaker is None:
            return None
        if weaker == LOOSE or _ABOUT_ONE_SCHEMA.search(fault.text):
            self._of_schema[_schema_key(request)] = weaker
            which = f"the schema {_schema_name(request)!r} now goes"
        else:
            self._least = weaker
            which = "schemas now go" if _asked(request) == SCHEMA else "the wish for JSON now goes"
        refused, used = (
            words[form or _asked(request)]
            for words, form in ((_REFUSED, sent.form), (_USED, form_of(request, weaker)))
        )
        return f"The server does not accept {refused}; {which} {used}."

    def _next(self, fault: Fault, request: Request, sent: SentForm) -> str | None:
        """The next weaker form that changes how ``request`` is sent."""
        step = FORMS.index(self._least_for(request))
        for form in self._forms:
            if FORMS.index(form) <= step or form_of(request, form) == sent.form:
                continue
            if form == LOOSE and not _ABOUT_STRICT.search(fault.text):
                continue
            return form
        return None

    def _least_for(self, request: Request) -> str:
        if self._needs_words(request):
            return PROMPT
        own = self._of_schema.get(_schema_key(request), SCHEMA) if self._of_schema else SCHEMA
        return max(own, self._least, key=FORMS.index)


def refused_parameter(fault: Fault, body: Mapping[str, Any]) -> str | None:
    """The field of ``body`` that the server refuses, by its name or for its value; ``None`` where it names none."""
    if fault.status not in _CLIENT_ERRORS:
        return None
    named = _named(fault, body)
    if named in LIMITS and _AMOUNT.search(fault.text):
        return named
    if named in ("model", "messages") or not _REJECTED.search(f"{fault.code} {fault.text}"):
        return None
    return named


def _is_about_limit(fault: Fault, body: Mapping[str, Any], name: str) -> bool:
    if name not in body or fault.status not in _CLIENT_ERRORS or _AMOUNT.search(fault.text):
        return False
    named = _named(fault, body)
    other = next(one for one in LIMITS if one != name)
    about = named == name or (named is None and other in _WORD.findall(fault.text))
    return about and bool(_REJECTED.search(f"{fault.code} {fault.text}"))


def _has_system(request: Request) -> bool:
    return any(message.get("role") in ("system", "developer") for message in request.messages)


def _is_about_system(fault: Fault, request: Request) -> bool:
    if fault.status not in (*_CLIENT_ERRORS, 500) and not fault.is_inside:
        return False
    return _has_system(request) and bool(_SYSTEM.search(f"{fault.code} {fault.text}"))


def _is_about_format(fault: Fault, body: Mapping[str, Any]) -> bool:
    if not {"response_format", "output_config"} & body.keys():
        return False
    if fault.status not in (*_CLIENT_ERRORS, 500) and not fault.is_inside:
        return False
    said = f"{fault.code} {label(fault.details.get('param'))} {fault.text}"
    if not (_FORMAT.search(said) and _REJECTED.search(said)) or "effort" in said:
        return False
    named = _named(fault, body)
    return named in (None, "response_format", "output_config", "model")


def _named(fault: Fault, body: Mapping[str, Any]) -> str | None:
    """The field of ``body`` that the server names: its ``param``, else the first that its words contain."""
    param = label(fault.details.get("param")).partition(".")[0]
    if param in body:
        return param
    found = _WORD.finditer(fault.text)
    return next((word[0] for word in found if word[0] in body and _is_name(word, fault.text)), None)


def _is_name(word: re.Match[str], text: str) -> bool:
    """Whether a word is a field's name, not one of a sentence: by its underscore, its quotes, its path."""
    before = text[word.start() - 1 : word.start()]
    return "_" in word[0] or word[0] in _PLAIN or (before != "" and before in "'\"`.[")


_PLAIN = frozenset({"temperature", "seed", "tools"})
"""Fields whose names hardly occur in an error about something else."""


def _asked(request: Request) -> str:
    return SCHEMA if (request.response_format or {}).get("type") == "json_schema" else OBJECT


def _schema_key(request: Request) -> str:
    return canonical(request.response_format) if asks_for_json(request) else ""


def _schema_name(request: Request) -> str:
    return str(((request.response_format or {}).get("json_schema") or {}).get("name", ""))[:80]
