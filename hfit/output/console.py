"""What the terminal can show: colours where they are wanted, and a Windows console that understands them."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping
from typing import Any

_HANDLES = (-11, -12)  # STD_OUTPUT_HANDLE, STD_ERROR_HANDLE
_PROCESSED_OUTPUT, _VIRTUAL_TERMINAL = 0x1, 0x4


def colors_wanted(environment: Mapping[str, str], *, refused: bool) -> bool:
    """Not with ``--no-color`` (``refused``), nor where NO_COLOR is set, nor on a terminal that calls itself dumb."""
    if refused or environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return False
    return sys.platform != "win32" or understands_colors(windows_console())


def windows_console() -> Any:
    """The functions of the console that Windows has."""
    return getattr(ctypes, "windll").kernel32  # noqa: B009 - the name is only there on Windows


def understands_colors(kernel: Any) -> bool:
    """Switch escape sequences on for both streams; False where the console is too old for them.

    https://learn.microsoft.com/windows/console/setconsolemode. A stream that is no console has no mode and does not
    matter: colours go to terminals only.
    """
    for number in _HANDLES:
        handle, mode = kernel.GetStdHandle(number), ctypes.c_uint32()
        if not kernel.GetConsoleMode(handle, ctypes.byref(mode)):
            continue
        if not kernel.SetConsoleMode(handle, mode.value | _PROCESSED_OUTPUT | _VIRTUAL_TERMINAL):
            return False
    return True
