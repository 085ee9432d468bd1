"""Templates: kept ones, drafts, findings, approvals."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict


class ExampleText(TypedDict):
    """hfit pkg-example."""

    template: str


class ParameterSpec(TypedDict):
    """A parameter of a template."""

    name: str
    type: str
    required: bool
    default: Annotated[Any, "null when there is none"]
    description: str


class Template(TypedDict):
    """A template as the server keeps it."""

    name: str
    owner: str
    description: str
    project: str
    state: Annotated[str, "draft, shared or approved"]
    digest: str
    updated: str
    approval: NotRequired[dict[str, Any] | None]
    parameters: NotRequired[list[ParameterSpec]]


class TemplateText(TypedDict):
    """hfit pkg-tmpl show."""

    name: str
    template: str
    owner: str | None
    state: str | None
    digest: str | None
    approval: dict[str, Any] | None


class TemplateDraft(TypedDict):
    """hfit pkg-tmpl new."""

    name: str
    parameters: Annotated[dict[str, str], "name to type"]
    template: str
    path: Annotated[str | None, "where it was written"]
    notes: list[str]


class LintFinding(TypedDict):
    """hfit pkg-tmpl lint, an array of these."""

    path: str
    level: Annotated[str, "error or advice"]
    rule: str
    line: int
    pointer: Annotated[str, "JSON pointer"]
    words: str


class TemplateDiff(TypedDict):
    """hfit pkg-tmpl patch."""

    name: str
    diff: Annotated[str, "unified; empty when there is none"]


class TemplateDeleted(TypedDict):
    """hfit pkg-tmpl delete."""

    name: str
    deleted: bool


class TemplateResult(TypedDict):
    """hfit pkg-tmpl push and pull, an array of these."""

    name: str
    result: Annotated[str, "new, updated or untouched"]
    owner: NotRequired[str]


class ValidTemplate(TypedDict):
    """hfit pkg-tmpl validate."""

    name: str
    digest: str


class Approved(TypedDict):
    """What stands approved, and for how long."""

    digest: Annotated[str, "of the approval"]
    approver: str
    approved: str
    expires: str
    template_digest: str
    plan_digest: str
    allow: Annotated[list[Any], "constraints of parameters"]
    max_rows: int | None
    max_bytes: int | None


class Approval(Approved):
    """hfit pkg-tmpl approve."""

    name: str
    owner: str


class Withdrawal(TypedDict):
    """hfit pkg-tmpl unapprove."""

    name: str
    owner: str
    withdrawn: Annotated[str, "the digest of the approval"]


class Changes(TypedDict):
    """What is new since a template was approved last."""

    text: Annotated[str, "unified diff of the text"]
    plan: Annotated[list[str], "lines of the plan, + and -"]


class Review(TypedDict):
    """What a reviewer reads of a template. `last` and `changes` are null where it was never approved."""

    name: str
    owner: str
    digest: str
    text: str
    roles: Annotated[list[str], "in whose hands the plan is read"]
    plan_digest: str
    policy_version: str
    plan: Annotated[list[str], "a line per column"]
    last: Approved | None
    changes: Changes | None
