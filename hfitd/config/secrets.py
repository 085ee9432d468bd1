"""Where secrets come from.

1. A secret is named (``env:``, ``file:``, ``cred:``), not written into config.toml; a literal needs
   ``insecure = ["secrets"]``.
2. A secret file is readable by its owner alone (mode 0600 or 0400) and belongs to us or to root; the same
   word waives it.
3. Checked is the opened file, not the name, so that it cannot be exchanged in between.
4. ``cred:`` is a name below ``$CREDENTIALS_DIRECTORY`` (systemd keeps it private), never a path.
5. No message holds the secret or any part of it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from hfitd.config.model import Secret

PREFIXES = ("env:", "file:", "cred:")
MAX_SECRET_BYTES = 64 * 1024


class SecretProblem(Exception):
    """Why a secret could not be had; becomes a Mistake with the key's name."""


def resolve_secret(text: str, environ: Mapping[str, str], folder: Path, insecure: frozenset[str]) -> Secret:
    """The secret behind the text. Relative files are relative to ``folder``. SecretProblem says what is wrong."""
    kind, _, name = text.partition(":")
    if not text.startswith(PREFIXES):
        if "secrets" not in insecure:  # 1
            raise SecretProblem(
                'must be "env:NAME", "file:PATH" or "cred:NAME"; a secret written here needs insecure = ["secrets"]'
            )
        value = text
    elif kind == "env":
        value = environ.get(name, "")
        if not value:
            raise SecretProblem(f"the environment variable {name} is not set")
    elif kind == "cred":
        value = read_credential(name, environ)
    else:
        value = read_private_file(folder / name, trusted="secrets" in insecure)
    if not value:
        raise SecretProblem("the secret is empty")
    return Secret(value)


def read_credential(name: str, environ: Mapping[str, str]) -> str:
    """A credential that systemd hands to the service."""
    directory = environ.get("CREDENTIALS_DIRECTORY", "")
    if not directory:
        raise SecretProblem("there are no systemd credentials here ($CREDENTIALS_DIRECTORY is not set)")
    if "/" in name or name in ("", ".", ".."):  # 4
        raise SecretProblem("the name of a credential is one word without /")
    return read_private_file(Path(directory) / name, trusted=True)


def read_private_file(path: Path, *, trusted: bool) -> str:
    """The text of a small file without its last line break; refused when others may read it, unless trusted."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise SecretProblem("the secret file cannot be read") from error
    try:
        found = os.fstat(descriptor)  # 3
        if not stat.S_ISREG(found.st_mode):
            raise SecretProblem("the secret file is not a regular file")
        if not trusted and (found.st_mode & 0o177 or found.st_uid not in (0, os.geteuid())):  # 2
            raise SecretProblem("the secret file must belong to the daemon's user and have mode 0600 or 0400")
        data = os.read(descriptor, MAX_SECRET_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_SECRET_BYTES:
        raise SecretProblem("the secret file is larger than 64 KB")
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise SecretProblem("the secret file is not UTF-8 text") from error
