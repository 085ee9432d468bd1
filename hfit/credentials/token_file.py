"""The stored access token: one file, mode 0600, bound to the server that issued it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from hfit.credentials.private_files import read_private, write_private

MAX_TOKEN_FILE_BYTES = 65_536
RENEW_BEFORE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token with what is needed to renew it: whose it is, where it counts, which key got it.

    ``key_path`` is the absolute path of the key file that was named at login, or empty."""

    origin: str
    email: str
    token: str
    expires_at: float  # unix seconds on this machine's clock
    fingerprint: str
    key_path: str = ""

    def __repr__(self) -> str:
        return f"StoredToken(origin={self.origin!r}, email={self.email!r}, token=<hidden>)"

    def is_fresh(self, now: float | None = None) -> bool:
        """Whether it lasts for at least another short call."""
        return self.expires_at - RENEW_BEFORE_SECONDS > (time.time() if now is None else now)


def token_path(config_dir: Path) -> Path:
    """Where the token lies."""
    return config_dir / "token"


def save_token(config_dir: Path, token: StoredToken) -> None:
    """Write the token atomically, mode 0600."""
    write_private(token_path(config_dir), json.dumps(asdict(token)).encode() + b"\n")


def read_token(config_dir: Path, origin: str) -> StoredToken | None:
    """The token for ``origin``; None when there is none, it is for another server, damaged or open to others."""
    data = read_private(token_path(config_dir), MAX_TOKEN_FILE_BYTES)
    if data is None:
        return None
    try:
        fields = json.loads(data)
        token = StoredToken(
            origin=str(fields["origin"]),
            email=str(fields["email"]),
            token=str(fields["token"]),
            expires_at=float(fields["expires_at"]),
            fingerprint=str(fields["fingerprint"]),
            key_path=str(fields.get("key_path", "")),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return token if token.origin == origin else None


def forget_token(config_dir: Path) -> None:
    """Remove the token."""
    token_path(config_dir).unlink(missing_ok=True)
