"""Every error the client raises on purpose, as one tree, with the exit code each becomes.

    HfitClientError                 1
    |- UsageMistake                 2   wrong option, value, file or template; the server's VALIDATION_ERROR
    |- AuthenticationFailed         1   login refused, key unusable; the server's AUTHENTICATION
    |  |- KeyUnusable               1
    |  `- PassphraseWrong           1
    |- NetworkFailed                1   no connection, broken connection, a server that breaks the protocol
    |  |- RedirectRefused           1
    |  `- AnswerMalformed           1
    |- RateLimited                  1   the server's RATE_LIMIT
    |- TargetBusy                   1   another program works on the same target
    |- LoadFailed                   1   the target database refused a statement or a row
    |- ServerFailed                 3   the server's CONNECTION, TIMEOUT, INTERNAL_ERROR
    |- NotFound                     4   the server's NOT_FOUND; a local path that does not exist
    |- IntegrityFailed              5
    |  |- PackageIncomplete         5   cut short
    |  |- PackageInvalid            5   altered, or not as the format says
    |  |- KeyUntrusted              5   signed by a key that is neither pinned nor given
    |  |- DigestMismatch            5
    |  `- TargetDiffers             5   the loaded database is not what the package says
    `- PolicyRefused                6   the server's PERMISSION_DENIED; a local guard
       |- TargetOccupied            6
       |- TargetRefused             6   a guard of the loader: wrong host, wrong engine, rows that may not be touched
       `- PackageExpired            6

Every error has three parts: what happened (``message``), why (``reason``), what to do next (``suggestions``).
A test walks this tree and the table of statuses.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar


class HfitClientError(Exception):
    """Something failed that a user can understand; ``exit_code`` is what ``hfit`` ends with."""

    exit_code: ClassVar[int] = 1
    category: ClassVar[str] = "CLIENT_ERROR"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        suggestions: Sequence[str] = (),
        resource: str | None = None,
        status: int | None = None,
        body: Mapping[str, object] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.message = message
        self.reason = reason
        self.suggestions = tuple(suggestions)
        self.resource = resource
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.server_body = dict(body) if body else None
        super().__init__(message)

    @property
    def code(self) -> str:
        """The wire code the server gave, else the class name in UPPER_SNAKE case."""
        if self.server_body and isinstance(self.server_body.get("code"), str):
            return str(self.server_body["code"])
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).upper()

    def document(self) -> dict[str, object]:
        """The error body of the HTTP contract: the server's own if there is one, else one of the same shape."""
        if self.server_body:
            return self.server_body
        return {
            "category": self.category,
            "code": self.code,
            "message": " ".join(part for part in (self.message, self.reason) if part),
            "resource": self.resource,
            "suggestions": list(self.suggestions),
            "timestamp": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "request_id": None,
        }


class UsageMistake(HfitClientError):
    """The command, a file or a value is not as it has to be."""

    exit_code = 2
    category = "VALIDATION_ERROR"


class AuthenticationFailed(HfitClientError):
    """The server does not know this user or key."""

    category = "AUTHENTICATION"


class KeyUnusable(AuthenticationFailed):
    """A private key cannot be used: format, size, permissions, or no key at all."""


class PassphraseWrong(AuthenticationFailed):
    """The passphrase does not open the private key, or there was none to try."""


class NetworkFailed(HfitClientError):
    """No connection, or it broke."""

    category = "CONNECTION"


class RedirectRefused(NetworkFailed):
    """The server sent us elsewhere; a token is never carried to another address."""


class AnswerMalformed(NetworkFailed):
    """The answer is not what the protocol allows."""


class RateLimited(HfitClientError):
    """Too many requests."""

    category = "RATE_LIMIT"


class TargetBusy(HfitClientError):
    """Another program holds a lock of this target."""

    category = "CONFLICT"


class LoadFailed(HfitClientError):
    """The target database refused a statement or a row; the message says what is left in it."""

    category = "LOAD"


class ServerFailed(HfitClientError):
    """The server could not do it."""

    exit_code = 3
    category = "INTERNAL_ERROR"


class NotFound(HfitClientError):
    """There is nothing by that name, or it may not be seen."""

    exit_code = 4
    category = "NOT_FOUND"


class IntegrityFailed(HfitClientError):
    """Bytes are not what they have to be."""

    exit_code = 5
    category = "INTEGRITY"


class PackageIncomplete(IntegrityFailed):
    """The package ends too early."""


class PackageInvalid(IntegrityFailed):
    """The package was altered or is not made as the format says."""


class KeyUntrusted(IntegrityFailed):
    """The signature is by a key that nobody vouched for."""


class DigestMismatch(IntegrityFailed):
    """What arrived has another digest than what was announced."""


class TargetDiffers(IntegrityFailed):
    """A table of the target does not hold what the package says."""


class PolicyRefused(HfitClientError):
    """A rule forbids it."""

    exit_code = 6
    category = "PERMISSION_DENIED"


class TargetOccupied(PolicyRefused):
    """Something that is not ours stands where the package should go."""


class TargetRefused(PolicyRefused):
    """The target may not be loaded into like this; nothing was changed."""


class PackageExpired(PolicyRefused):
    """The package's time is over."""


_BY_CATEGORY: Mapping[str, type[HfitClientError]] = {
    "NOT_FOUND": NotFound,
    "AUTHENTICATION": AuthenticationFailed,
    "PERMISSION_DENIED": PolicyRefused,
    "VALIDATION_ERROR": UsageMistake,
    "RATE_LIMIT": RateLimited,
    "CONNECTION": ServerFailed,
    "TIMEOUT": ServerFailed,
    "INTERNAL_ERROR": ServerFailed,
}

_BY_STATUS: Mapping[int, type[HfitClientError]] = {
    401: AuthenticationFailed,
    403: PolicyRefused,
    404: NotFound,
    429: RateLimited,
}


def error_class(status: int, category: object = None) -> type[HfitClientError]:
    """The class for an HTTP status; a category of the contract that fits the status wins over the bare number."""
    if isinstance(category, str) and category in _BY_CATEGORY:
        return _BY_CATEGORY[category]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return UsageMistake
    return ServerFailed if status >= 500 else AnswerMalformed
