"""The text of an access token: a JWT (RFC 7519) of exactly one shape, read by the rules of RFC 8725.

1. At most 4 KiB, three parts of canonical unpadded base64url.
2. The header has ``alg``, ``typ`` and ``kid`` and nothing else, each once: no ``jwk``, ``jku``, ``x5u`` or ``crit`` is
   ever looked at (A03, A08). ``typ`` keeps tokens for other purposes out (A07).
3. ``kid`` is looked up in memory (A04); the signature is checked as EdDSA with that key and no other way (A01, A02).
4. Issuer and audience are this server's, compared whole (A06); all claims are there, each once, with whole numbers as
   times; 60 s of clock difference are accepted (A05).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import jwt

from hfitd.access.token_keys import SigningKey
from hfitd.errors import TokenInvalid

TOKEN_TYPE = "hfit-access+jwt"  # noqa: S105  a media type
LEEWAY_SECONDS = 60
_MAX_LENGTH = 4096
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_LAST_SECOND = 2**53


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. Times are whole seconds since 1970."""

    subject: str
    token_id: str
    key_fingerprint: str
    epoch: int
    issued_at: int
    expires_at: int


def write_token(key: SigningKey, origin: str, claims: Claims) -> str:
    """The signed token."""
    payload = {
        "iss": origin,
        "aud": audience_of(origin),
        "sub": claims.subject,
        "jti": claims.token_id,
        "key": claims.key_fingerprint,
        "epoch": claims.epoch,
        "iat": claims.issued_at,
        "exp": claims.expires_at,
    }
    return jwt.encode(payload, key.private, algorithm="EdDSA", headers={"kid": key.kid, "typ": TOKEN_TYPE})


def audience_of(origin: str) -> str:
    """Who a token is for: the API of this server."""
    return f"{origin}/api/v1"


def read_token(text: str, find: Callable[[str], SigningKey | None], origin: str, now: float) -> Claims:
    """The claims of a valid token; TokenInvalid for everything else, with the cause for the log alone."""
    try:
        key = _check_header(text, find)
        payload = jwt.PyJWS().decode(text, key.public, algorithms=["EdDSA"])  # 3
        claims = _check_claims(_read_object(payload), origin)
    except (ValueError, RecursionError, jwt.PyJWTError) as error:
        raise TokenInvalid() from error
    if not is_current(claims, now):  # 4
        raise TokenInvalid() from ValueError("expired, or issued in the future")
    return claims


def is_current(claims: Claims, now: float) -> bool:
    """Whether the token is neither expired nor from the future, give or take the leeway."""
    return claims.issued_at - LEEWAY_SECONDS <= now < claims.expires_at + LEEWAY_SECONDS


def _check_header(text: str, find: Callable[[str], SigningKey | None]) -> SigningKey:
    match = _SHAPE.fullmatch(text) if len(text) <= _MAX_LENGTH else None  # 1
    if match is None:
        raise ValueError("not three parts of base64url, or too long")
    header, _, _ = (_decode(part) for part in match.groups())
    fields = _read_object(header)
    if fields.keys() != {"alg", "typ", "kid"} or fields["alg"] != "EdDSA" or fields["typ"] != TOKEN_TYPE:  # 2
        raise ValueError("the header is not that of an access token")
    key = find(str(fields["kid"]))  # 3
    if key is None:
        raise ValueError("signed by an unknown key")
    return key


def _decode(part: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error as error:
        raise ValueError("a part is not base64url") from error
    if base64.urlsafe_b64encode(data).decode().rstrip("=") != part:
        raise ValueError("a part is not canonical base64url")
    return data


def _read_object(data: bytes) -> Mapping[str, object]:
    value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _no_float(text: str) -> object:
    raise ValueError("a number is not whole")


def _check_claims(fields: Mapping[str, object], origin: str) -> Claims:
    if fields.get("iss") != origin or fields.get("aud") != audience_of(origin):  # 4
        raise ValueError("issued by or for another server")
    if "nbf" in fields:
        raise ValueError("a claim that is never issued")
    texts = [fields.get(name) for name in ("sub", "jti", "key")]
    numbers = [fields.get(name) for name in ("epoch", "iat", "exp")]
    if not all(isinstance(value, str) and value for value in texts):
        raise ValueError("a claim is missing or no text")
    if not all(type(value) is int and 0 <= value <= _LAST_SECOND for value in numbers):
        raise ValueError("a claim is missing or no whole number")
    subject, token_id, fingerprint = cast(list[str], texts)
    epoch, issued, expires = cast(list[int], numbers)
    return Claims(subject, token_id, fingerprint, epoch, issued, expires)
