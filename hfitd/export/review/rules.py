"""Who gets data by approved templates only, and which roles may be asked for: the configuration's say on review."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hfitd.config.model import Config, RoleConfig
from hfitd.errors import ApprovalRequired
from hfitd.model import Actor


@dataclass(frozen=True, slots=True)
class ReviewRules:
    """``providers`` are those that only approved templates may read; ``roles`` are all of the configuration."""

    providers: frozenset[str] = frozenset()
    roles: Mapping[str, RoleConfig] = field(default_factory=dict)

    def why(self, actor: Actor, providers: Iterable[str]) -> str:
        """Why this actor needs an approval to read these providers, in words; '' when none is needed.

        One role that requires it is enough: a second role, or one on loan, does not take the duty away.
        """
        for provider in sorted(set(providers) & self.providers):
            return f"the provider {provider} is read by approved templates only"
        for name in actor.roles:
            role = self.roles.get(name)
            if role is not None and role.require_approved:
                return f"the role {name} runs approved templates only"
        return ""

    def refuse_direct(self, actor: Actor, providers: Iterable[str] = ()) -> None:
        """ApprovalRequired when the actor may not read rows or files but by an approved template."""
        why = self.why(actor, providers)
        if why:
            raise ApprovalRequired(
                f"This cannot be read directly: {why}.",
                suggestions=("Use a template that has been approved: hfit pkg-tmpl list",),
            )


def rules_of(config: Config) -> ReviewRules:
    """The rules of a configuration."""
    providers = frozenset(item.name for item in config.providers.values() if item.require_approved)
    return ReviewRules(providers, dict(config.roles))
