"""Log lines: one event, one line, nothing secret.

1. A line is JSON, or words with every value as JSON: a newline or an escape sequence in a value stays a value (D02).
2. Of an exception only its classes and our places in the code are written, and the message only if it is one of
   ``errors.HfitError``: a driver's message may hold a row, a path or a password (H10).
3. As a second net, what is shaped like a token, a key or a password in a URL is cut from every text.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii
from types import TracebackType
from typing import TextIO, cast

from hfitd.errors import HfitError
from hfitd.observe.answers import Answer

_request_id: ContextVar[str] = ContextVar("hfitd_request_id", default="")
_job_id: ContextVar[str] = ContextVar("hfitd_job_id", default="")

_SECRET_SHAPES = re.compile(
    r"eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"  # a JSON web token
    r"|-----BEGIN [A-Z ]*(?:PRIVATE KEY|SSH SIGNATURE)-----(?s:.)*?(?:-----END [A-Z ]*-----|$)"
    r"|(?i:\bbearer)\s+[^\s\"',]+"
    r"|(?<=://)[^/\s\"'@]*:[^/\s\"'@]*(?=@)"  # user:password@
    r"|(?i:(?<=password=)|(?<=passwd=)|(?<=secret=)|(?<=token=)|(?<=pwd=))[^\s&\"',;]+"
)
_SUSPECT = ("eyj", "-----begin", "bearer", "://", "=", "\\u")
_HIDDEN = "[hidden]"
_PLACELESS: Mapping[str, object] = {
    **dict.fromkeys(("pathname", "filename", "module", "funcName", "processName", "threadName"), ""),
    **dict.fromkeys(("thread", "process", "taskName", "exc_info", "exc_text", "stack_info")),
    "lineno": 0,
    "args": (),
}
_SAMPLE_TIME, _SAMPLE_ID, _SAMPLE_SECONDS, _SAMPLE_SIZE = 0.0, "0f1e2d3c4b5a6978", 0.0123456789, 12345678901234
_MAX_CAUSES = 8
_MAX_FRAMES = 30


class RequestContext:
    """Names the request (and job) in every line written inside, also by tasks started inside."""

    __slots__ = ("_job_id", "_job_token", "_request_id", "_request_token")

    def __init__(self, request_id: str, job_id: str = "") -> None:
        self._request_id, self._job_id = request_id, job_id

    def __enter__(self) -> None:
        self._request_token, self._job_token = _request_id.set(self._request_id), _job_id.set(self._job_id)

    def __exit__(self, *error: object) -> None:
        _request_id.reset(self._request_token)
        _job_id.reset(self._job_token)


def name_job(job_id: str) -> None:
    """Name the job in every further line of this task; inside ``RequestContext`` until that ends."""
    _job_id.set(job_id)


def current_request_id() -> str:
    """The id that ``RequestContext`` set, or an empty text."""
    return _request_id.get()


def current_job_id() -> str:
    """The id of the job, or an empty text."""
    return _job_id.get()


def hide_secrets(text: str) -> str:
    """The text without anything shaped like a token, a private key or a password in a URL."""
    return _SECRET_SHAPES.sub(_HIDDEN, text)  # 3


def describe_error(error: BaseException) -> list[str]:
    """The chain of causes as lines ``Class: place < place``, without what their messages may hold."""
    lines: list[str] = []
    current: BaseException | None = error
    seen: set[int] = set()
    while current is not None and id(current) not in seen and len(lines) < _MAX_CAUSES:
        seen.add(id(current))
        message = f" ({current.message})" if isinstance(current, HfitError) else ""  # 2
        lines.append(f"{type(current).__qualname__}{message}: {_places(current.__traceback__)}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return lines


def _places(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace, limit=-_MAX_FRAMES)
    names = [f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno} {frame.name}" for frame in reversed(frames)]
    return " < ".join(names) or "no trace"


class EventRecord(logging.LogRecord):
    """What ``LineFormatter`` needs to know of an event. What else a record has, such as a place in the code, is the
    same for all of them; finding it out would take longer than the line."""

    def __init__(self, name: str, level: int, event: str, fields: Mapping[str, object]) -> None:
        self.__dict__.update(_PLACELESS)
        self.name, self.msg, self.fields = name, event, fields
        self.levelno, self.levelname = level, logging.getLevelName(level)
        self.created = time.time()
        self.msecs, self.relativeCreated = self.created % 1 * 1000, 0.0


class AnswersRecord(EventRecord):
    """Several events of answers to one ``kind`` of request: method, route, status. They become a line each."""

    def __init__(
        self, name: str, level: int, event: str, kind: tuple[str, str, int], answers: Sequence[Answer]
    ) -> None:
        method, route, status = kind
        sample = {"request_id": _SAMPLE_ID, "job_id": "", "method": method, "route": route, "status": status}
        super().__init__(name, level, event, {**sample, "seconds": _SAMPLE_SECONDS, "size": _SAMPLE_SIZE})
        self.kind, self.answers, self.created = kind, answers, _SAMPLE_TIME


class LineFormatter(logging.Formatter):
    """Makes one line of a record: ``json`` for machines, ``text`` for people."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self._as_json = style == "json"
        self._encode = json.JSONEncoder(default=str).encode
        self._patterns: dict[tuple[str, str, int], str] = {}

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter; ``record.fields`` are the fields of an event."""
        return self._answers(record) if isinstance(record, AnswersRecord) else self._line(record)

    def _answers(self, record: AnswersRecord) -> str:
        """What is the same in all these lines is put together, and searched for secrets, once; the rest is numbers."""
        pattern = self._patterns.get(record.kind)
        if pattern is None:
            pattern = self._line(record).replace("%", "%%")
            for sample in (_time_of(_SAMPLE_TIME), _SAMPLE_ID, repr(_SAMPLE_SECONDS), str(_SAMPLE_SIZE)):
                pattern = pattern.replace(sample, "%s", 1)
            self._patterns[record.kind] = pattern
        return "\n".join([pattern % (_time_of(at), name, repr(took), size) for at, name, took, size in record.answers])

    def _line(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": _time_of(record.created),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if record.name != "hfitd":
            fields["logger"] = record.name
        fields |= {"request_id": _request_id.get(), "job_id": _job_id.get()}
        fields |= cast(Mapping[str, object], getattr(record, "fields", {}))
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            fields["error"] = describe_error(error)
        said = {key: value for key, value in fields.items() if value is not None and value != ""}
        line = self._as_line(said)
        if not _is_suspect(line):
            return line
        return self._as_line({key: _hide(value) for key, value in said.items()})

    def _as_line(self, fields: Mapping[str, object]) -> str:
        if self._as_json:
            return "{" + ", ".join([f'"{key}": {self._value(value)}' for key, value in fields.items()]) + "}"  # 1
        head = f"{fields['time']} {fields['level']:<8} {_as_word(fields['event'])}"
        rest = [f"{key}={_as_word(value)}" for key, value in fields.items() if key not in ("time", "level", "event")]
        return " ".join((head, *rest))


    def _value(self, value: object) -> str:
        """A value as ``json`` writes it, the plain ones without its detours."""
        kind = type(value)
        if kind is str:
            return encode_basestring_ascii(cast(str, value))
        plain = kind is int or (kind is float and math.isfinite(cast(float, value)))
        return repr(value) if plain else self._encode(value)


def _time_of(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _is_suspect(line: str) -> bool:
    """Whether a line may hold what has to be hidden: something of what every such shape begins with, or a letter that
    only looks like one of theirs. Most lines do not, and the searches would be half of what they cost."""
    lowered = line.lower()
    return any(word in lowered for word in _SUSPECT)


def _hide(value: object) -> object:
    if isinstance(value, str):
        return hide_secrets(value)
    return [_hide(item) for item in value] if isinstance(value, list | tuple) else value


def _as_word(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_.:@/+-]+", value):
        return value
    return json.dumps(value, default=str)  # 1


def configure_logging(level: str, style: str, stream: TextIO | None = None) -> None:
    """Send everything that is logged in this process to ``stream`` (default stderr), one line each.

    ``level`` is a name of logging in lower case; ``style`` is "json" or "text". Called once, by ``app``.
    """
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(LineFormatter(style))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)  # libraries
    logging.getLogger("hfitd").setLevel(level.upper())
