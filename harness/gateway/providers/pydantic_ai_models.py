"""A model of the library pydantic-ai as a provider: its settings, its time limits, and what its errors mean here."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic_ai import ModelMessage, exceptions
from pydantic_ai.direct import model_request
from pydantic_ai.models import Model, ModelRequestParameters, infer_model
from pydantic_ai.settings import ModelSettings

from harness.console import logger
from harness.errors import (
    AdaptedError,
    ConfigurationError,
    ContextOverflowError,
    ModelCallError,
    RefusedKeyError,
    UnsupportedParameterError,
)
from harness.gateway.calls import Reply, Request
from harness.gateway.providers.dialect import Dialect, SentForm
from harness.gateway.providers.error_text import words
from harness.gateway.providers.http_client import CONNECT_SECONDS, UNREACHABLE, WRONG_ADDRESS, NoAnswerError
from harness.gateway.providers.provider_errors import GARBAGE, Failures, Fault
from harness.gateway.providers.pydantic_ai_wire import conversation, parameters_of, reply, settings_of
from harness.gateway.replies.json_reading import mapping
from harness.gateway.requests.response_formats import PROMPT, SCHEMA, in_form

ANY_MODEL = frozenset({"top_p", "stop", "tools", "tool_choice"})
"""Fields of a request, beyond temperature and limit, that every model of the library takes."""

UNKNOWN_THERE = frozenset({"logprobs", "top_logprobs", "prediction", "store", "user"})
"""Fields without a counterpart: left out of foreign code's requests, and refused where they are declared."""

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Vendor:
    """What one vendor's models need. ``fields`` of requests are sent, others are refused.

    ``make`` makes the model, from the seconds of a call and of connecting. ``sign_in`` says how a user gets
    credentials, and ``secrets`` are the values of variables that no message may show. Without ``has_address``,
    ``place`` is only for messages: another model of the vendor is made by its name alone.
    """

    name: str
    place: str
    sign_in: str
    make: Callable[[float, float], Model]
    fields: frozenset[str] = ANY_MODEL
    has_address: bool = True
    secrets: tuple[str, ...] = ()


