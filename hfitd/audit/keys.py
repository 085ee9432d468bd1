"""The two secrets of the audit log: the key that signs checkpoints and the one that hides values.

Both are files of mode 0600 in ``keys_dir``: ``audit.key`` (Ed25519, PKCS#8 PEM) with its public half in ``audit.pub``
(PEM), and ``audit.hmac`` (32 bytes in hex). They are made once, complete, and linked into place, so that instances
that share the folder and start together agree.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hfitd.errors import AuditUnavailable

_KEY_FILE, _PUBLIC_FILE, _VALUE_FILE = "audit.key", "audit.pub", "audit.hmac"
_DAMAGED = "A key file of the audit log is damaged; restore it from the backup."


def load_signing_key(keys_dir: Path) -> Ed25519PrivateKey:
    """The key of checkpoints, made if absent; AuditUnavailable when it is open to others or damaged."""
    pem = _load(keys_dir / _KEY_FILE, _new_signing_key)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise AuditUnavailable(_DAMAGED) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise AuditUnavailable(_DAMAGED)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _load(keys_dir / _PUBLIC_FILE, lambda: public)
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """The public half, for ``verify_audit``; AuditUnavailable when the file holds none."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise AuditUnavailable("The public key of the audit log cannot be read.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise AuditUnavailable("The public key of the audit log cannot be read.")
    return key


def load_value_key(keys_dir: Path) -> bytes:
    """The secret under which values are digested, made if absent; AuditUnavailable like the signing key."""
    text = _load(keys_dir / _VALUE_FILE, lambda: secrets.token_hex(32).encode() + b"\n")
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError as error:
        raise AuditUnavailable(_DAMAGED) from error
    if len(key) != 32:
        raise AuditUnavailable(_DAMAGED)
    return key


def load_instance_name(data_dir: Path) -> str:
    """The name of this installation's instance, made if absent (file ``instance``); AuditUnavailable likewise."""
    text = _load(data_dir / "instance", _new_instance_name)
    try:
        return text.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise AuditUnavailable("The file `instance` in data_dir is damaged; remove it to get a new name.") from error


def _new_instance_name() -> bytes:
    return f"hfitd-{secrets.token_hex(4)}\n".encode()


def _new_signing_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load(path: Path, make: Callable[[], bytes]) -> bytes:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _write_once(path, make())
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            content = file.read(65536)
    except OSError as error:
        raise AuditUnavailable("A key file of the audit log cannot be read or made; check keys_dir.") from error
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise AuditUnavailable("A key file of the audit log may be read by others; set its mode to 0600.")
    return content


def _write_once(path: Path, content: bytes) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.link(draft, path)
    except FileExistsError:
        pass  # another instance was first
    finally:
        draft.unlink()
