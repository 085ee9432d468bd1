"""Request bodies: text becomes a checked value here, unknown keys are refused, sizes are capped by the route."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web
from marshmallow import RAISE, Schema, ValidationError, fields, validate

from hfitd.config.fields import Duration, Size
from hfitd.errors import BadRequest, TooLarge, UnsupportedMedia
from hfitd.web.context import BODY_SECONDS

MAX_DEPTH = 16
LAST_WORDS_SECONDS = 1.0  # for the refusal of a slow body to leave, before its connection is closed (H01)


class Body(Schema):
    """A JSON object with exactly these keys."""

    class Meta:
        """Unknown keys are mistakes, not extensions."""

        unknown = RAISE


class ChallengeBody(Body):
    """``POST /auth/challenge``."""

    email = fields.String(required=True, validate=validate.Length(max=320))


class LoginBody(Body):
    """``POST /auth/login``."""

    email = fields.String(required=True, validate=validate.Length(max=320))
    nonce = fields.String(required=True, validate=validate.Length(max=64))
    public_key = fields.String(required=True, validate=validate.Length(max=8192))
    signature = fields.String(required=True, validate=validate.Length(max=8192))


class PlanBody(Body):
    """``POST /packplan``."""

    template_name = fields.String(required=True, validate=validate.Length(max=400))
    parameters = fields.Raw(load_default=dict)
    prepare = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class DownloadBody(Body):
    """``POST /packdownload``."""

    template_name = fields.String(required=True, validate=validate.Length(max=400))
    parameters = fields.Raw(load_default=dict)
    compression = fields.String(load_default="gzip", validate=validate.OneOf(["gzip", "zstd", "none"]))
    refresh = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class ApproveBody(Body):
    """``POST /packtmpl/{name}/approve``; without a body everything as it is now, for thirty days."""

    template_digest = fields.String(validate=validate.Length(max=64))
    plan_digest = fields.String(validate=validate.Length(max=64))
    allow = fields.List(fields.String(validate=validate.Length(max=2000)), validate=validate.Length(max=100))
    max_rows = fields.Integer(strict=True, validate=validate.Range(min=1, max=2**53))
    max_bytes = Size()
    duration = Duration()
    roles = fields.List(fields.String(validate=validate.Length(max=64)), validate=validate.Length(max=100))
    reason = fields.String(validate=validate.Length(max=1000))


class ReasonBody(Body):
    """Why something is decided."""

    reason = fields.String(load_default="", validate=validate.Length(max=1000))


class AccessBody(Body):
    """``POST /requests``."""

    name = fields.String(required=True, validate=validate.Length(min=1, max=100))
    reason = fields.String(required=True, validate=validate.Length(max=1000))
    duration = Duration()
    ticket = fields.String(load_default="", validate=validate.Length(max=1000))
    break_glass = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class GrantBody(Body):
    """``POST /requests/{id}/approve``."""

    reason = fields.String(load_default="", validate=validate.Length(max=1000))
    duration = Duration()


class ReviewBody(Body):
    """``POST /requests/{id}/review``."""

    note = fields.String(required=True, validate=validate.Length(max=1000))


async def read_optional(request: web.Request, schema: type[Schema], max_bytes: int) -> dict[str, Any]:
    """As ``read_json``, but no body at all is an empty object."""
    if not request.can_read_body:
        empty: dict[str, Any] = schema().load({})
        return empty
    return await read_json(request, schema, max_bytes)


async def read_json(request: web.Request, schema: type[Schema], max_bytes: int) -> dict[str, Any]:
    """The body as a checked object; every wrong field is named, no value is echoed."""
    if request.content_type != "application/json":
        raise UnsupportedMedia("Send the body as application/json.")
    raw = await read_bytes(request, max_bytes)
    try:
        value = json.loads(raw, parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is not valid JSON.") from error
    if not isinstance(value, dict) or _depth(value) > MAX_DEPTH:
        raise BadRequest("The body has to be a JSON object, not deeply nested.")
    try:
        loaded: dict[str, Any] = schema().load(value)
    except ValidationError as error:
        raise BadRequest("These fields are wrong: " + ", ".join(sorted(map(str, error.messages_dict))) + ".") from error
    return loaded


async def read_bytes(request: web.Request, max_bytes: int) -> bytes:
    """The whole body; TooLarge once it passes the limit, whatever its headers said; BadRequest when it is slow."""
    if request.content_length is not None and request.content_length > max_bytes:
        raise TooLarge(f"The body is larger than {max_bytes} bytes.")
    seconds = request.config_dict[BODY_SECONDS]
    try:
        async with asyncio.timeout(seconds):
            return await _read_all(request, max_bytes)
    except TimeoutError as error:
        request.protocol.close()
        if request.transport is not None:  # or the server would wait for the rest of the body
            asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, request.transport.close)
        raise BadRequest(f"The body did not arrive within {seconds:g} seconds.") from error


async def _read_all(request: web.Request, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_chunked(65536):
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"The body is larger than {max_bytes} bytes.")
        parts.append(chunk)
    return b"".join(parts)


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands twice")
    return document


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        nested = [item for item in level if isinstance(item, dict | list)]
        level = [child for item in nested for child in (item.values() if isinstance(item, dict) else item)]
    return depth
