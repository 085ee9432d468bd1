"""What the audit says of an export: who, which objects, which columns, under which masks, by which policy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from hfitd.audit.record import AuditRecord
from hfitd.errors import HfitError, Internal, ShuttingDown, ValidationFailed
from hfitd.export.artifacts import Artifact
from hfitd.export.contents import Contents, planned_contents
from hfitd.export.files import OpenedFile
from hfitd.export.job import Job
from hfitd.export.plan import Plan
from hfitd.export.query.lexer import read_tokens
from hfitd.export.requests import PackageRequest
from hfitd.model import Action, Actor
from hfitd.observe.events import ErrorRaised, PackageDone

Digest = Callable[[str], str]


def actor_record(action: str, actor: Actor, objects: tuple[str, ...] = (), **rest: str) -> AuditRecord:
    """A record of what an actor does to objects."""
    return AuditRecord(
        action=action,
        email=actor.email,
        key_fingerprint=actor.key_fingerprint,
        token_id=actor.token_id,
        address=actor.address,
        objects=objects,
        details=rest | on_loan(actor),
    )


def file_record(actor: Actor, volume: str, path: str, opened: OpenedFile, told: str) -> AuditRecord:
    """One file for an actor, with the masks of its parts, or that they were lifted.

    ``told``: "data", or "head" when it is no more than a listing says.
    """
    name = f"{volume}/{path}"
    if told == "head":
        return actor_record("files.head", actor, (name,))
    masks = {f"{name}:{part}": mask for part, mask in opened.masks.items()}
    record = actor_record(Action.FILES_READ.value, actor, (name,))
    return replace(record, masks=masks, raw=(name,) if opened.raw else ())


def on_loan(actor: Actor) -> dict[str, str]:
    """Which roles the actor has for a while only, with the requests they come from; nothing when there are none."""
    if not actor.loans:
        return {}
    words = [f"{loan.role} by {loan.request}{' (break-glass)' * loan.break_glass}" for loan in actor.loans]
    return {"on_loan": ", ".join(words)}


def package_record(
    request: PackageRequest, action: str, digest: Digest, plan: Plan | None, artifact: Artifact | None = None
) -> AuditRecord:
    """A package for an actor: what it holds, by which template and parameters. ``digest`` hides the values."""
    contents = artifact.contents if artifact else planned_contents(plan) if plan else Contents()
    given = {"template": request.stored.name, "owner": request.stored.owner} | on_loan(request.actor)
    if request.approval is not None:
        given |= {"approval": request.approval.digest, "approver": request.approval.approver}
    if artifact is not None:
        given |= {"package": artifact.id, "package_digest": artifact.package_digest}
    if plan is not None:
        given["plan_digest"] = plan.digest
    record = _contents_record(action, request.actor, contents)
    return replace(
        record,
        policy_version=plan.policy_version if plan else "",
        template_digest=request.template.digest,
        parameters={p.name: "" if p.value is None else digest(p.value) for p in request.parameters},
        details={**record.details, **given},
    )


def rows_record(
    actor: Actor, contents: Contents, policy_version: str, statement: Sequence[str], digest: Digest
) -> AuditRecord:
    """Rows of one table for an actor; ``statement`` are the filter and the order as the caller wrote them."""
    words = " ORDER BY ".join(fingerprint(text, digest) for text in statement if text.strip())
    record = _contents_record(Action.ROWS.value, actor, contents)
    return replace(record, policy_version=policy_version, statement=words)


def reopen_record(actor: Actor, package_id: str, artifact: Artifact | None) -> AuditRecord:
    """The same package once more."""
    contents = artifact.contents if artifact else Contents()
    details = {"package": package_id, **on_loan(actor)} | ({"template": artifact.template} if artifact else {})
    return replace(_contents_record("package.again", actor, contents), details=details)


def fingerprint(text: str, digest: Digest) -> str:
    """A filter with every literal replaced by its digest; of what cannot be read only the digest."""
    try:
        tokens = read_tokens(text)
    except ValidationFailed:
        return digest(text)
    return " ".join(
        digest(token.text) if token.kind in {"string", "number"} else token.text for token in tokens if token.text
    )


def _contents_record(action: str, actor: Actor, contents: Contents) -> AuditRecord:
    record = actor_record(action, actor, contents.objects)
    guessed = {"guessed": " ".join(contents.guessed)} if contents.guessed else {}
    return replace(
        record,
        details={**record.details, **guessed},
        columns=contents.columns,
        masks=contents.masks,
        raw=contents.raw,
    )


def describe_failure(error: BaseException | None) -> ErrorRaised:
    """A failed job for the log."""
    known = error if isinstance(error, HfitError) else Internal()
    return ErrorRaised(known.code, error)


def describe_end(job: Job, template: str) -> PackageDone:
    """A job that ended, for log and metrics."""
    outcome = "done" if job.error is None else "cancelled" if isinstance(job.error, ShuttingDown) else "failed"
    rows = job.artifact.rows if job.artifact else job.rows_done
    return PackageDone(template, outcome, rows, job.size, time.monotonic() - job.started)


def is_unexpected(error: BaseException) -> bool:
    """Whether a failure is ours or a source's: not a refusal of what was asked, and not a reader who left."""
    if isinstance(error, ShuttingDown):
        return False
    return not isinstance(error, HfitError) or error.status >= 500
