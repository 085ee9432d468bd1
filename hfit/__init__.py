"""The hfit client: downloads, checks and loads packages. ``from hfit import Client`` gives the same verbs in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hfit.client import Client as Client

__all__ = ["Client"]


def __getattr__(name: str) -> object:
    """Load ``Client`` when it is first asked for, so that ``hfit --version`` pays for no HTTP library."""
    if name == "Client":
        from hfit.client import Client as client_class  # noqa: PLC0415 - lazy start-up

        return client_class
    raise AttributeError(f"module 'hfit' has no attribute {name!r}")
