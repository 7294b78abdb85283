"""Proxy and certificate variables: what they mean for an address, and what is wrong with them."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.endpoint import FakeEndpoint

from harness.errors import ConfigurationError
from harness.gateway.calls import CallSite, Request
from harness.gateway.environment import network
from harness.gateway.gateway import Gateway
from harness.gateway.providers import make_provider

HTTPS, HTTP = "https://api.example.com/v1", "http://llm.example.com:8080/v1"
PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        (HTTPS, {}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY}, PROXY),
        (HTTPS, {"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, PROXY),
        (HTTPS, {"https_proxy": "", "HTTPS_PROXY": PROXY}, None),
        (HTTPS, {"HTTP_PROXY": PROXY}, None),
        (HTTP, {"HTTP_PROXY": PROXY}, PROXY),
        (HTTP, {"ALL_PROXY": PROXY}, PROXY),
        (HTTPS, {"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
        (HTTPS, {"HTTPS_PROXY": " http://proxy.example:3128\n"}, PROXY),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "other.org, example.com"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": ".example.com"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "*.example.com"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "no_proxy": "API.example.com:443"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "api.example.com:80"}, PROXY),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "ample.com"}, PROXY),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "::1,[::1],10.0.0.0/8,:,,%,*.*,a:b:c"}, PROXY),
        ("http://10.1.2.3/v1", {"HTTP_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, None),
        ("http://10.1.2.3/v1", {"HTTP_PROXY": PROXY, "NO_PROXY": "10.1.2.3"}, None),
        ("http://[fd00::1]/v1", {"HTTP_PROXY": PROXY, "NO_PROXY": "[fd00::1]"}, None),
        ("http://localhost:11434/v1", {"ALL_PROXY": PROXY}, None),
        ("http://127.0.0.1:8000/v1", {"HTTP_PROXY": PROXY}, None),
        ("http://[::1]:8000/v1", {"ALL_PROXY": "socks5://127.0.0.1:1080"}, None),
    ],
)
def test_which_proxy_an_address_is_reached_through(
    url: str, environ: Mapping[str, str], proxy: str | None
) -> None:
    assert network(url, environ).proxy == proxy


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"HTTP_PROXY": "foo"}, "HTTP_PROXY='foo': no port; expected http://HOST:PORT"),
        ({"HTTPS_PROXY": "ftp://proxy:21"}, "HTTPS_PROXY='ftp://proxy:21': unknown scheme 'ftp'"),
        ({"https_proxy": "htp://proxy:21"}, "HTTPS_PROXY='htp://proxy:21': unknown scheme 'htp'"),
        (
            {"ALL_PROXY": "http://proxy:99999"},
            "ALL_PROXY='http://proxy:99999': its host or its port is malformed",
        ),
        ({"ALL_PROXY": "http://proxy:port"}, "ALL_PROXY="),
        ({"ALL_PROXY": "http://"}, "ALL_PROXY='http://': no host"),
        ({"ALL_PROXY": "http://[::1"}, "ALL_PROXY="),
        ({"HTTP_PROXY": "http://a b:1"}, "a space or a control character"),
        ({"HTTP_PROXY": "http://a\x1b[2J:1"}, "a space or a control character"),
        (
            {"ALL_PROXY": "socks5://proxy:1080"},
            "ALL_PROXY='socks5://proxy:1080': a SOCKS proxy needs the package",
        ),
        ({"SSL_CERT_FILE": "/nowhere/ca.pem"}, "SSL_CERT_FILE='/nowhere/ca.pem': no such file"),
        ({"SSL_CERT_DIR": "/nowhere"}, "SSL_CERT_DIR='/nowhere': no such folder"),
        ({"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"}, "REQUESTS_CA_BUNDLE='/nowhere/ca.pem': no such file"),
        ({"CURL_CA_BUNDLE": "/nowhere/ca.pem"}, "CURL_CA_BUNDLE="),
    ],
)
@pytest.mark.parametrize("name", ["openai:m", "anthropic:m", "openrouter:m"])
def test_a_variable_that_cannot_be_used_is_named_before_anything_is_sent(
    name: str, environ: Mapping[str, str], said: str
) -> None:
    keys = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "OPENROUTER_API_KEY": "k"}
    with pytest.raises(ConfigurationError) as caught:
        make_provider(name, seed=0, environ=keys | environ)
    assert said in str(caught.value) and len(caught.value.problems) == 1
    assert str(caught.value).isprintable()


def test_a_password_in_a_proxy_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        network(HTTPS, {"HTTPS_PROXY": "http://me:hidden-password@proxy:99999"})
    assert "hidden" not in str(caught.value)


def test_rehearsal_needs_no_network_and_minds_no_variable() -> None:
    provider = make_provider("rehearsal", seed=0, environ={"HTTP_PROXY": "foo", "SSL_CERT_FILE": "/nowhere"})
    assert provider.name == "rehearsal"


@pytest.mark.parametrize(
    "content", ["", "not a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_file_that_is_not_certificates_is_named(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=f"{name}='{path}': not certificates in PEM format"):
        network(HTTPS, {name: str(path)})


def test_files_and_folders_that_are_in_each_others_place_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for environ, said in (
        ({"SSL_CERT_DIR": str(tmp_path / "file")}, "not a folder"),
        ({"SSL_CERT_DIR": str(tmp_path)}, "no certificates named as OpenSSL looks for them"),
        ({"SSL_CERT_FILE": str(tmp_path)}, "a folder; expected a file"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            network(HTTPS, environ)


def test_certificates_of_either_kind_are_used() -> None:
    paths = ssl.get_default_verify_paths()
    found = [
        path for path in (paths.cafile, "/etc/ssl/certs/ca-certificates.crt") if path and Path(path).is_file()
    ]
    if not found:
        pytest.skip("this machine has no file of certificates")
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        context = network(HTTPS, {name: found[0]}).context
        assert context is not None and context.get_ca_certs()
    assert network(HTTPS, {}).context is None


@given(
    st.dictionaries(
        st.sampled_from(["HTTP_PROXY", "NO_PROXY", "ALL_PROXY", "no_proxy"]), st.text(max_size=20)
    )
)
def test_no_value_raises_anything_else(environ: dict[str, str]) -> None:
    try:
        network(HTTP, environ)
    except ConfigurationError as error:
        assert all("_PROXY=" in problem for problem in error.problems)


@contextmanager
def a_proxy(seen: list[str]) -> Iterator[str]:
    class Proxy(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_POST(self) -> None:
            seen.append(self.path)
            self.send_error(418)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def call(url: str, environ: Mapping[str, str]) -> str:
    async def main() -> str:
        gateway = Gateway(make_provider("openai:m", seed=0, base_url=url, environ=environ))
        try:
            request = Request([{"role": "user", "content": "x"}])
            return (await gateway.open_trial("t").complete(request, CallSite("act"))).text
        except Exception as error:
            return str(error)
        finally:
            await gateway.aclose()

    return asyncio.run(main())


def test_calls_go_through_the_proxy_and_those_to_this_machine_do_not() -> None:
    seen: list[str] = []
    with a_proxy(seen) as proxy, FakeEndpoint() as endpoint:
        environ = {"OPENAI_API_KEY": "k", "HTTP_PROXY": proxy, "ALL_PROXY": proxy}
        assert call(endpoint.url, environ) == "pong 0" and seen == []
        assert "HTTP 418" in call("http://llm.example.invalid/v1", environ)
        assert seen == ["http://llm.example.invalid/v1/chat/completions"]


def test_a_proxy_where_nobody_listens_is_named() -> None:
    said = call("http://llm.example.invalid/v1", {"OPENAI_API_KEY": "k", "HTTP_PROXY": "http://127.0.0.1:9"})
    assert "no connection (Connection refused), through the proxy http://127.0.0.1:9" in said
