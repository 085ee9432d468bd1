"""Which folders are windows into the kernel and no place for a volume (F08)."""

from __future__ import annotations

import re
from pathlib import Path

PSEUDO = frozenset(
    {
        "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs",
        "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs",
        "selinuxfs", "sysfs", "tracefs",
    }
)
ROOTS = (Path("/proc"), Path("/sys"), Path("/dev"))
MOUNTS = Path("/proc/self/mountinfo")


def is_pseudo_filesystem(path: Path) -> bool:
    """Whether the folder, as named or with links followed, lies on a file system that holds no files of people."""
    real = path.resolve()
    if any(real.is_relative_to(root) or path.is_relative_to(root) for root in ROOTS):
        return True
    mounts = read_mounts()
    holding = max((point for point in mounts if real.is_relative_to(point)), key=lambda p: len(p.parts), default=None)
    return holding is not None and mounts[holding] in PSEUDO


def read_mounts() -> dict[Path, str]:
    """Mount points and their file system types; empty where the system does not tell. Format: proc(5)."""
    try:
        lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return {}
    mounts: dict[Path, str] = {}
    for line in lines:
        fields = line.split(" ")
        if "-" in fields[6:]:
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
            mounts[Path(point)] = fields[fields.index("-", 6) + 1]
    return mounts
