"""Logging in: which key, the exchange of challenge and signature, and the token that comes of it.

The exchange is the one of contract 8.5; what is signed is composed in ``credentials.login_text``. A token is kept only
after the server's package keys have passed the pins, so a server with a changed key gets no further.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hfit.credentials.agent import AgentSigner, agent_signers
from hfit.credentials.keys import AskPassphrase, Signer, load_key_file
from hfit.credentials.login_text import check_claimed_origin, check_email, check_nonce, login_text
from hfit.credentials.pins import learn_keys, parse_offered_keys
from hfit.credentials.ssh_wire import PublicKey, parse_public_key_line
from hfit.credentials.sshsig import LOGIN_NAMESPACE, build_signature
from hfit.credentials.token_file import StoredToken, save_token
from hfit.errors import AnswerMalformed, AuthenticationFailed, HfitClientError, KeyUnusable

MAX_TRIED_KEYS = 3
MAX_TOKEN_CHARACTERS = 16_384
DEFAULT_KEY_NAMES = ("id_ed25519", "id_ecdsa", "id_rsa")

Post = Callable[[str, Mapping[str, object]], Mapping[str, object]]
"""Sends a JSON document to a route without a token and gives back the JSON answer."""


@dataclass(frozen=True, slots=True)
class LoginResult:
    """A login that worked: the token, which key got it, and which package keys were pinned by it."""

    token: StoredToken
    key_origin: str
    learned: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """Who logs in where, and with what. ``fingerprint`` restricts the keys to the one that got the last token."""

    origin: str
    email: str
    config_dir: Path
    private_key_path: Path | None
    ask_passphrase: AskPassphrase
    fingerprint: str = ""


def log_in(request: LoginRequest, post: Post) -> LoginResult:
    """Try the usable keys in order, at most three, and store the token. Raises AuthenticationFailed or KeyUntrusted."""
    check_email(request.email)
    with agent_signers() as agent:
        return _try_keys(request, _candidates(request, agent), post)


def _try_keys(request: LoginRequest, signers: Iterator[Signer], post: Post) -> LoginResult:
    refused: AuthenticationFailed | None = None
    tried = []
    for signer in signers:
        try:
            answer = _exchange(request, signer, post)
        except AuthenticationFailed as error:
            if error.status is None:  # ours, not the server's word on this key
                raise
            refused = error
            tried.append(f"{signer.public_key.fingerprint} ({signer.origin})")
            if len(tried) == MAX_TRIED_KEYS:
                break
            continue
        return _accept(request, signer, answer)
    if refused is None:
        raise _no_key(request)
    raise AuthenticationFailed(
        f"{request.origin} refused the login of {request.email}.",
        reason=f"Tried: {', '.join(tried)}.",
        suggestions=[
            "Check the address with: hfit config show",
            "Have the key added there: hfitd user add EMAIL KEYFILE",
        ],
        status=refused.status,
    ) from refused


def _exchange(request: LoginRequest, signer: Signer, post: Post) -> Mapping[str, object]:
    challenge = post("/auth/challenge", {"email": request.email})
    check_claimed_origin(request.origin, challenge.get("origin"))
    nonce = check_nonce(challenge.get("nonce"))
    text = login_text(request.origin, request.email, signer.public_key, nonce)
    signature = build_signature(text, LOGIN_NAMESPACE, signer.public_key, signer.sign)
    public_key = signer.public_key.line
    return post(
        "/auth/login", {"email": request.email, "nonce": nonce, "public_key": public_key, "signature": signature}
    )


def _accept(request: LoginRequest, signer: Signer, answer: Mapping[str, object]) -> LoginResult:
    token, lifetime = answer.get("token"), answer.get("expires_in")
    printable = isinstance(token, str) and token.isascii() and token.isprintable() and " " not in token
    if not printable or not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
        raise AnswerMalformed("The server's answer to the login holds no usable token.")
    if not isinstance(lifetime, int | float) or lifetime <= 0:
        raise AnswerMalformed("The server's answer to the login does not say how long the token lasts.")
    learned = learn_keys(request.config_dir, request.origin, parse_offered_keys(answer.get("package_keys") or []))
    stored = StoredToken(
        request.origin,
        request.email,
        token,
        time.time() + float(lifetime),
        signer.public_key.fingerprint,
        str(request.private_key_path.absolute()) if request.private_key_path else "",
    )
    save_token(request.config_dir, stored)
    return LoginResult(stored, signer.origin, learned)


def _candidates(request: LoginRequest, agent: tuple[AgentSigner, ...]) -> Iterator[Signer]:
    """Keys worth trying. The agent comes first, because it needs no passphrase; files are opened only when reached."""
    if request.private_key_path is not None:
        yield _named(request.private_key_path, agent, request.ask_passphrase)
        return
    yield from (signer for signer in agent if _wanted(signer.public_key, request.fingerprint))
    offered = {signer.public_key for signer in agent}
    for name in DEFAULT_KEY_NAMES:
        path = Path.home() / ".ssh" / name
        public = _public_half(path)
        if not path.exists() or public in offered or (public and not _wanted(public, request.fingerprint)):
            continue
        signer = load_key_file(path, request.ask_passphrase)
        if _wanted(signer.public_key, request.fingerprint):
            yield signer


def _named(path: Path, agent: tuple[AgentSigner, ...], ask_passphrase: AskPassphrase) -> Signer:
    """The key the user named: the agent's copy when it holds it, else the file."""
    public = _public_half(path)
    held = next((signer for signer in agent if public is not None and signer.public_key == public), None)
    if held is not None:
        return held
    if path.suffix == ".pub":
        raise KeyUnusable(
            f"ssh-agent does not hold the key of {path}.",
            suggestions=[f"Add it: ssh-add {path.with_suffix('')}", "or name the private key itself."],
        )
    return load_key_file(path, ask_passphrase)


def _public_half(path: Path) -> PublicKey | None:
    public = path if path.suffix == ".pub" else path.with_name(path.name + ".pub")
    with contextlib.suppress(OSError, ValueError):
        return parse_public_key_line(public.read_text("utf-8"))
    return None


def _wanted(key: PublicKey, fingerprint: str) -> bool:
    return not fingerprint or key.fingerprint == fingerprint


def _no_key(request: LoginRequest) -> HfitClientError:
    if request.fingerprint:
        return AuthenticationFailed(
            "The token has run out, and the key that got it is not at hand.",
            reason=f"It was {request.fingerprint}.",
            suggestions=["Run: hfit login"],
        )
    return KeyUnusable(
        "There is no SSH key to log in with.",
        reason="ssh-agent holds none, and ~/.ssh has no id_ed25519, id_ecdsa or id_rsa.",
        suggestions=["Name one with --private-key PATH, or make one: ssh-keygen -t ed25519"],
    )
