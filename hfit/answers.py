"""What the server answers, as values or as typed errors; nothing of it is believed before its shape is checked."""

from __future__ import annotations

import json
from collections.abc import Mapping

from hfit.errors import AnswerMalformed, HfitClientError, error_class
from hfit.text import visible
from hfit.transport import Response

MAX_RETRY_AFTER_SECONDS = 30


def json_body(document: object) -> bytes:
    """A JSON request body."""
    return json.dumps(document).encode()


def malformed() -> AnswerMalformed:
    """The error for an answer of another shape."""
    return AnswerMalformed(
        "The server's answer is not what was asked for.",
        suggestions=["Check that the server URL is that of hfitd, and that client and server are of like age."],
    )


def json_value(data: bytes) -> object:
    """Parse JSON; AnswerMalformed also for nesting that no honest answer has."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise malformed() from error


def as_object(value: object) -> Mapping[str, object]:
    """The value as a JSON object, or AnswerMalformed."""
    if not isinstance(value, dict):
        raise malformed()
    return value


def json_object(data: bytes) -> Mapping[str, object]:
    """Parse a JSON object."""
    return as_object(json_value(data))


def json_objects(value: object) -> list[Mapping[str, object]]:
    """The value as a list of JSON objects, or AnswerMalformed."""
    if not isinstance(value, list):
        raise malformed()
    return [as_object(item) for item in value]


def retry_after(response: Response) -> float | None:
    """Seconds to wait, or None when the server did not say or asks for longer than a person would wait."""
    seconds = _seconds(response)
    return seconds if seconds is not None and seconds <= MAX_RETRY_AFTER_SECONDS else None


def _seconds(response: Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None


def server_error(response: Response) -> HfitClientError:
    """The typed error of an answer; an answer that is no error body still says its status. Closes the response."""
    with response:
        try:
            body = json_value(response.read())
        except HfitClientError:
            body = None
    fields = body if isinstance(body, dict) else {}
    message = fields.get("message")
    suggestions = fields.get("suggestions")
    parts = [f"Code {visible(fields['code'], limit=80)}"] if fields.get("code") else []
    parts += [f"about `{visible(fields['resource'], limit=200)}`"] if isinstance(fields.get("resource"), str) else []
    parts += [f"request {visible(fields['request_id'], limit=80)}"] if fields.get("request_id") else []
    return error_class(response.status, fields.get("category"))(
        message if isinstance(message, str) and message else f"The server answered with status {response.status}.",
        reason=", ".join(parts) + "." if parts else "",
        suggestions=[str(item) for item in suggestions] if isinstance(suggestions, list) else [],
        resource=str(fields["resource"]) if fields.get("resource") else None,
        status=response.status,
        body=fields if isinstance(message, str) else None,
        retry_after_seconds=_seconds(response),
    )
