"""Every error the client raises on purpose, as one tree, with the exit code each becomes.

    HfitClientError                 1
    |- UsageMistake                 2   wrong option, value, file or template; the server's VALIDATION_ERROR
    |- AuthenticationFailed         1   login refused, key unusable; the server's AUTHENTICATION
    |  |- KeyUnusable               1
    |  `- PassphraseWrong           1
    |- NetworkFailed                1   no connection, broken connection, a server that breaks the protocol
    |  |- ConnectionLost            1   it broke before the answer came
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

Every error has three parts: what happened (``message``), why (``reason``), what to do next (``suggestions``). Where a
place that raises has nothing better to say, the class does: ``usual_reason`` and ``usual_advice``. A test walks this
tree and the table of statuses.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar


class HfitClientError(Exception):
    """Something failed that a user can understand; ``exit_code`` is what ``hfit`` ends with."""

    exit_code: ClassVar[int] = 1
    category: ClassVar[str] = "CLIENT_ERROR"
    usual_reason: ClassVar[str] = "This machine or what it was asked to work on does not allow it."
    usual_advice: ClassVar[str] = "Run it again with -v to read more."

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
    def why(self) -> str:
        """The second part for a person: the reason, with what the class knows of it when the server named none."""
        if self.server_body:
            return f"{self.usual_reason} {self.reason}".strip()
        return self.reason or self.usual_reason

    @property
    def advice(self) -> tuple[str, ...]:
        """The third part for a person, never empty."""
        return self.suggestions or (self.usual_advice,)

    def suggest(self, *suggestions: str) -> None:
        """Say more of what to do next, before what is known already; for machines too."""
        self.suggestions = (*suggestions, *self.suggestions)
        if self.server_body is not None:
            self.server_body["suggestions"] = list(self.suggestions)

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
    usual_reason = "The command line, a file or a value is not as it has to be."
    usual_advice = "Compare it with --help of the command, or with its page of the documentation."


class AuthenticationFailed(HfitClientError):
    """The server does not know this user or key."""

    category = "AUTHENTICATION"
    usual_reason = "The server does not know you, your key or your token."
    usual_advice = "See what is wrong: hfit doctor"


class KeyUnusable(AuthenticationFailed):
    """A private key cannot be used: format, size, permissions, or no key at all."""

    usual_reason = "The private key cannot be used as it is."
    usual_advice = "See what is wrong: hfit doctor"


class PassphraseWrong(AuthenticationFailed):
    """The passphrase does not open the private key, or there was none to try."""

    usual_reason = "The passphrase does not open the private key."
    usual_advice = "Try again, or add the key to ssh-agent: ssh-add PATH"


class NetworkFailed(HfitClientError):
    """No connection, or it broke."""

    category = "CONNECTION"
    usual_reason = "There is no connection to the server, or it broke."
    usual_advice = "See what is wrong: hfit doctor"


class ConnectionLost(NetworkFailed):
    """The connection was made, and broke before the answer came."""


class RedirectRefused(NetworkFailed):
    """The server sent us elsewhere; a token is never carried to another address."""

    usual_reason = "A token is never carried to another address."
    usual_advice = "Set the address that the server really has: hfit config set server-url URL"


class AnswerMalformed(NetworkFailed):
    """The answer is not what the protocol allows."""

    usual_reason = "What answers is no hfitd, or one of another age."
    usual_advice = "See what is wrong: hfit doctor"


class RateLimited(HfitClientError):
    """Too many requests."""

    category = "RATE_LIMIT"
    usual_reason = "You asked more often than the server lets one person ask."
    usual_advice = "Wait a minute, then run it again."


class TargetBusy(HfitClientError):
    """Another program holds a lock of this target."""

    category = "CONFLICT"
    usual_reason = "Another program works on the same target."
    usual_advice = "Wait until it has ended, then run it again."


class LoadFailed(HfitClientError):
    """The target database refused a statement or a row; the message says what is left in it."""

    category = "LOAD"
    usual_reason = "The target database refused a statement or a row."
    usual_advice = "Load into an empty database, or see: hfit load --help"


class ServerFailed(HfitClientError):
    """The server could not do it."""

    exit_code = 3
    category = "INTERNAL_ERROR"
    usual_reason = "The server, or what stands behind it, could not do it."
    usual_advice = "Run it again later; tell whoever runs the server if it stays so."


class NotFound(HfitClientError):
    """There is nothing by that name, or it may not be seen."""

    exit_code = 4
    category = "NOT_FOUND"
    usual_reason = "It is not there, or you may not see it."
    usual_advice = "See what there is: hfit pkg-tmpl list, hfit dbmss, hfit volumes"


def nothing_here(message: str) -> NotFound:
    """NotFound of a path of this machine, where what the server lists is no help."""
    where = f"Look at the path; the current folder is {Path.cwd()}"
    return NotFound(message, reason="It is not on this machine.", suggestions=[where])


class IntegrityFailed(HfitClientError):
    """Bytes are not what they have to be."""

    exit_code = 5
    category = "INTEGRITY"
    usual_reason = "Bytes are not what they have to be."
    usual_advice = "Download it again; if it stays so, tell whoever runs the server."


class PackageIncomplete(IntegrityFailed):
    """The package ends too early."""

    usual_reason = "The package ends too early."
    usual_advice = "Download it again."


class PackageInvalid(IntegrityFailed):
    """The package was altered or is not made as the format says."""

    usual_reason = "The package was altered, or is not made as its format says."
    usual_advice = "Download it again; if it stays so, tell whoever runs the server."


class KeyUntrusted(IntegrityFailed):
    """The signature is by a key that nobody vouched for."""

    usual_reason = "Nobody vouched for the key that signed it."
    usual_advice = "Log in to its server (hfit login), or name its key: --key FILE|FINGERPRINT"


class DigestMismatch(IntegrityFailed):
    """What arrived has another digest than what was announced."""

    usual_reason = "What arrived is not what was announced."
    usual_advice = "Run it again; if it stays so, tell whoever runs the server."


class TargetDiffers(IntegrityFailed):
    """A table of the target does not hold what the package says."""

    usual_reason = "The database holds other rows than the package."
    usual_advice = "Load the package anew: hfit load PATH --into URL --mode replace"


class PolicyRefused(HfitClientError):
    """A rule forbids it."""

    exit_code = 6
    category = "PERMISSION_DENIED"
    usual_reason = "A rule of the server, or a guard of hfit, forbids it."
    usual_advice = "Ask the data owner, or for a role: hfit request NAME --reason TEXT"


class TargetOccupied(PolicyRefused):
    """Something that is not ours stands where the package should go."""

    usual_reason = "Something that is no unmodified package stands where the package should go."
    usual_advice = "Move it away, choose another place with -o, or replace it with --force."


class TargetRefused(PolicyRefused):
    """The target may not be loaded into like this; nothing was changed."""

    usual_reason = "A guard of the loader protects the target; nothing was changed."
    usual_advice = "See the modes and the --allow flags: hfit load --help"


class PackageExpired(PolicyRefused):
    """The package's time is over."""

    usual_reason = "Copies of data have an end; that of this package has come."
    usual_advice = "Download it again if you still need it; remove old ones: hfit purge"


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
