"""The arguments of admin verbs: what there may be, and how a verb takes them."""

from __future__ import annotations

from collections.abc import Mapping

from marshmallow import RAISE, Schema, ValidationError, fields

from hfitd.config.fields import Duration, Size
from hfitd.errors import BadRequest
from hfitd.model import Json


class Arguments(Schema):
    """Every argument of every verb; ``uid`` is not among them, the socket says it."""

    class Meta:
        """Unknown ones are mistakes."""

        unknown = RAISE

    email = fields.String()
    key = fields.String()
    fingerprint = fields.String()
    roles = fields.List(fields.String())
    kind = fields.String()
    object = fields.String()
    action = fields.String()
    provider = fields.String()
    database = fields.String()
    role = fields.String()
    new = fields.Boolean(truthy={True}, falsy={False})
    limit = fields.Integer(strict=True)
    since = fields.String()
    until = fields.String()
    package = fields.String()
    after = fields.String()
    raw = fields.Boolean(truthy={True}, falsy={False})
    name = fields.String()
    id = fields.String()
    text = fields.String()
    reason = fields.String()
    as_email = fields.String(data_key="as")
    allow = fields.List(fields.String())
    max_rows = fields.Integer(strict=True, validate=lambda number: 0 < number <= 2**53)
    max_bytes = Size()
    duration = Duration()
    template_digest = fields.String()
    plan_digest = fields.String()


def read_arguments(given: Mapping[str, Json], uid: int) -> dict[str, Json]:
    """The arguments as checked values, with the operating-system user as ``uid``; BadRequest names the wrong ones."""
    try:
        checked: dict[str, Json] = Arguments().load(dict(given))
    except ValidationError as error:
        wrong = ", ".join(sorted(map(str, error.messages_dict)))
        raise BadRequest(f"These arguments are wrong: {wrong}.") from error
    return {**checked, "uid": uid}


def need_text(arguments: Mapping[str, Json], name: str) -> str:
    """A text that has to be there."""
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"The argument `{name.removesuffix('_email')}` is missing.", resource=name)
    return value


def text_of(arguments: Mapping[str, Json], name: str) -> str:
    """A text, or ''."""
    return str(arguments.get(name) or "")


def texts_of(arguments: Mapping[str, Json], name: str) -> tuple[str, ...]:
    """A list of texts, perhaps empty."""
    value = arguments.get(name) or []
    assert isinstance(value, list)
    return tuple(str(item) for item in value)


def number_of(arguments: Mapping[str, Json], name: str) -> float | None:
    """A number, or None when it was not given."""
    value = arguments.get(name)
    return value if isinstance(value, int | float) else None
