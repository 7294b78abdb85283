"""Turn what a trial asks into a call: its options, model, digest and how its replies are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.errors import UnsupportedParameterError
from harness.gateway.calls import CallSite, Provider, Reply, Request, Vectors
from harness.gateway.models import ModelRoute
from harness.gateway.pending_call import PendingCall, SendFunction
from harness.gateway.replies.acceptance import accept
from harness.gateway.requests.call_kinds import role_of
from harness.gateway.requests.logprobs import refuse_without_logprobs
from harness.gateway.requests.model_options import unsent
from harness.gateway.requests.seeds import seeded
from harness.gateway.requests.sendable import checked
from harness.gateway.requests.sent_limits import SentLimits
from harness.gateway.trial_client import TrialClient
from harness.model.output_limits import UNLIMITED

_SPELLINGS = {"max_completion_tokens": "max_tokens", "output_config": "reasoning_effort"}
"""Names of options in requests, where they differ."""


def prepare_completion(
    client: TrialClient,
    request: Request,
    site: CallSite,
    route: ModelRoute,
    *,
    apart: bool,
    provider_seed: int | None,
    limits_of: Callable[[Provider], SentLimits],
) -> PendingCall:
    """The call for ``request``, to be answered as ``route`` says. Raises `UnsendableRequestError`.

    ``apart``: the model of a role alone answers it. ``limits_of`` gives the default output limits of a provider.
    """
    provider = route.provider
    declared = client.options.of(site.kind, apart=apart, role=role_of(site))
    options = {name: value for name, value in declared.items() if value != UNLIMITED}
    request, body = checked(
        client.options.fill(request, options), route.label, site=site, trial=client.trial_id
    )
    request = replace(request, model=route.model)
    client.note_options(declared, unsent(request, options))

    names = options.keys() | ({"seed"} if provider_seed is not None else set())

    async def send(asked: Request, occurrence: int, instead: SendFunction | None = None) -> Reply:
        asked = seeded(asked, provider_seed, client.trial_id, occurrence)
        _refuse_without_counterpart(provider, options)
        refuse_without_logprobs(request, provider)
        try:
            if instead is not None:
                return await instead(asked)
            return await provider.complete(asked, trial=client.trial_id, occurrence=occurrence)
        except UnsupportedParameterError as error:
            # What is declared reaches the model, or the session ends: no later call can have it either.
            error.fatal = error.fatal or _SPELLINGS.get(error.parameter, error.parameter) in names
            raise

    call = PendingCall(
        client,
        provider,
        request,
        route.label,
        route.spec,
        body,
        site,
        send,
        lambda reply: accept(reply, request),
    )
    if request.max_tokens is None and declared.get("max_tokens") != UNLIMITED:
        call.limits = limits_of(provider)
    return call


def prepare_embedding(
    client: TrialClient, texts: Sequence[str], model: str, route: ModelRoute
) -> PendingCall:
    """The call for the vectors of ``texts``, which its reply has as data. Raises `UnsendableRequestError`."""
    site = CallSite("embedding")
    request = Request((), model, extra={"input": list(texts)})
    request, body = checked(request, "", site=site, trial=client.trial_id)
    request = replace(request, model=route.model)

    async def send(_asked: Request, _occurrence: int, _instead: SendFunction | None = None) -> Reply:
        vectors = await route.provider.embed(texts, route.model)
        said = vectors if isinstance(vectors, Vectors) else Vectors(())
        text = json.dumps([list(vector) for vector in vectors])
        return Reply(text, model=said.model or route.model, tokens_in=said.tokens_in)

    def read(reply: Reply) -> Reply:
        return replace(reply, data=json.loads(reply.text))

    return PendingCall(client, route.provider, request, route.label, route.spec, body, site, send, read)


def _refuse_without_counterpart(provider: Provider, options: Mapping[str, Any]) -> None:
    """Raise `UnsupportedParameterError` where the provider's protocol lacks a declared field."""
    missing = sorted(getattr(provider, "no_counterpart", frozenset()) & options.keys())
    if missing:
        raise UnsupportedParameterError(
            f"Model {provider.name}:{provider.model}: its API has no {', '.join(missing)}, declared as a model option; "
            "leave it out, or choose another model.",
            missing[0],
            fatal=True,
        )
