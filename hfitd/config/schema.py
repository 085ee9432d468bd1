"""The keys of config.toml, section by section. What is not here is a mistake in the file.

``attribute`` names the field of the dataclass in ``model.py`` where the unit is part of the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, post_load, validate, validates_schema

from hfitd.config.fields import (
    Duration,
    Extensions,
    FilePath,
    Insecure,
    MaskTable,
    Positive,
    SecretText,
    Size,
    Switch,
    TextList,
    Whole,
    Words,
    choice,
    is_json,
    options_of,
)
from hfitd.config.model import MaskPolicy, RowFilterPolicy, VolumeMask

BIG = 2**53


class Strict(Schema):
    """A table that refuses keys it does not know."""

    class Meta:
        """Unknown keys are mistakes."""

        unknown = RAISE


class ServerSchema(Strict):
    """``[server]``."""

    listen = Words()
    origin = Words()
    data_dir = FilePath()
    keys_dir = FilePath()
    instance = Words(validate=validate.Regexp(r"[A-Za-z0-9_.-]{1,64}\Z", error="must be letters, digits, . _ and -"))
    admin_socket = FilePath()
    tls_certificate = FilePath()
    tls_key = FilePath()
    trusted_proxies = TextList()
    shutdown_grace = Duration(zero=True, attribute="shutdown_grace_seconds")
    metrics = Words(validate=choice("loopback", "token", "public"))
    template_check = Duration(zero=True, attribute="template_check_seconds")
    insecure = Insecure()


class StoreSchema(Strict):
    """``[store]``."""

    url = Words()
    password = SecretText()


class ArtifactsSchema(Strict):
    """``[artifacts]``."""

    url = Words()
    ttl = Duration(attribute="ttl_seconds")
    max_bytes = Size()


class AuthSchema(Strict):
    """``[auth]``."""

    token_ttl = Duration(attribute="token_ttl_seconds")
    challenge_ttl = Duration(attribute="challenge_ttl_seconds")
    console_idle = Duration(attribute="console_idle_seconds")
    console_ttl = Duration(attribute="console_ttl_seconds")
    max_attempts = Whole(1, 1_000_000)
    lockout = Duration(attribute="lockout_seconds")


class LimitsSchema(Strict):
    """``[limits]``."""

    requests_per_minute = Whole(1, 1_000_000)
    concurrent_packages = Whole(1, 1000)
    package_rows = Whole(1, BIG)
    package_bytes = Size()
    job_timeout = Duration(attribute="job_timeout_seconds")
    orphan_grace = Duration(zero=True, attribute="orphan_grace_seconds")
    queue_length = Whole(0, 100_000)
    queue_timeout = Duration(zero=True, attribute="queue_timeout_seconds")
    packages_per_day = Whole(0, BIG)
    rows_per_day = Whole(0, BIG)
    bytes_per_day = Size(zero=True)
    tables_per_hour = Whole(0, BIG)
    package_lifetime = Duration(zero=True, attribute="package_lifetime_seconds")
    request_lifetime = Duration(attribute="request_lifetime_seconds")
    requests_per_hour = Whole(1, 1_000_000)


class AuditSchema(Strict):
    """``[audit]``."""

    sinks = TextList()
    folder = FilePath()


class LogSchema(Strict):
    """``[log]``."""

    level = Words(validate=choice("debug", "info", "warning", "error"))
    format = Words(validate=choice("json", "text"))


class TracesSchema(Strict):
    """``[traces]``."""

    endpoint = Words()
    ratio = Positive(validate=validate.Range(0, 1, error="must be at most 1"))


class ProviderSchema(Strict):
    """``[providers.NAME]``."""

    type = Words(required=True, validate=choice("postgresql", "mysql", "sqlite"))
    host = Words()
    port = Whole(1, 65535)
    user = Words()
    password = SecretText()
    database = Words()
    databases = TextList()
    tls = Words(validate=choice("disable", "require", "verify-full"))
    tls_ca = FilePath()
    path = FilePath()
    max_connections = Whole(1, 1000)
    statement_timeout = Duration(attribute="statement_timeout_seconds")
    max_cost = Positive()
    max_rows = Whole(1, BIG)
    max_lag = Duration(attribute="max_lag_seconds")
    require_approved = Switch()


class VolumeMaskSchema(Strict):
    """``[[volumes.NAME.mask]]``."""

    files = TextList(single=True, required=True)
    format = Words(required=True, validate=choice("csv", "ndjson", "json", "log"))
    columns = MaskTable()
    paths = MaskTable()
    pattern = Words()
    delimiter = fields.String()
    unmatched = Words(validate=choice("drop", "refuse", "keep"))

    @validates_schema
    def check_shape(self, data: Mapping[str, Any], **_: Any) -> None:
        """Each format has its keys; whether their values make sense the format itself says."""
        extra = {"csv": ("columns", "delimiter"), "log": ("columns", "pattern", "unmatched")}
        known = ("files", "format", *extra.get(data["format"], ("columns", "paths")))
        for key in data:
            if key not in known:
                raise ValidationError(f"has no meaning for the format {data['format']}", key)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> VolumeMask:
        """The frozen rule."""
        return VolumeMask(**data)


class VolumeSchema(Strict):
    """``[volumes.NAME]``."""

    path = FilePath(required=True)
    allowed_extensions = Extensions()
    max_file_size = Size()
    hidden_files = Switch()
    follow_symlinks = Switch()
    mask = fields.List(fields.Nested(VolumeMaskSchema))


class MaskSchema(Schema):
    """``[[policy.mask]]``: keys it does not know are the mask's own options; the mask checks them."""

    class Meta:
        """Options stand beside the keys."""

        unknown = INCLUDE

    columns = TextList(single=True, required=True)
    mask = Words(required=True)
    filterable = Words(validate=choice("", "equality"))

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> MaskPolicy:
        """The frozen rule; dates have no place among its options."""
        options = options_of(data, frozenset({"columns", "mask", "filterable"}))
        for key, value in options.items():
            if not is_json(value):
                raise ValidationError("must be text, a number, true, false, a list or a table", key)
        return MaskPolicy(data["columns"], data["mask"], options, data.get("filterable", ""))


