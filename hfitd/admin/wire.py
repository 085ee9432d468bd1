"""The language of the admin socket: one JSON object a line, one answer a line.

Request ``{"command": "user.add", "arguments": {...}}``; answer ``{"result": ...}`` or ``{"error": {...}}`` with the
code, message and suggestions of the error. A line is at most 64 KiB.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from hfitd.errors import AdminRefused, BadRequest, HfitError, Unavailable
from hfitd.model import Json

MAX_LINE = 64 * 1024
TIMEOUT_SECONDS = 30.0


def parse_request(line: bytes) -> tuple[str, Mapping[str, Json]]:
    """Command and arguments; BadRequest for anything else."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRequest("An admin command is one JSON object a line.") from error
    if not isinstance(document, dict) or set(document) != {"command", "arguments"}:
        raise BadRequest("An admin command has exactly `command` and `arguments`.")
    command, arguments = document["command"], document["arguments"]
    if not isinstance(command, str) or not isinstance(arguments, dict):
        raise BadRequest("An admin command has exactly `command` and `arguments`.")
    return command, arguments


def error_document(error: HfitError) -> dict[str, Json]:
    """An error as the socket answers it."""
    return {"error": {"code": error.code, "message": error.message, "suggestions": list(error.suggestions)}}


def ask_daemon(
    path: Path, command: str, arguments: Mapping[str, Json], timeout_seconds: float = TIMEOUT_SECONDS
) -> Json:
    """Send one command and return its result; Unavailable when nobody listens, AdminRefused when it is refused."""
    line = json.dumps({"command": command, "arguments": arguments}).encode() + b"\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_seconds)
        try:
            connection.connect(str(path))
            connection.sendall(line)
            with connection.makefile("rb") as answers:
                answer = answers.readline()
        except OSError as error:
            raise Unavailable(
                "No daemon answers on the admin socket.",
                suggestions=("Start it with `hfitd serve`, or name its socket with --socket or --config.",),
            ) from error
    if not answer:
        raise Unavailable("The daemon closed the admin socket without an answer.")
    document = json.loads(answer)
    if "error" in document:
        refused = document["error"]
        raise AdminRefused(refused["message"], refused["code"], refused["suggestions"])
    result: Json = document["result"]
    return result
