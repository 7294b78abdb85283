"""The models of a session: which one answers a call, by the name in the request, its role and its arm."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from harness.errors import ConfigurationError, ModelCallError, UnknownProviderError, expected_one_of
from harness.gateway.calls import CallSite, Provider
from harness.gateway.requests.call_kinds import role_of
from harness.model.roles import CORRECTOR, EXTRACTOR, JUDGE, ROLES, USER

UNNAMED = ("", "default")
"""Names in a request that leave the model open; some frameworks insist on a word."""


class ModelMaker(Protocol):
    """Makes the models that arms, roles and requests name."""

    def named(self, spec: str) -> Provider:
        """The model of ``spec``, ``PROVIDER:MODEL`` or ``PROVIDER:MODEL@URL``. Raises `ConfigurationError`."""

    def beside(self, provider: Provider, model: str) -> Provider:
        """Another ``model`` where ``provider`` reaches its own. Raises `ConfigurationError`."""

    def is_spec(self, name: str) -> bool:
        """Whether ``name`` is a spec rather than a model's name alone.

        Raises `ConfigurationError` where its provider is unknown.
        """


class SingleModel:
    """What a gateway without a `ModelMaker` does: its one provider is asked for every name."""

    def named(self, spec: str) -> Provider:
        raise ConfigurationError(f"Model {spec!r} of an arm: this gateway has a single model.")

    def beside(self, provider: Provider, model: str) -> Provider:  # noqa: ARG002
        return provider

    def is_spec(self, name: str) -> bool:  # noqa: ARG002
        return False


@dataclass(frozen=True, slots=True)
class ModelRoute:
    """Who answers a call: ``provider``, asked for ``model``. ``label`` identifies both in journal and digest."""

    provider: Provider
    model: str
    label: str

    @property
    def spec(self) -> str:
        """Provider and model, for records; in a rehearsal, the model that it stands in for."""
        return spec_of(self.provider, self.model)


class SessionModels:
    """The models of one session, each made once.

    ``player`` answers where nothing else is named; ``roles`` has the models of roles that have one. ``attach`` gets
    each provider when it is first known, before its first call.
    """

    def __init__(
        self,
        player: Provider,
        roles: Mapping[str, Provider],
        maker: ModelMaker | None,
        attach: Callable[[Provider], None],
        require_price: Callable[[str, str], None],
    ) -> None:
        self.player, self.roles = player, dict(roles)
        self._maker: ModelMaker = maker or SingleModel()
        self._attach, self._require_price = attach, require_price
        self._named: dict[str, Provider] = {}
        self._beside: dict[tuple[int, str], Provider] = {}
        for one in self:
            attach(one)

    @property
    def several(self) -> bool:
        """Whether more than one model is known so far."""
        return bool(self.roles or self._named or self._beside)

    def __iter__(self) -> Iterator[Provider]:
        """Every provider that there is so far, once."""
        every = (self.player, *self.roles.values(), *self._named.values(), *self._beside.values())
        return iter({id(one): one for one in every}.values())

    def named(self, spec: str) -> Provider:
        """The provider of ``spec``.

        Raises `ConfigurationError` when it cannot be had, and `UnknownPriceError` where a budget in dollars needs its
        price.
        """
        if spec not in self._named:
            self._named[spec] = self._add(self._maker.named(spec))
        return self._named[spec]

    def default(self, role: str, arm: Provider | None = None) -> Provider:
        """Who answers calls of ``role`` that name no model; ``arm`` is the arm's own model.

        Outcomes are judged alike in all arms, and simulated users are the same in all arms.
        """
        roles = self.roles
        if role in (JUDGE, USER):
            return roles.get(role) or self.player
        if role == EXTRACTOR:
            return roles.get(EXTRACTOR) or roles.get(JUDGE) or self.player
        if role == CORRECTOR and CORRECTOR in roles:
            return roles[CORRECTOR]
        return arm or self.player

    def is_apart(self, provider: Provider) -> bool:
        """Whether ``provider`` is the model of a role alone."""
        return any(provider is one for one in self.roles.values())

    def route(self, name: str, site: CallSite, arm: Provider | None = None) -> ModelRoute:
        """Who answers a call at ``site`` whose request names ``name``. Raises `ModelCallError`, fatal, where the
        model cannot be asked.
        """
        if site.role and site.role not in ROLES:
            known = expected_one_of(site.role, ROLES)
            raise ModelCallError(f"Call {site.kind!r}: unknown role {site.role!r:.80}; {known}", fatal=True)
        default = self.default(role_of(site), arm)
        if name in UNNAMED or name in _names(default):
            return ModelRoute(default, default.model, default.model)
        with _refused():
            if self._maker.is_spec(name):
                provider = self.player if name in _names(self.player) else self.named(name)
                return ModelRoute(provider, provider.model, name)
            return ModelRoute(self._sibling(default, name), name, name)

    def embedder(self, name: str) -> ModelRoute:
        """Who embeds with the model ``name``: one of the session's provider, unless it names another provider."""
        with _refused(), contextlib.suppress(UnknownProviderError):  # nomic-embed-text:latest
            if self._maker.is_spec(name):
                provider = self.named(name)
                return ModelRoute(provider, provider.model, name)
        return ModelRoute(self.player, name, name)

    def _sibling(self, provider: Provider, model: str) -> Provider:
        key = (id(provider), model)
        if key not in self._beside:
            made = self._maker.beside(provider, model)
            self._require_price(model, made.name)
            self._beside[key] = made if made is provider else self._add(made)
        return self._beside[key]

    def _add(self, made: Provider) -> Provider:
        self._require_price(made.model, made.name)
        self._attach(made)
        return made


def spec_of(provider: Provider, model: str = "") -> str:
    """What records call ``provider``, asked for ``model``."""
    name = model or provider.model
    return (
        name
        if provider.name == "rehearsal" and not name.startswith("rehearsal")
        else f"{provider.name}:{name}"
    )


def _names(provider: Provider) -> set[str]:
    """What requests may call the model of ``provider``; in a rehearsal, that of the model that it stands in for."""
    model = provider.model
    return {model, model.partition(":")[2] or model, f"{provider.name}:{model}"}


@contextlib.contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        raise ModelCallError(f"A request names a model that cannot be asked. {error}", fatal=True) from error
