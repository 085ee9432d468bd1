"""Every error the daemon raises on purpose, as one tree.

    HfitError
    |- NotFound                    404  NOT_FOUND          also for what the caller may not see
    |- AuthenticationError         401  AUTHENTICATION     AuthFailed, TokenInvalid
    |- PermissionDenied            403  PERMISSION_DENIED  Forbidden, ExportRefused, ColumnUnclassified,
    |                                                      ApprovalRequired, ResidueFound
    |- ValidationFailed            400  VALIDATION_ERROR   BadRequest, SqlRefused, SqlTooComplex,
    |                                                      FilterOnMasked, PathRefused, MethodNotAllowed (405),
    |                                                      Conflict (409), TooLarge (413),
    |                                                      UnsupportedMedia (415), RangeInvalid (416),
    |                                                      TemplateInvalid, ParamInvalid, PrepareNoRow,
    |                                                      CostRefused, MaskDoesNotFit, FileNotMaskable,
    |                                                      LimitExceeded (422)
    |- RateLimited                 429  RATE_LIMIT
    |- Unavailable                 503  CONNECTION         Busy, DbUnavailable, LoginRefused,
    |                                                      StoreUnavailable, AuditUnavailable, ShuttingDown
    |- QueryTimeout                504  TIMEOUT
    |- Internal                    500  INTERNAL_ERROR     SourceChanged, SchemaChanged
    |- ConfigError                 never on the wire: what is wrong with config.toml, all of it at once
    |- StartRefused                never on the wire: why the daemon does not start
    `- AdminRefused                never on the wire: what the daemon answered an admin verb

The wire code of an error is its class name in UPPER_SNAKE case. A message helps the caller and never
holds SQL, a value, a host, a path of the server or a secret; the cause (``raise ... from``) is for the log.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class HfitError(Exception):
    """An error with a place in the tree.

    ``message`` is for the caller; ``resource`` names what it is about, as the caller wrote it;
    ``suggestions`` say what to do next; ``retry_after_seconds`` becomes the ``Retry-After`` header.
    """

    category: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500

    def __init__(
        self,
        message: str = "",
        *,
        resource: str | None = None,
        suggestions: Sequence[str] = (),
        retry_after_seconds: int | None = None,
    ) -> None:
        self.message = message or (type(self).__doc__ or "").split("\n", 1)[0]
        self.resource = resource
        self.suggestions = tuple(suggestions)
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.message)

    @property
    def code(self) -> str:
        """The wire code: ``SqlTooComplex`` is ``SQL_TOO_COMPLEX``."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).upper()


class NotFound(HfitError):
    """There is nothing here by that name."""

    category, status = "NOT_FOUND", 404


class AuthenticationError(HfitError):
    """The caller is not known."""

    category, status = "AUTHENTICATION", 401


class AuthFailed(AuthenticationError):
    """Login failed."""


class TokenInvalid(AuthenticationError):
    """The token is not valid; log in again."""


class PermissionDenied(HfitError):
    """The caller may not do this."""

    category, status = "PERMISSION_DENIED", 403


class Forbidden(PermissionDenied):
    """You have no right to do this."""


class ExportRefused(PermissionDenied):
    """An export names something that does not exist or is not granted to you."""


class ColumnUnclassified(PermissionDenied):
    """A column that looks personal has no class yet; the data owner has to give it one."""


class ApprovalRequired(PermissionDenied):
    """This template has to be approved before it can run."""


class ResidueFound(PermissionDenied):
    """The finished package held raw values of masked columns or personal text, so it was refused."""


class ValidationFailed(HfitError):
    """The request is not valid."""

    category, status = "VALIDATION_ERROR", 400


class BadRequest(ValidationFailed):
    """The request is malformed."""


class SqlRefused(ValidationFailed):
    """This SQL is not in the allowed language."""


class SqlTooComplex(ValidationFailed):
    """This SQL is too long, too deeply nested, or has too many columns."""


class FilterOnMasked(ValidationFailed):
    """A masked column cannot be used in a filter or an order."""


class PathRefused(ValidationFailed):
    """This path is not allowed."""


class MethodNotAllowed(ValidationFailed):
    """This method is not allowed here."""

    status = 405


class Conflict(ValidationFailed):
    """It exists already or was changed meanwhile."""

    status = 409


class TooLarge(ValidationFailed):
    """It is larger than allowed."""

    status = 413


class UnsupportedMedia(ValidationFailed):
    """This content type or content encoding is not accepted."""

    status = 415


class RangeInvalid(ValidationFailed):
    """This range cannot be served."""

    status = 416


class TemplateInvalid(ValidationFailed):
    """The template is not valid."""

    status = 422


class ParamInvalid(ValidationFailed):
    """A parameter is missing or has a value of another type."""

    status = 422


class PrepareNoRow(ValidationFailed):
    """A prepare step needs exactly one row or file and found another number."""

    status = 422


class CostRefused(ValidationFailed):
    """The database expects this query to cost more than the provider allows."""

    status = 422


class MaskDoesNotFit(ValidationFailed):
    """A mask cannot produce values that its column can hold."""

    status = 422


class FileNotMaskable(ValidationFailed):
    """A file has parts to be masked and is not of the form that its mask rule says."""

    status = 422


class LimitExceeded(ValidationFailed):
    """The result passes a limit; nothing was cut off."""

    status = 422


class RateLimited(HfitError):
    """Too many requests.

    ``resource`` names the quota; ``limit`` is how much of it there is.
    """

    category, status = "RATE_LIMIT", 429

    def __init__(
        self,
        message: str = "",
        *,
        resource: str | None = None,
        suggestions: Sequence[str] = (),
        retry_after_seconds: int | None = None,
        limit: int = 0,
    ) -> None:
        self.limit = limit
        super().__init__(
            message, resource=resource, suggestions=suggestions, retry_after_seconds=retry_after_seconds
        )


class Unavailable(HfitError):
    """Something this needs is not available now."""

    category, status = "CONNECTION", 503


class Busy(Unavailable):
    """Every place for this work is taken; try again shortly."""


class DbUnavailable(Unavailable):
    """The database of this provider does not answer."""

    conflict = False  # the server ended the snapshot for needs of its own: the same read may begin anew


class LoginRefused(Unavailable):
    """The database refuses the login of this provider."""


class StoreUnavailable(Unavailable):
    """The store of the gateway does not answer."""


class AuditUnavailable(Unavailable):
    """The audit log cannot be written, so no data is given out."""


class ShuttingDown(Unavailable):
    """This instance is shutting down; try again."""


class QueryTimeout(HfitError):
    """The query took longer than the provider allows."""

    category, status = "TIMEOUT", 504


class Internal(HfitError):
    """Something went wrong on the server; the request id finds it in the log."""


class SourceChanged(Internal):
    """A file changed while it was read."""


class SchemaChanged(Internal):
    """A table changed while it was read."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in a file that a person wrote: where (dotted key, pointer or variable) and what."""

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


class ConfigError(HfitError):
    """The configuration is not valid. ``mistakes`` holds every one, in the order of the file's sections."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class StartRefused(HfitError):
    """The daemon does not start. ``reasons`` holds every one, a line each."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("\n".join(self.reasons))


class AdminRefused(HfitError):
    """The daemon refused an admin command with ``wire_code``."""

    def __init__(self, message: str, wire_code: str, suggestions: Sequence[str]) -> None:
        super().__init__(message, suggestions=suggestions)
        self.wire_code = wire_code
