"""Requests for access, and the audit log."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict


class Request(TypedDict):
    """hfit request ... What is not there yet is null."""

    id: str
    email: Annotated[str, "who asked"]
    name: Annotated[str, "the role or the template"]
    role: Any
    state: Annotated[str, "pending, granted, denied, cancelled, revoked, expired or ended"]
    reason: str
    ticket: str | None
    seconds: Annotated[float, "for how long"]
    created: str
    answer_by: str | None
    break_glass: bool
    decided_by: str | None
    decided: str | None
    decision: str | None
    ends: str | None
    reviewed_by: str | None
    reviewed: str | None
    review: str | None


class AuditEntry(TypedDict):
    """hfit audit search, one a line. What does not apply is absent; a long list is {beginning, length, rest_sha256}."""

    time: Annotated[str, "when it began"]
    action: str
    instance: str
    seq: Annotated[int, "of its record, in the chain of the instance"]
    outcome: NotRequired[Annotated[str, "done, failed, ..., or open while there is no end"]]
    email: NotRequired[str]
    key_fingerprint: NotRequired[str]
    token_id: NotRequired[str]
    address: NotRequired[str]
    os_uid: NotRequired[int]
    request_id: NotRequired[str]
    objects: NotRequired[Any]
    columns: NotRequired[Any]
    masks: NotRequired[Any]
    raw: NotRequired[Any]
    policy_version: NotRequired[str]
    template_digest: NotRequired[str]
    parameters: NotRequired[Annotated[Any, "names, and keyed digests of values"]]
    statement: NotRequired[Any]
    reason: NotRequired[str]
    details: NotRequired[dict[str, Any]]
    ended: NotRequired[str]
    seconds: NotRequired[float]
    rows: NotRequired[int]
    bytes: NotRequired[int]
    tables: NotRequired[Any]
    package: NotRequired[str]
    package_digest: NotRequired[str]
    error: NotRequired[str]
    cursor: NotRequired[Annotated[str, "where a later question goes on"]]