class LibraryModel:
    """A model of the library. It sends a call once: the gateway retries, so that every call counts."""

    no_counterpart = UNKNOWN_THERE

    def __init__(self, vendor: Vendor, model: str) -> None:
        self.name, self.model = vendor.name, model
        self.base_url = vendor.place if vendor.has_address else None
        self.before_send: Callable[[], None] | None = None
        self.notify: Callable[[str], None] = _log.warning
        self._vendor, self._made = vendor, _Lazy(vendor.make)
        self._failures = Failures(f"{vendor.name}:{model}", vendor.place, vendor.secrets, vendor.sign_in)
        self._dialect = Dialect(forms=(SCHEMA, PROMPT), needs_words=self._needs_words)

    def configure(
        self,
        *,
        timeout: float | None = None,
        connect_timeout: float | None = None,
        first_token_timeout: float | None = None,
        form: str | None = None,
        hints: Mapping[str, str] | None = None,
    ) -> None:
        """Apply the session's choice, as `HTTPProvider.configure` does. Raises `ConfigurationError`."""
        if first_token_timeout is not None:
            raise ConfigurationError(
                f"Model {self.name}:{self.model}: its replies come whole, so that their first token has no time limit; "
                "expected none."
            )
        self._made.timeout = timeout or self._made.timeout
        self._made.connect_timeout = connect_timeout or self._made.connect_timeout
        self._dialect.choose(form)
        self._failures.hints = hints or {}

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:  # noqa: ARG002
        """One request to the model. Raises `ModelCallError`, fatal when no later call can succeed either."""
        if request.model not in ("", self.model):
            raise self._failures.say(
                f"it cannot answer for another model, {request.model!r:.80}.", fatal=True
            )
        sent = self._dialect.sent(request)
        spelled = in_form(request, sent.form)
        model = self._made.model
        messages, settings, parameters = self._parts(spelled, model)
        if self.before_send is not None:
            self.before_send()
        try:
            response = await model_request(
                model,
                messages,
                model_settings=settings,
                model_request_parameters=parameters,
                instrument=False,
            )
        except Exception as error:
            failure = self._failure(error, request, sent)
        else:
            return replace(reply(response, spelled), form=sent.form)
        # Not raised in the handler: the library's error would hang on to the request.
        raise failure

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:  # noqa: ARG002
        """There are none. Raises `ModelCallError`, fatal."""
        raise self._failures.say(
            "embeddings are not available here; use another provider for an engine that needs them.",
            fatal=True,
        )

    async def aclose(self) -> None:
        """Close the connections, where the library opened some."""
        close = getattr(getattr(self._made.made, "provider", None), "_own_http_client", None)
        if close is not None:
            await close.aclose()

    # Requests

    def _parts(
        self, request: Request, model: Model
    ) -> tuple[list[ModelMessage], ModelSettings, ModelRequestParameters]:
        """``request`` in the library's terms. Raises `ModelCallError`, fatal, for what it cannot express."""
        try:
            messages, parameters = conversation(request.messages), parameters_of(request)
            settings = settings_of(request)
        except GARBAGE as error:
            raise self._failures.say(
                f"the request has something that cannot be sent ({type(error).__name__}: {error}).",
                fatal=True,
            ) from None
        if dropped := self._dropped(request, model, settings, parameters):
            hint = self._failures.hints.get(dropped) or self._failures.hints.get("*", "")
            raise UnsupportedParameterError(
                f"Model {self.name}:{self.model}: {dropped!r} cannot be sent to it{f': {hint}' if hint else ''}.",
                dropped,
                fatal=True,
            )
        limits = {"timeout": self._made.timeout, "max_retries": 0}
        for name in limits.keys() - model.unsupported_settings:
            settings[name] = limits[name]  # type: ignore[literal-required]
        return messages, settings, parameters

    def _dropped(
        self, request: Request, model: Model, settings: ModelSettings, parameters: ModelRequestParameters
    ) -> str | None:
        """A field of ``request`` that the library would leave out, silently or with a warning."""
        sendable = self._vendor.fields | UNKNOWN_THERE
        left_out = (
            name for name, value in request.extra.items() if value is not None and name not in sendable
        )
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                _, prepared = model.prepare_request(settings, parameters)
            except exceptions.UserError as error:
                raise self._failures.say(str(error), fatal=True) from None
        if "thinking" in settings and prepared.thinking is None:
            return "reasoning_effort"
        warned = (name for name in settings if any(repr(name) in str(one.message) for one in heard))
        return next(left_out, None) or next(warned, None)

    def _needs_words(self, request: Request) -> bool:
        """Whether only words can ask this model for the format of ``request``."""
        profile = self._made.model.profile
        if (request.response_format or {}).get("type") != "json_schema":
            return request.response_format is not None
        has_tools = bool(request.extra.get("tools")) and not profile.get(
            "google_supports_tool_combination", True
        )
        return has_tools or not profile.get("supports_json_schema_output", False)

    # Failures

    def _failure(self, error: Exception, request: Request, sent: SentForm) -> ModelCallError:
        """What ``error`` of the library, or of the vendor's own, means here."""
        if isinstance(error, exceptions.ModelHTTPError):
            return self._of_status(error, request, sent)
        if isinstance(error, exceptions.ModelConnectionError):
            is_timeout = isinstance(error, exceptions.ModelTimeoutError)
            is_unreachable = error.phase == "connect"
            tries = WRONG_ADDRESS if is_unreachable and not is_timeout else UNREACHABLE
            late = is_timeout and not is_unreachable
            silence = NoAnswerError(
                "time-out: no whole answer in time" if late else f"no connection ({error.message})",
                sent=not is_unreachable,
                first_tries=tries,
                is_timeout=is_timeout,
                is_unreachable=is_unreachable,
            )
            return self._failures.of_silence(silence)
        if _is_about_credentials(error):
            refused = self._failures.say(f"{error} Expected {self._vendor.sign_in}.", fatal=True)
            return RefusedKeyError(str(refused), fatal=True, brief=refused.brief)
        if isinstance(error, exceptions.UserError) or type(error).__module__ == "botocore.exceptions":
            return self._failures.say(f"{str(error).rstrip('. ')}.", fatal=True)
        return self._failures.of_garbage(f"{type(error).__name__}: {error}")

    def _of_status(
        self, error: exceptions.ModelHTTPError, request: Request, sent: SentForm
    ) -> ModelCallError:
        status = 404 if isinstance(error, exceptions.ModelNotFoundError) else error.status_code
        if isinstance(error, exceptions.ModelQuotaExceededError):
            status = 402
        said, code = _words_of(error), error.provider_error_code or ""
        headers = dict(error.headers or {})
        if error.retry_after is not None:
            headers["retry-after"] = str(error.retry_after)
        fault = Fault(status, said, code, headers=headers)
        failure = self._failures.of_fault(fault)
        if isinstance(error, exceptions.ModelContextWindowExceededError):
            return ContextOverflowError(str(failure), brief=failure.brief)
        body = {"response_format": None} if request.response_format and not sent.form else {}
        learned = self._dialect.learn(fault, request, sent, body)
        if learned is None:
            return failure
        note = self._failures.say(f"{learned} It said: {said}")
        if learned:
            self.notify(str(note))
        return AdaptedError(str(note), brief="the server refused how the request was spelled")


