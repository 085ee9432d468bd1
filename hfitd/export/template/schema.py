"""The keys of a template, thing by thing. What is not here is a mistake in the template.

``provider`` and ``dbms`` are two words for one key, in both spellings of an export.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, pre_load, validate

from hfitd.config.fields import Duration, Switch, TextList, Whole, choice
from hfitd.export.template.parameters import TYPES
from hfitd.export.template.variables import NAME

BIG = 2**53


class PlainText(fields.Field[str]):
    """Text, and not a number or a list that could be read as one."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text; put it in quotes" if isinstance(value, int) else "must be text")
        return value


class Name(PlainText):
    """A word that is set or referred to by ``${…}``."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str) or not NAME.match(value):
            raise ValidationError("must be a name of letters, digits and _ that begins with none of the digits")
        return value


class Fixed(PlainText):
    """Text in which no variable may stand."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text.strip():
            raise ValidationError("must not be empty")
        if "${" in text:
            raise ValidationError("cannot hold a variable: what is read is fixed when the template is saved")
        return text


class FixedList(TextList):
    """Texts in which no variable may stand."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[str, ...]:
        texts = super()._deserialize(value, attr, data, **kwargs)
        if not texts:
            raise ValidationError("must not be empty")
        if any("${" in text for text in texts):
            raise ValidationError("cannot hold a variable: what is read is fixed when the template is saved")
        return texts


class OneOrMore(fields.List[Any]):
    """A list, or its only item alone."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        return super()._deserialize([value] if isinstance(value, dict) else value, attr, data, **kwargs)


class Children(fields.Field[str | tuple[str, ...]]):
    """``all``, ``none`` or a list of tables."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str | tuple[str, ...]:
        if value in ("all", "none"):
            return str(value)
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise ValidationError("must be all, none or a list of tables")
        return tuple(value)


class Version(fields.Field[int]):
    """``1``, also written ``1.0``."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if isinstance(value, bool) or value not in (1, "1", "1.0"):
            raise ValidationError("must be 1: this server knows no other version")
        return 1


class Strict(Schema):
    """A mapping that refuses keys it does not know."""

    class Meta:
        """Unknown keys are mistakes."""

        unknown = RAISE


class TopSchema(Strict):
    """The whole template; parameters, prepare and exports are read one by one afterwards."""

    version = Version(data_key="hfitVersion", required=True)
    name = PlainText(
        data_key="templateName",
        required=True,
        validate=validate.Regexp(
            r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z", error="must be 1 to 100 letters, digits, dots, _ and -"
        ),
    )
    description = PlainText()
    project = PlainText(data_key="projectName")
    package_name = PlainText(data_key="packageName")
    expires = Duration()
    parameters = fields.Dict(keys=Name())
    prepare = fields.List(fields.Raw())
    exports = fields.Dict(
        keys=PlainText(), required=True, validate=validate.Length(min=1, error="must hold at least one export")
    )


class ParameterSchema(Strict):
    """One of ``parameters``; ``default`` is examined under its type afterwards."""

    type = PlainText(validate=choice(*TYPES))
    required = Switch()
    default = fields.Raw(allow_none=True)
    description = PlainText()
    values = TextList()
    pattern = PlainText()
    max_length = Whole(1, 10_000)
    item_type = PlainText(validate=choice(*(name for name in TYPES if name != "list")))


class InputSchema(Strict):
    """A prepare step ``from: input``."""

    variable = Name(data_key="setVar", required=True)
    origin = PlainText(data_key="from", required=True)
    source = PlainText(required=True)


class HotDataSchema(Strict):
    """A prepare step ``from: hot-data``."""

    variable = Name(data_key="setVar", required=True)
    origin = PlainText(data_key="from", required=True)
    hdata = fields.Dict(required=True)


class WithProvider(Strict):
    """Data that come from a provider."""

    dbms = Fixed(required=True)
    database = Fixed()

    @pre_load
    def one_word(self, data: Mapping[str, Any], **_: Any) -> Mapping[str, Any]:
        """``provider`` is ``dbms``."""
        if not isinstance(data, Mapping) or "provider" not in data:
            return data
        if "dbms" in data:
            raise ValidationError("provider and dbms are the same key; give one", "provider")
        return {"dbms" if key == "provider" else key: value for key, value in data.items()}


class QueryStepSchema(WithProvider):
    """``hdata`` with ``type: dbquery``."""

    query = PlainText(required=True)


class VolumeStepSchema(Strict):
    """``hdata`` with ``type: volume``."""

    volume = Fixed(required=True)
    glob = PlainText(required=True)
    sort = PlainText()
    folder = Fixed()
    regex_replace = PlainText()


class DbCreateSchema(WithProvider):
    """``dbcreate``."""

    tablelist = FixedList(required=True)


class TableCreateSchema(WithProvider):
    """``table-create``."""

    tablelist = FixedList(required=True)
    option = PlainText(validate=choice("ifnotexists", "dropcreate"))


class TableDataSchema(WithProvider):
    """``table-data``."""

    table = Fixed(required=True)
    filter = PlainText()
    order = PlainText(validate=choice("none"))


class FreeQuerySchema(WithProvider):
    """``database``."""

    query = PlainText(required=True)


class RootSchema(Strict):
    """One root of a subset."""

    table = Fixed(required=True)
    where = PlainText()


class LimitsSchema(Strict):
    """Where a subset stops."""

    max_rows = Whole(1, BIG)
    max_rows_per_table = fields.Dict(keys=Fixed(), values=Whole(1, BIG))
    max_children_per_row = Whole(1, BIG)
    on_excess = PlainText(validate=choice("abort", "truncate"))


class VirtualKeySchema(Strict):
    """A reference the database does not know of; ``when`` says for which rows it holds (column: value)."""

    source = Fixed(data_key="from", required=True)
    target = Fixed(data_key="to", required=True)
    when = fields.Dict(keys=Fixed(), values=PlainText())


class FilesFromSchema(Strict):
    """Files that exported rows name."""

    column = Fixed(required=True)
    volume = Fixed(required=True)


class SubsetSchema(WithProvider):
    """``subset``."""

    roots = fields.List(
        fields.Nested(RootSchema), required=True, validate=validate.Length(min=1, error="must hold at least one root")
    )
    children = Children()
    limits = fields.Nested(LimitsSchema)
    virtual_keys = fields.List(fields.Nested(VirtualKeySchema))
    excluded = FixedList(data_key="exclude", attribute="exclude")
    files_from = OneOrMore(fields.Nested(FilesFromSchema))


class VolumeFilesSchema(Strict):
    """``files``."""

    volume = Fixed(required=True)
    filters = TextList()


class VolumeFileSchema(Strict):
    """``file``."""

    volume = Fixed(required=True)
    path = PlainText(required=True)
