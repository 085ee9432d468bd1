"""What the client refuses from a server: redirects, floods, lies, plain http, bad certificates."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import HTTPServer
from pathlib import Path

import pytest

from hfit.client import Client
from hfit.errors import (
    AnswerMalformed,
    AuthenticationFailed,
    DigestMismatch,
    HfitClientError,
    NetworkFailed,
    NotFound,
    PolicyRefused,
    RateLimited,
    ServerFailed,
    UsageMistake,
)
from hfit.patience import gives_up
from hfit.streams import checked_lines, split_lines
from hfit.transport import Transport, parse_origin
from tests.hfit.conftest import Hfit
from tests.live.certificates import Certificates, make_certificates
from tests.support.fake_hfitd import FakeHfitd, Handler


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Gateway.Test", "https://gateway.test"),
        ("HTTPS://gateway.test:443/", "https://gateway.test"),
        ("https://gateway.test:8443", "https://gateway.test:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[0:0:0:0:0:0:0:1]:8080", "http://[::1]:8080"),
        ("https://b\u00fccher.test", "https://xn--bcher-kva.test"),
    ],
)
def test_an_origin_is_normalised(url: str, origin: str) -> None:
    assert str(parse_origin(url)) == origin


@pytest.mark.parametrize(
    "url",
    ["", "gateway", "ftp://x", "file:///etc", "https://", "https://u:p@x", "https://x/path", "https://x?q", "https://x#f",
     "https://x:99999", "https://x y", "https://x\\y", "http://[::1%25eth0]"],
)  # fmt: skip
def test_what_is_no_server_url_is_refused(url: str) -> None:
    with pytest.raises(UsageMistake):
        parse_origin(url)


def transport(url: str, *, verify: bool = True, timeout: float = 5) -> tuple[Transport, list[str]]:
    warned: list[str] = []
    return Transport(parse_origin(url), timeout_seconds=timeout, verify_tls=verify, warn=warned.append), warned


def test_c09_plain_http_is_for_this_machine_and_insecure_warns_every_time() -> None:
    for loopback in ("http://localhost:1", "http://127.9.9.9:1", "http://[::1]:1"):
        assert transport(loopback)[1] == []
    with pytest.raises(UsageMistake, match="plain http"):
        transport("http://gateway.test")
    for url in ("http://gateway.test", "https://gateway.test"):
        for _ in range(2):
            assert len(transport(url, verify=False)[1]) == 1


@contextmanager
def serving_tls(certificates: Certificates, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> Iterator[str]:
    """A server with this certificate that speaks up to this version and no newer one."""

    class Quiet(HTTPServer):
        def handle_error(self, *_: object) -> None:
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    server.fake = FakeHfitd()  # type: ignore[attr-defined]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what is tested
        context.minimum_version = min(version, ssl.TLSVersion.TLSv1_2)
        context.maximum_version = version
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        server.fake._server.server_close()  # type: ignore[attr-defined]
        thread.join()


@pytest.fixture
def tls_server(certificates: Certificates) -> Iterator[str]:
    """A server with a certificate of an authority that this machine does not know."""
    with serving_tls(certificates) as url:
        yield url


@pytest.mark.parametrize(
    ("flaw", "words"),
    [("expired", "certificate"), ("another name", "certificate"), ("TLS 1.1", "No secure connection")],
)
def test_c09_a_bad_certificate_or_an_old_version_is_refused(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flaw: str, words: str
) -> None:
    made, version = certificates, ssl.TLSVersion.TLSv1_2
    if flaw == "expired":
        made = make_certificates(tmp_path, days=-1)
    elif flaw == "another name":
        made = make_certificates(tmp_path, host="gateway.test", address="127.0.0.2")
    else:
        version = ssl.TLSVersion.TLSv1_1
    monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))  # so that nothing but the flaw can be the reason
    with serving_tls(made, version) as url:
        strict, _ = transport(url)
        with pytest.raises(NetworkFailed, match=words):
            strict.exchange("GET", "/api/v1/auth/whoami")


def test_c09_an_unknown_certificate_is_refused_unless_insecure(
    tls_server: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict, _ = transport(tls_server)
    with pytest.raises(NetworkFailed, match="not valid"):
        strict.exchange("GET", "/api/v1/auth/whoami")
    loose, warned = transport(tls_server, verify=False)
    with loose.exchange("GET", "/api/v1/auth/whoami") as response:
        assert response.status == 401
    assert "could be anybody" in warned[0]
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    with strict.exchange("GET", "/api/v1/auth/whoami") as response:
        assert response.status == 401


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["https://evil.test/x", "http://127.0.0.1:9/x", "file:///etc/passwd", "//evil.test"])
def test_c07_no_redirect_is_followed(logged_in: FakeHfitd, hfit: Hfit, status: int, target: str) -> None:
    logged_in.hooks["GET", "/db/dbmss"] = lambda h: h.send(status, b"", Location=target)
    before = len(logged_in.requests)
    ended = hfit("dbmss")
    assert ended.code == 1
    assert target in ended.err
    assert logged_in.origin in ended.err
    assert len(logged_in.requests) == before + 1
    logged_in.hooks["POST", "/auth/login"] = lambda h: h.send(status, b"", Location=target)
    assert hfit("login").code == 1


def client() -> Client:
    return Client(timeout_seconds=1)


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for _ in range(1000):
        handler.chunk(b" " * 65536)


def short(handler: Handler) -> None:
    handler.send(200, b'["a"]', Content_Length="500")
    handler.hang_up()


def long(handler: Handler) -> None:
    handler.send(200, b'["a"], and more', Content_Length="4")


def dribble(handler: Handler) -> None:
    for _ in range(100):
        handler.wfile.write(b"H")
        handler.wfile.flush()
        if handler.server.fake.finished.wait(0.1):  # type: ignore[attr-defined]
            return


def dribble_body(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    dribble(handler)


def until_close(handler: Handler) -> None:
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n["a"]')
    handler.hang_up()


LIES: dict[str, Callable[[Handler], None]] = {
    "an endless body": endless,
    "fewer bytes than announced": short,
    "more bytes than announced": long,
    "a header a second": dribble,
    "a body a byte a second": dribble_body,
    "no end mark": until_close,
    "gzip that nobody asked for": lambda h: h.send(200, b"\x1f\x8b", Content_Encoding="gzip"),
    "deep JSON": lambda h: h.send(200, b"[" * 100_000),
    "no JSON": lambda h: h.send(200, b"<html>"),
    "another shape": lambda h: h.json({"names": []}),
    "other values": lambda h: h.json([1, 2]),
    "too many headers": lambda h: h.send(200, b"[]", **{f"X{i}": "y" for i in range(200)}),
    "no HTTP": lambda h: (h.wfile.write(b"SSH-2.0-x\r\n"), h.hang_up())[1],
    "nothing": lambda h: h.hang_up(),
}


@pytest.mark.parametrize("lie", LIES)
def test_c11_a_lying_server_ends_in_a_clear_error(logged_in: FakeHfitd, lie: str) -> None:
    logged_in.finished = threading.Event()  # type: ignore[attr-defined]
    logged_in.hooks["GET", "/db/dbmss"] = LIES[lie]
    with pytest.raises(NetworkFailed):
        client().dbmss()
    logged_in.finished.set()  # type: ignore[attr-defined]


def test_c11_a_long_line_is_refused() -> None:
    with pytest.raises(AnswerMalformed):
        list(split_lines(iter([b"x" * (1 << 20)] * 40)))


def test_r03_a_stream_without_its_end_or_with_other_rows_is_refused() -> None:
    end = b'{"_end":{"rows":2,"sha256":"%s"}}\n'
    import hashlib

    good = [b'{"a":1}\n', b'{"_end":2}\n', end % hashlib.sha256(b'{"a":1}\n{"_end":2}\n').hexdigest().encode()]
    assert list(checked_lines(iter(good), end_required=True)) == good[:2]
    for bad, error in (
        (good[:2], AnswerMalformed),
        (good[:1], AnswerMalformed),
        ([], AnswerMalformed),
        (good[1:], DigestMismatch),
        ([good[0], b'{"_end":3}\n', good[2]], DigestMismatch),
        ([*good[:2], end % b"0"], DigestMismatch),
        ([*good[:2], b'{"_end":7}\n'], AnswerMalformed),
    ):
        with pytest.raises(error):
            list(checked_lines(iter(bad), end_required=True))
    with pytest.raises(AnswerMalformed, match="cut short"):
        list(split_lines(iter([b'{"a":1}\n{"a"'])))


ERRORS = [
    (400, "VALIDATION_ERROR", UsageMistake, 2),
    (401, "AUTHENTICATION", AuthenticationFailed, 1),
    (403, "PERMISSION_DENIED", PolicyRefused, 6),
    (404, "NOT_FOUND", NotFound, 4),
    (409, "VALIDATION_ERROR", UsageMistake, 2),
    (413, "VALIDATION_ERROR", UsageMistake, 2),
    (422, "VALIDATION_ERROR", UsageMistake, 2),
    (429, "RATE_LIMIT", RateLimited, 1),
    (500, "INTERNAL_ERROR", ServerFailed, 3),
    (503, "CONNECTION", ServerFailed, 3),
    (504, "TIMEOUT", ServerFailed, 3),
]


@pytest.mark.parametrize(("status", "category", "kind", "code"), ERRORS)
def test_each_status_has_its_error_and_exit_code(
    logged_in: FakeHfitd, hfit: Hfit, status: int, category: str, kind: type[HfitClientError], code: int
) -> None:
    logged_in.hooks["GET", "/db/dbmss"] = lambda h: h.error(status, category, "SOME_CODE", "Words of the server.")
    with pytest.raises(kind):
        Client().dbmss()
    ended = hfit("dbmss")
    assert ended.code == code
    assert ended.out == ""
    why = f"Why:  {kind.usual_reason} Code SOME_CODE, request r1."
    for part in ("Error: Words of the server.", why, "Next: Do this."):
        assert part in ended.err
    body = json.loads(hfit("--json", "dbmss").err)
    assert (body["category"], body["code"], body["request_id"]) == (category, "SOME_CODE", "r1")
    logged_in.hooks["GET", "/db/dbmss"] = lambda h: h.send(status, b"<html>proxy</html>")
    assert hfit("dbmss").code == code


def test_a_busy_server_is_asked_again_when_it_says_when(logged_in: FakeHfitd, hfit: Hfit) -> None:
    answers = [1, 1]

    def busy(handler: Handler) -> None:
        if answers:
            answers.pop()
            handler.error(503, "CONNECTION", "BUSY", "Every place is taken.", Retry_After="0")
        else:
            handler.json(["shop"])

    logged_in.hooks["GET", "/db/dbmss"] = busy
    assert json.loads(hfit("dbmss").out) == ["shop"]
    for header in ({}, {"Retry_After": "3600"}, {"Retry_After": "soon"}):
        logged_in.hooks["GET", "/db/dbmss"] = lambda h, x=header: h.error(503, "CONNECTION", "BUSY", "Busy.", **x)
        before = len(logged_in.requests)
        assert hfit("dbmss").code == 3
        assert len(logged_in.requests) == before + 1
    logged_in.hooks["POST", "/packtmpl"] = lambda h: h.error(503, "CONNECTION", "BUSY", "Busy.", Retry_After="0")
    before = len(logged_in.requests)
    with pytest.raises(ServerFailed):
        Client().create_template(b"templateName: x\n")
    assert len(logged_in.requests) == before + 1  # a change is not repeated


def test_a_package_is_waited_for_longer_and_the_person_is_told(logged_in: FakeHfitd) -> None:
    refusals, told = ["BUSY", "STORE_UNAVAILABLE", "BUSY", "STORE_UNAVAILABLE"], list[str]()

    def busy(handler: Handler) -> None:
        if refusals:
            handler.error(503, "CONNECTION", refusals.pop(), "Every place is taken.", Retry_After="0")
        else:
            handler.json({"here": "it is"})

    logged_in.hooks["POST", "/packdownload"] = busy
    with Client(warn=told.append).open_package("case") as answer:
        assert answer.status == 200
    assert told == ["Every place is taken. Asking again in 2 s."]


@pytest.mark.parametrize(
    ("attempt", "waited", "package", "expected"),
    [(3, 500.0, False, False), (4, 0.0, False, True), (40, 90.0, True, False), (5, 90.5, True, True)],
)
def test_patience_has_an_end(attempt: int, waited: float, package: bool, expected: bool) -> None:
    assert gives_up(attempt, waited, package=package) is expected


def test_no_server_is_a_network_error(hfit: Hfit, fake: FakeHfitd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFIT_SERVER_URL", "http://127.0.0.1:9")
    ended = hfit("login")
    assert (ended.code, "does not answer" in ended.err) == (1, True)


def test_names_become_one_path_segment(logged_in: FakeHfitd) -> None:
    Client().tables("shop", "a/b c?d#\u00e9")
    assert logged_in.requests[-1][1] == "/db/shop/a/b c?d#\u00e9/tables"
    for bad in ("", ".", ".."):
        with pytest.raises(UsageMistake):
            Client().tables("shop", bad)


def test_the_head_of_rows_says_whether_a_table_exists(logged_in: FakeHfitd) -> None:
    assert Client().table_exists("shop", "main", "public.customer")
    assert not Client().table_exists("shop", "main", "public.none")


def test_the_public_client_is_loaded_when_it_is_asked_for() -> None:
    program = (
        "import hfit, sys; assert 'http.client' not in sys.modules; from hfit import Client; print(Client.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "Client\n"
