"""What a person would check by hand when ``hfit`` does not work: settings, server, clock, key, token, pins.

Every check says what it found and, when that is not well, what to do. Nothing is changed, nobody is logged in, and no
passphrase is asked for.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from hfit.credentials.agent import agent_signers
from hfit.credentials.keys import load_key_file
from hfit.credentials.pins import parse_offered_keys, read_pins
from hfit.credentials.token_file import StoredToken, read_token, token_path
from hfit.errors import HfitClientError
from hfit.session import DEFAULT_KEY_NAMES
from hfit.settings import Settings
from hfit.text import visible
from hfit.transport import Transport, parse_origin
from hfit.version import VERSION

CLOCK_SECONDS = 60  # what the server forgives, contract security 5.2
OK, WARN, FAIL = "ok", "warning", "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, how it is, in words, and what to do about it."""

    check: str
    state: str  # OK | WARN | FAIL
    words: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class _Heard:
    status: int
    headers: Mapping[str, str]
    document: Mapping[str, object]


def examine(settings: Settings) -> Iterator[Finding]:
    """All checks in the order in which they build on one another; those that cannot be made are left out."""
    url = settings.get("server-url")
    if not url:
        yield Finding("server", FAIL, "No server is set.", "Run: hfit config set server-url https://hfit.example.com")
    else:
        yield from _look_at_server(settings)
    token = read_token(settings.config_dir, str(parse_origin(url))) if url else None
    yield from _look_at_person(settings.get("email") or (token.email if token else None))
    yield from _look_at_keys(settings.get("private-key-path") or (token.key_path if token else None))
    if url:
        yield _look_at_token(settings, token)


def _look_at_server(settings: Settings) -> Iterator[Finding]:
    warnings: list[str] = []
    try:
        transport = Transport(
            parse_origin(settings.server_url),
            timeout_seconds=settings.timeout_seconds,
            verify_tls=settings.verify_tls,
            warn=warnings.append,
        )
        heard = _ask(transport, "/version")
    except HfitClientError as error:
        yield _failed("server", error)
        return
    yield from (Finding("connection", WARN, text, "Use https and a certificate that can be checked.")
                for text in warnings)  # fmt: skip
    version = heard.document.get("version")
    if heard.status != 200 or not isinstance(version, str):
        yield Finding("server", FAIL, f"{transport.origin} answers, but it is no hfitd.", "Check server-url.")
        return
    yield Finding("server", OK, f"{transport.origin} answers: hfitd {visible(version, limit=40)}.")
    yield _compare_versions(version)
    yield _compare_clocks(heard.headers)
    with contextlib.suppress(HfitClientError):
        yield from _look_at_readiness(_ask(transport, "/ready").document)
    with contextlib.suppress(HfitClientError):
        yield _look_at_pins(settings, str(transport.origin), _ask(transport, "/api/v1/package-keys").document)


def _ask(transport: Transport, path: str) -> _Heard:
    with transport.exchange("GET", path, headers={"Accept": "application/json"}) as response:
        try:
            document = json.loads(response.read())
        except (ValueError, RecursionError):
            document = None
        return _Heard(response.status, response.headers, document if isinstance(document, Mapping) else {})


def _compare_versions(server: str) -> Finding:
    mine, theirs = VERSION.split(".")[:2], server.split(".")[:2]
    if mine == theirs:
        return Finding("versions", OK, f"hfit {VERSION} fits it.")
    words = f"hfit {VERSION} and hfitd {visible(server, limit=40)} differ."
    return Finding("versions", WARN, words, "Install the hfit of the server's version if something is refused.")


def _compare_clocks(headers: Mapping[str, str]) -> Finding:
    try:
        away = parsedate_to_datetime(headers.get("date", "")).timestamp() - time.time()
    except ValueError:
        return Finding("clock", WARN, "The server does not say what time it is.", "A proxy before it may be the cause.")
    if abs(away) > CLOCK_SECONDS:
        words = f"This clock and the server's are {abs(away):.0f} seconds apart."
        return Finding("clock", FAIL, words, "Set the clock (timedatectl set-ntp true); tokens depend on it.")
    return Finding("clock", OK, "This clock and the server's agree.")


