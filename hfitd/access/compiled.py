"""The texts of the policy, read once: grants, masks, clearances and row filters ready to match, and their version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from hfitd.access.grants import Grant, parse_grant
from hfitd.access.masking import MaskGlobs, compile_masks
from hfitd.access.rowfilters import RowFilter, compile_row_filters
from hfitd.config.model import PolicyConfig, RoleConfig


@dataclass(frozen=True, slots=True)
class Compiled:
    """The policy's texts, ready to match."""

    grants: Mapping[str, tuple[Grant, ...]]  # by role
    masks: MaskGlobs
    row_filters: tuple[RowFilter, ...]


def compile_policy(config: PolicyConfig, roles: Mapping[str, RoleConfig]) -> tuple[Compiled, list[str]]:
    """Everything compiled, and everything that is wrong with it."""
    mistakes: list[str] = []
    compiled = Compiled(
        _compile_roles(roles, mistakes),
        compile_masks(config.mask, config.clear, mistakes),
        compile_row_filters(config.row_filter, roles.keys(), mistakes),
    )
    if config.unclassified not in ("deny", "mask", "allow"):
        mistakes.append(f'policy.unclassified: {config.unclassified!r} is not "deny", "mask" or "allow"')
    return compiled, mistakes


def policy_mistakes(config: PolicyConfig, roles: Mapping[str, RoleConfig]) -> list[str]:
    """Everything wrong with the policy and the roles, for ``hfitd check``; empty when they can be used."""
    return compile_policy(config, roles)[1]


def _compile_roles(roles: Mapping[str, RoleConfig], mistakes: list[str]) -> dict[str, tuple[Grant, ...]]:
    compiled: dict[str, tuple[Grant, ...]] = {}
    for role in roles.values():
        grants = []
        for line in role.grants:
            try:
                grants.append(parse_grant(role.name, line))
            except ValueError as mistake:
                mistakes.append(str(mistake))
        compiled[role.name] = tuple(grants)
    return compiled


def policy_version(config: PolicyConfig, roles: Mapping[str, RoleConfig], file_rules: str = "") -> str:
    """SHA-256 over the canonical text of policy, roles and mask rules of volumes, without the mask key."""
    shape = {
        "unclassified": config.unclassified,
        "unclassified_all": config.unclassified_all,
        "residual_scan": config.residual_scan,
        "mask": [[list(item.columns), item.mask, dict(item.options), item.filterable] for item in config.mask],
        "clear": list(config.clear),
        "row_filter": [[item.table, list(item.roles), item.where] for item in config.row_filter],
        "files": file_rules,
        "roles": {name: [list(role.grants), role.require_approved] for name, role in roles.items()},
    }
    text = json.dumps(shape, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
