"""Whether an approval covers a text, a policy and parameters; see ``gate`` for the whole argument."""

from __future__ import annotations

from collections.abc import Sequence

from hfitd.export.review.constraints import outside, parse_constraints
from hfitd.export.template.model import Template
from hfitd.export.template.parameters import Parameter
from hfitd.model import Json
from hfitd.store.approvals import Approval
from hfitd.store.fields import timestamp_of


def judge(approval: Approval | None, digest: str, policy_version: str, now: float) -> str:
    """Why the approval does not cover this text under this policy now, in words; '' when it does (1 to 3)."""
    if approval is None:
        return "nobody has approved it"
    if approval.withdrawn:
        return "its approval was withdrawn"
    if approval.expires <= now:
        return "its approval has expired"
    if approval.template_digest != digest:
        return "it was changed after its approval"
    if approval.policy_version != policy_version:
        return "the policy has changed since its approval"
    return ""


def judge_parameters(approval: Approval, template: Template, parameters: Sequence[Parameter]) -> str:
    """Which parameter the approval does not allow, in words; '' when it allows them all (4)."""
    name = outside(parse_constraints(approval.allow, template), parameters)
    return f"the parameter {name} is outside what was approved" if name else ""


def describe_approval(approval: Approval) -> dict[str, Json]:
    """An approval as replies, plans and manifests name it."""
    return {
        "digest": approval.digest,
        "approver": approval.approver,
        "approved": timestamp_of(approval.approved),
        "expires": timestamp_of(approval.expires),
        "template_digest": approval.template_digest,
        "plan_digest": approval.plan_digest,
        "allow": list(approval.allow),
        "max_rows": approval.max_rows or None,
        "max_bytes": approval.max_bytes or None,
    }