def _look_at_readiness(document: Mapping[str, object]) -> Iterator[Finding]:
    for part in ("store", "audit"):
        if document.get(part) != "ok":
            yield Finding(part, FAIL, f"The server's {part} cannot be used.", "Tell whoever runs the server.")
    providers = document.get("providers")
    silent = [name for name, state in providers.items() if state != "ok"] if isinstance(providers, Mapping) else []
    if silent:
        names = visible(", ".join(sorted(map(str, silent))), limit=400)
        yield Finding("providers", WARN, f"These do not answer the server: {names}.", "Others can be used.")


def _look_at_pins(settings: Settings, origin: str, document: Mapping[str, object]) -> Finding:
    try:
        pinned = {pin.key for pin in read_pins(settings.config_dir) if pin.origin == origin}
        offered = parse_offered_keys(document.get("keys"))
    except HfitClientError as error:
        return _failed("package key", error)
    current = next((offer.key for offer in offered if offer.current), None)
    if not pinned:
        return Finding("package key", WARN, "No package key of this server is known here.", "Run: hfit login")
    if current in pinned:
        return Finding("package key", OK, f"Packages are signed by {current.fingerprint}, which is pinned.")
    shown = "none" if current is None else current.fingerprint
    words = f"The server signs with {shown}; that key is not pinned."
    return Finding("package key", WARN, words, "Run: hfit login, which takes it if a pinned key endorses it.")


def _look_at_person(email: str | None) -> Iterator[Finding]:
    if email:
        yield Finding("e-mail", OK, f"You are {visible(email, limit=200)}.")
    else:
        yield Finding("e-mail", FAIL, "No e-mail address is set.", "Run: hfit config set email you@example.com")


def _look_at_keys(named: str | None) -> Iterator[Finding]:
    with agent_signers() as signers:
        held = [signer.public_key for signer in signers]
    if held:
        yield Finding("ssh-agent", OK, f"It holds {len(held)} usable key{'s' if len(held) > 1 else ''}.")
    paths = [Path(named)] if named else [Path.home() / ".ssh" / name for name in DEFAULT_KEY_NAMES]
    found = [path for path in paths if named or path.exists()]
    yield from (_look_at_key(path, bool(held)) for path in found)
    if not found and not held:
        yield Finding("key", FAIL, "There is no SSH key to log in with.", "Make one: ssh-keygen -t ed25519")


def _look_at_key(path: Path, agent: bool) -> Finding:
    locked: list[str] = []

    def ask(label: str) -> None:
        locked.append(label)

    try:
        signer = load_key_file(path, ask)
    except HfitClientError as error:
        if locked:
            advice = "" if agent else f"Add it to ssh-agent (ssh-add {path}) to be asked once only."
            return Finding("key", OK if agent else WARN, f"{path} needs its passphrase.", advice)
        return _failed("key", error)
    return Finding("key", OK, f"{path} is {signer.public_key.fingerprint}.")


def _look_at_token(settings: Settings, token: StoredToken | None) -> Finding:
    if token is None:
        there = token_path(settings.config_dir).exists()
        other = "The token kept here is not for this server, or others could read it."
        return Finding("token", WARN, other if there else "You are not logged in.", "Run: hfit login")
    if token.is_fresh():
        return Finding("token", OK, f"Logged in as {visible(token.email, limit=200)}.")
    return Finding("token", OK, "The token has run out; the next command renews it with the same key.")


def _failed(check: str, error: HfitClientError) -> Finding:
    words = f"{error.message} {error.reason}".strip()
    return Finding(check, FAIL, visible(words, limit=600), visible(next(iter(error.suggestions), ""), limit=300))