class _Lazy:
    """A model that is made when it is first needed, after the session has set the time limits."""

    def __init__(self, make: Callable[[float, float], Model]) -> None:
        self._make = make
        self.timeout, self.connect_timeout = 120.0, CONNECT_SECONDS
        self.made: Model | None = None

    @property
    def model(self) -> Model:
        if self.made is None:
            self.made = self._make(self.timeout, self.connect_timeout)
        return self.made


def make_any(argument: str) -> LibraryModel:
    """``PROVIDER:MODEL`` in the library's names. Raises `ConfigurationError`."""
    spec, vendor = f"pydantic-ai:{argument}", argument.partition(":")[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = infer_model(argument)
    except ImportError as error:
        raise ConfigurationError(f"Model {spec!r}: {error}") from None
    except (exceptions.UserError, ValueError, KeyError) as error:
        raise ConfigurationError(
            f"Model {spec!r}: {error} Expected pydantic-ai:PROVIDER:MODEL in the names of that library."
        ) from None
    place = made.base_url or vendor
    secrets = values_of(*(name for name in os.environ if re.search(r"KEY|TOKEN|SECRET|PASSWORD", name)))
    return LibraryModel(
        Vendor(
            "pydantic-ai",
            place,
            f"the key of {vendor}",
            lambda _timeout, _connect: made,
            has_address=False,
            secrets=secrets,
        ),
        argument,
    )


def values_of(*variables: str) -> tuple[str, ...]:
    """What these environment variables hold, where they are set."""
    return tuple(value for name in variables if (value := os.environ.get(name, "").strip()))


# Failures


def _words_of(error: exceptions.ModelHTTPError) -> str:
    """The vendor's own words, without the library's around them."""
    body = error.body
    inner = mapping(body).get("Error") or mapping(body).get("error") or body
    hint = f" {error.hint}" if error.hint else ""
    near = f" Did you mean {error.suggested_model_id!r}?" if error.suggested_model_id else ""
    return f"{mapping(inner).get('Message') or words(inner) or error.message}{hint}{near}"


def _is_about_credentials(error: Exception) -> bool:
    """Whether the vendor's own library found no credentials, or could not renew them."""
    causes = (error, error.__cause__, error.__context__)
    return any(
        type(one).__module__ in ("botocore.exceptions", "google.auth.exceptions")
        and re.search(r"Credential|Token|SSO|Login|Refresh|Profile", type(one).__name__)
        for one in causes
        if one is not None
    )
