"""What travels between an engine and a model, and the one interface by which an engine asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from harness.gateway.replies.tool_arguments import ToolCall, read_calls

Unwrapped = Literal["", "thoughts", "end token", "string", "fence", "prose"]
"""What surrounded the JSON of a reply: nothing, or the part that was furthest from plain JSON."""

Message = Mapping[str, Any]
"""A chat message as OpenAI's API has it: ``role``, ``content`` and what else the role needs."""


@dataclass(frozen=True, slots=True)
class Request:
    """One chat completion. ``response_format`` is OpenAI's own object, or ``None`` for free text.

    ``model`` is the model to ask: empty for the arm's, else the session's; ``PROVIDER:MODEL``, or the name of another
    model of the same provider. Temperatures and limits are the caller's. ``extra`` passes through all other
    fields of the protocol (tools, top_p, …), so that a foreign engine loses nothing. ``accepts`` is a wider schema than
    that of ``response_format``, for replies that can be used although the model was asked for less; it is not sent.
    ``digest`` is the SHA-256 of what is sent; the gateway computes it once.
    """

    messages: Sequence[Message]
    model: str = ""
    response_format: Mapping[str, Any] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    digest: str = field(default="", compare=False, repr=False)
    accepts: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class CallSite:
    """Where in a trial a call was made. ``kind`` is what calls are counted by (``act``, ``check``, ``score``, …).

    ``role`` says whose model answers: ``player`` (personas, or the agent under test), ``judge``, ``extractor``,
    ``corrector`` or ``user`` (a simulated user). Without one, calls of the kind ``score`` go to the judge, ``extract``
    to the extractor, and others to the player.

    ``can_wait`` says that nothing but its trial's end waits for the call, so that a session with batches may send it in
    one, at half the price; ``None``: as its kind says (`call_kinds.can_wait`).

    >>> CallSite("grade", role="judge").kind
    'grade'
    """

    kind: str
    person: str = ""
    step: int = -1
    attempt: int = 0
    role: str = field(default="", compare=False)
    can_wait: bool | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer. ``model`` is the one that answered; tokens are as the provider billed them.

    ``data`` is the parsed JSON when the request asked for JSON (validated against its schema), else ``None``.
    ``tokens_in`` is everything read, ``tokens_cached`` the part of it that came from the provider's cache and
    ``tokens_written`` the part that was put there; ``tokens_out`` is everything written, thinking included.
    ``refusal``: the model, or its provider, declined to answer; ``text`` is what it said instead, maybe nothing.
    ``cost`` is in US dollars, from the provider where it states one, else the gateway's from its price table; ``None``
    with ``cost_reason`` where it is not known. ``usage`` is what the provider stated of tokens, as JSON and cut;
    ``usage_fault`` says what in it did not add up, so that the tokens are the most expensive reading; empty if nothing
    was wrong. ``form`` says how its JSON was requested if that differs from the request (`response_formats`), and
    ``sent_digest`` is the digest of the request as it was sent then; the gateway fills it in. ``call``
    names the call within its trial (kind, request digest, occurrence), ``attempts`` counts the replies that it took and
    ``seconds`` is how long this one took, when it was sent; the gateway fills them in.

    A provider returns the original ``text``, and separate thoughts of the server in ``thoughts``. From the gateway,
    ``text`` is what was said, ``thoughts`` all that was thought, ``raw`` the original text, and ``unwrapped`` what
    surrounded the JSON in ``data``. ``mended``: halves of surrogate pairs were replaced. ``logprobs`` are the log
    probabilities of its tokens in OpenAI's form, where the request asks for them (``extra={"logprobs": True}``).
    ``limit`` is the default output limit that it was sent with, if its request named none; ``batch`` is the provider's
    id of the batch that it came in, if it came in one.
    """

    text: str
    data: Any = None
    model: str = ""
    finish_reason: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    tool_calls: Sequence[Mapping[str, Any]] = ()
    fingerprint: str | None = None
    call: str = ""
    refusal: bool = False
    tokens_cached: int = 0
    tokens_written: int = 0
    cost: float | None = None
    cost_reason: str | None = None
    usage_fault: str = ""
    usage: str = field(default="", compare=False)
    form: str = ""
    sent_digest: str = field(default="", compare=False)
    attempts: int = field(default=1, compare=False)
    seconds: float = field(default=0.0, compare=False)
    thoughts: str = ""
    raw: str = field(default="", compare=False, repr=False)
    unwrapped: Unwrapped = ""
    mended: bool = False
    logprobs: Mapping[str, Any] | None = None
    limit: int | None = field(default=None, compare=False)
    batch: str = field(default="", compare=False)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The tool calls with their arguments read, by one rule for every provider."""
        return read_calls(self.tool_calls)


class Vectors(list[Sequence[float]]):
    """One vector per text, with the tokens read (0: unknown) and the model's name, as stated by the provider."""

    def __init__(self, vectors: Iterable[Sequence[float]], *, model: str = "", tokens_in: int = 0) -> None:
        super().__init__(vectors)
        self.model, self.tokens_in = model, tokens_in


class Provider(Protocol):
    """A way to a model. Registered by name in `harness.gateway.providers`."""

    name: str
    model: str

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        """Answer once. ``trial`` and ``occurrence`` identify the sample; only the rehearsal model reads them."""

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        """One vector per text; `Vectors` where the provider says what they took."""

    async def aclose(self) -> None:
        """Give back connections."""


class ModelClient(Protocol):
    """What an engine holds during one trial: the gateway, bound to that trial."""

    @property
    def token(self) -> str:
        """The trial's own credential at the gateway's HTTP server."""

    @property
    def base_url(self) -> str:
        """The HTTP server's address, ending in ``/v1``."""

    async def complete(
        self,
        request: Request,
        site: CallSite,
        *,
        max_rejections: int | None = None,
        max_replies: int | None = None,
    ) -> Reply:
        """Send ``request`` and return an acceptable reply: complete, not empty, valid for its response format.

        Raises `ModelCallError` if none came in the allowed attempts, `UnacceptableReplyError` if ``max_replies``
        replies were unusable (``None``: as many as the session allows), and `RejectedError` when ``max_rejections``
        replies to this question were rejected in this try of the trial, those of a session that was cut off included.
        """

    def reject(self, reply: Reply, reason: str) -> None:
        """Reject a well-formed but unusable reply, so that the next attempt is a new call."""
