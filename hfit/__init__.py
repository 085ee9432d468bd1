"""The hfit client: downloads, checks and loads packages. ``Client`` and ``AsyncClient`` have its verbs in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hfit.async_client import AsyncClient as AsyncClient
    from hfit.client import Client as Client

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> object:
    """Load a client when it is first asked for, so that ``hfit --version`` pays for no HTTP library."""
    if name == "Client":
        from hfit.client import Client as client_class  # noqa: PLC0415 - lazy start-up

        return client_class
    if name == "AsyncClient":
        from hfit.async_client import AsyncClient as async_class  # noqa: PLC0415 - lazy start-up

        return async_class
    raise AttributeError(f"module 'hfit' has no attribute {name!r}")
