"""What the audit says of an export: who, which objects, which columns, under which masks, by which policy."""

from __future__ import annotations

from collections.abc import Iterator

from hfitd.access.globs import table_object
from hfitd.audit.record import AuditRecord
from hfitd.errors import HfitError, Internal, ShuttingDown
from hfitd.export.artifacts import Artifact
from hfitd.export.items.interface import Step, TablePlan
from hfitd.export.plan import Plan
from hfitd.export.requests import PackageRequest
from hfitd.export.sources import SourceKey
from hfitd.model import Action, Actor
from hfitd.observe.events import ErrorRaised


def actor_record(action: str, actor: Actor, objects: tuple[str, ...] = (), **rest: str) -> AuditRecord:
    """A record of what an actor does to objects."""
    return AuditRecord(
        action=action,
        email=actor.email,
        key_fingerprint=actor.key_fingerprint,
        token_id=actor.token_id,
        address=actor.address,
        objects=objects,
        details=rest,
    )


def package_record(
    request: PackageRequest, plan: Plan | None, action: str, artifact: Artifact | None = None
) -> AuditRecord:
    """A package for an actor: named by plan when it is built, by the finished package when it is served again."""
    actor = request.actor
    objects = tuple(table_objects(plan)) if plan else artifact.objects if artifact else ()
    details = {"template": request.stored.name, "owner": request.stored.owner}
    if plan is not None:
        details["plan_digest"] = plan.digest
    if artifact is not None:
        details |= {"package": artifact.id, "package_digest": artifact.package_digest}
    return AuditRecord(
        action=action,
        email=actor.email,
        key_fingerprint=actor.key_fingerprint,
        token_id=actor.token_id,
        address=actor.address,
        objects=objects,
        columns=tuple(_columns(plan.tables)) if plan else (),
        masks=dict(_masks(plan.tables)) if plan else {},
        policy_version=plan.policy_version if plan else "",
        template_digest=request.template.digest,
        details=details,
    )


def rows_record(actor: Actor, step: Step, policy_version: str) -> AuditRecord:
    """Rows of one table for an actor."""
    assert step.source is not None
    tables = tuple((step.source, table) for table in step.tables)
    return AuditRecord(
        action=Action.ROWS.value,
        email=actor.email,
        key_fingerprint=actor.key_fingerprint,
        token_id=actor.token_id,
        address=actor.address,
        objects=tuple(_object(source, table) for source, table in tables),
        columns=tuple(_columns(tables)),
        masks=dict(_masks(tables)),
        policy_version=policy_version,
    )


def reopen_record(actor: Actor, package_id: str, artifact: Artifact | None) -> AuditRecord:
    """The same package once more."""
    objects = artifact.objects if artifact else ()
    return actor_record("package.again", actor, objects, package=package_id)


def table_objects(plan: Plan) -> Iterator[str]:
    """``PROVIDER/SCHEMA/TABLE`` of every table that a plan reads."""
    yield from dict.fromkeys(_object(source, table) for source, table in plan.tables)


def describe_failure(error: BaseException | None) -> ErrorRaised:
    """A failed job for the log."""
    known = error if isinstance(error, HfitError) else Internal()
    return ErrorRaised(known.code, error)


def is_unexpected(error: BaseException) -> bool:
    """Whether a failure is ours or a source's: not a refusal of what was asked, and not a reader who left."""
    if isinstance(error, ShuttingDown):
        return False
    return not isinstance(error, HfitError) or error.status >= 500


def _object(source: SourceKey, table: TablePlan) -> str:
    return table_object(source.provider, table.name)


def _columns(tables: tuple[tuple[SourceKey, TablePlan], ...]) -> Iterator[str]:
    for source, table in tables:
        yield from (f"{_object(source, table)}.{column}" for column in table.columns)


def _masks(tables: tuple[tuple[SourceKey, TablePlan], ...]) -> Iterator[tuple[str, str]]:
    for source, table in tables:
        yield from ((f"{_object(source, table)}.{column}", mask) for column, mask in table.masks.items())
