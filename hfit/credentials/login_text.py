"""What a login signs (security design 5.1). The client composes the text; a server only contributes the nonce.

1. ``origin`` is the address the user gave, normalised, so a signature made for one server is worth nothing at another.
2. The server must claim that same origin; otherwise one of both is not who it seems (A14, C08).
3. The nonce is exactly 32 bytes in canonical base64url, so that no other text can be smuggled in as a nonce (C08).
4. User and origin hold no control characters, so that no line can be added.
"""

from __future__ import annotations

import base64
import binascii
import re

from hfit.credentials.ssh_wire import PublicKey
from hfit.errors import AnswerMalformed, AuthenticationFailed, UsageMistake
from hfit.text import visible

NONCE_CHARACTERS = 43
MAX_EMAIL_CHARACTERS = 254
_EMAIL = re.compile(r"[^\s\x00-\x20\x7f-\xa0@]+@[^\s\x00-\x20\x7f-\xa0@]+")


def check_email(email: str) -> str:
    """Refuse what cannot be an address, above all line breaks (step 4)."""
    if len(email) > MAX_EMAIL_CHARACTERS or not _EMAIL.fullmatch(email):
        raise UsageMistake(
            f"'{visible(email, limit=80)}' is not an e-mail address.",
            suggestions=["Run: hfit config set email you@example.com"],
        )
    return email


def check_claimed_origin(ours: str, claimed: object) -> None:
    """The server must know itself by the address we used (step 2)."""
    if claimed != ours:
        raise AuthenticationFailed(
            "The server says it is another one; nothing was signed.",
            reason=f"You asked {ours}, it calls itself {visible(claimed, limit=200)}.",
            suggestions=[
                "If this is the right server, give its own address with --server-url,",
                "or have its operator correct server.origin.",
            ],
        )


def check_nonce(nonce: object) -> str:
    """Exactly 32 bytes, canonical base64url without padding (step 3)."""
    if isinstance(nonce, str) and len(nonce) == NONCE_CHARACTERS and nonce.isascii():
        try:
            raw = base64.b64decode(nonce + "=", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) == 32 and base64.urlsafe_b64encode(raw).decode().rstrip("=") == nonce:
            return nonce
    raise AnswerMalformed(
        "The server's login challenge is malformed; nothing was signed.",
        reason="A nonce is 32 bytes in base64url, 43 characters.",
        suggestions=["Check the server URL; if it is right, tell the server's operator."],
    )


def login_text(origin: str, email: str, key: PublicKey, nonce: str) -> bytes:
    """The text to sign, composed here and nowhere else."""
    lines = ("hfit-login-v1", f"origin={origin}", f"user={email}", f"key={key.fingerprint}", f"nonce={nonce}")
    return ("\n".join(lines) + "\n").encode()
