"""How the environment's proxy and certificate variables apply to one address, checked before the first call.

Clients read these variables by themselves, each in its own way, and fail at the first call or at construction, with
an error that names no variable. Here they are read once: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and
``NO_PROXY`` as curl does (lower case wins), and ``SSL_CERT_FILE``, ``SSL_CERT_DIR``, ``REQUESTS_CA_BUNDLE`` and
``CURL_CA_BUNDLE`` in this order. As in Go and in browsers, an address on this machine never goes through a proxy.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
import ssl
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness.addresses import without_secrets
from harness.errors import raise_if_any

PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SCHEMES = ("http", "https", "socks5", "socks5h")
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
_EXPECTED = "expected http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT"


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What a client of one address uses: its ``proxy``, if any, and ``context`` where certificates are named."""

    proxy: str | None = None
    context: ssl.SSLContext | None = None


def network(url: str, environ: Mapping[str, str]) -> NetworkSettings:
    """The proxy and certificates for ``url``.

    Raises `ConfigurationError` that names each variable that cannot be used, even one that ``url`` would not need: it
    was set by mistake.
    """
    problems = [
        f"{name}={without_secrets(value)!r}: {fault}; {_EXPECTED}. Correct the variable or unset it."
        for name in PROXIES
        if (value := _variable(name, environ)) and (fault := _proxy_fault(value))
    ]
    problems += [
        f"{name}={environ[name]!r}: {fault}. Correct the variable or unset it."
        for name in CERTIFICATES
        if environ.get(name) and (fault := _certificate_fault(name, environ[name]))
    ]
    raise_if_any(problems)
    proxy = _proxy_for(url, environ)
    if proxy and proxy.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise_if_any(
            [
                f"{_named(urlsplit(url).scheme, environ)}={without_secrets(proxy)!r}: a SOCKS proxy needs the package "
                "'socksio'. Install it with: pip install socksio; or except this address with NO_PROXY="
                f"{urlsplit(url).hostname}."
            ]
        )
    return NetworkSettings(proxy, _context(environ))


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.endswith(".localhost")


# Proxies


def _variable(name: str, environ: Mapping[str, str]) -> str:
    """Lower case wins, and set to nothing it means none."""
    return environ.get(name.lower(), environ.get(name, "")).strip()


def _named(scheme: str, environ: Mapping[str, str]) -> str:
    return next(
        (name for name in (f"{scheme.upper()}_PROXY", "ALL_PROXY") if _variable(name, environ)), "ALL_PROXY"
    )


def _proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if is_loopback(host) or _excepted(host, port, _variable("NO_PROXY", environ)):
        return None
    value = _variable(_named(parts.scheme, environ), environ)
    if not value and sys.platform == "darwin" and environ is os.environ:  # the system's settings
        value = "" if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get(parts.scheme, "")
    return _with_scheme(value) if value else None


def _with_scheme(value: str) -> str:
    return value if "://" in value else f"http://{value}"


def _proxy_fault(value: str) -> str:
    """What is wrong with it; empty when nothing is."""
    if not value.isprintable() or " " in value:
        return "it contains a space or a control character"
    try:
        parts = urlsplit(_with_scheme(value))
        port = parts.port
    except ValueError:  # its text may show a part of a password
        return "its host or its port is malformed"
    if parts.scheme not in _SCHEMES:
        return f"unknown scheme {parts.scheme!r}"
    if not parts.hostname:
        return "no host"
    return "no port" if port is None and "://" not in value else ""


def _excepted(host: str, port: int, exceptions: str) -> bool:
    """Whether ``NO_PROXY`` names the host. Unreadable entries are ignored."""
    return any(_matches(entry, host.lower().rstrip("."), port) for entry in re.split(r"[,\s]+", exceptions))


def _matches(entry: str, host: str, port: int) -> bool:
    entry = re.sub(r"^\w+://", "", entry.lower()).strip()
    found = re.fullmatch(r"(\[[0-9a-f:.]+\]|[^:]*):(\d+)", entry)
    if found:
        entry = found[1]
        if int(found[2]) != port:
            return False
    entry = entry.strip("[]")
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        name = entry.removeprefix("*").strip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))


# Certificates


def _context(environ: Mapping[str, str]) -> ssl.SSLContext | None:
    """As the first variable that is set says; ``None`` without any: the system's certificates."""
    value = next((environ[name] for name in CERTIFICATES if environ.get(name)), None)
    return None if value is None else _load(value)


def _load(value: str) -> ssl.SSLContext:
    if all(Path(folder).is_dir() for folder in value.split(os.pathsep)):
        return ssl.create_default_context(capath=value)
    return ssl.create_default_context(cafile=value)


def _certificate_fault(name: str, value: str) -> str:
    folders = value.split(os.pathsep) if name == "SSL_CERT_DIR" else []
    missing = next((path for path in folders or [value] if not Path(path).exists()), None)
    if missing is not None:
        return f"no such {'folder' if folders else 'file'}"
    if folders and not all(Path(folder).is_dir() for folder in folders):
        return "not a folder"
    if name == "SSL_CERT_FILE" and Path(value).is_dir():
        return "a folder; expected a file of certificates in PEM format"
    if folders and not any(_hashed(folders)):
        return "no certificates named as OpenSSL looks for them; expected names such as 1a2b3c4d.0 (openssl rehash)"
    try:
        _load(value)
    except (OSError, ssl.SSLError) as error:
        return f"not certificates in PEM format ({error})"
    return ""


def _hashed(folders: list[str]) -> Iterator[bool]:
    for folder in folders:
        try:
            yield any(_HASHED.fullmatch(entry.name) for entry in Path(folder).iterdir())
        except OSError:
            yield False