class ClearSchema(Strict):
    """``[[policy.clear]]``."""

    columns = TextList(single=True, required=True)


class RowFilterSchema(Strict):
    """``[[policy.row_filter]]``."""

    table = Words(required=True)
    roles = TextList(single=True, required=True)
    where = Words(required=True)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> RowFilterPolicy:
        """The frozen rule."""
        return RowFilterPolicy(**data)


class PolicySchema(Strict):
    """``[policy]``."""

    unclassified = Words(validate=choice("deny", "mask", "allow"))
    unclassified_all = Switch()
    mask_key = SecretText()
    mask = fields.List(fields.Nested(MaskSchema))
    clear = fields.List(fields.Nested(ClearSchema))
    row_filter = fields.List(fields.Nested(RowFilterSchema))
    residual_scan = Words(validate=choice("alarm", "refuse", "off"))


class RoleSchema(Strict):
    """``[roles.NAME]``."""

    grants = TextList(required=True)
    require_approved = Switch()
    requestable = Switch()
    approvers = TextList()
    max_duration = Duration(attribute="max_duration_seconds")
    break_glass = Switch()


SECTIONS: Mapping[str, type[Schema]] = {
    "server": ServerSchema,
    "store": StoreSchema,
    "artifacts": ArtifactsSchema,
    "auth": AuthSchema,
    "limits": LimitsSchema,
    "audit": AuditSchema,
    "log": LogSchema,
    "traces": TracesSchema,
    "policy": PolicySchema,
}

NAMED: Mapping[str, type[Schema]] = {
    "providers": ProviderSchema,
    "volumes": VolumeSchema,
    "roles": RoleSchema,
}
