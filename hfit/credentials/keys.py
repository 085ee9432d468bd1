"""Private keys: from a file (OpenSSH, PEM, PKCS#8, encrypted or not) to something that signs.

Files are read with ``cryptography`` and handed to Paramiko as OpenSSH text in memory, because Paramiko's own loader
knows neither PKCS#8 nor every cipher of newer key files. The user's key never touches the disk again.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from hfit.credentials.private_files import exposure
from hfit.credentials.rsa_ecdsa import MINIMUM_RSA_BITS
from hfit.credentials.ssh_wire import PublicKey, public_key_from_blob
from hfit.errors import KeyUnusable, NotFound, PassphraseWrong

MAX_KEY_BYTES = 65_536
RSA_ALGORITHM = "rsa-sha2-512"

AskPassphrase = Callable[[str], str | None]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Signer(Protocol):
    """Holds or reaches one private key."""

    @property
    def public_key(self) -> PublicKey:
        """The public half."""

    @property
    def origin(self) -> str:
        """Where the key lives, for messages: a path or ``ssh-agent``."""

    def sign(self, data: bytes) -> bytes:
        """An SSH signature blob over ``data``; RSA always with SHA-512."""


class FileSigner:
    """A key that was read from a file."""

    def __init__(self, key: paramiko.PKey, path: Path) -> None:
        self._key = key
        self.public_key = public_key_from_blob(key.asbytes())
        self.origin = str(path)

    def sign(self, data: bytes) -> bytes:
        """Sign with the loaded key."""
        algorithm = RSA_ALGORITHM if self.public_key.key_type == "ssh-rsa" else None
        return self._key.sign_ssh_data(data, algorithm).asbytes()


def load_key_file(path: Path, ask_passphrase: AskPassphrase) -> FileSigner:
    """Read a private key. ``ask_passphrase`` gets a label and returns None when nobody can be asked.

    Refuses files open to others, keys below 2048 bits of RSA, other curves than P-256, P-384, P-521, and DSA.
    """
    data = _read_key_file(path)
    try:
        key = _parse(data, None)
    except TypeError:  # how cryptography says "encrypted"
        key = _parse_encrypted(data, path, ask_passphrase)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _not_understood(path) from error
    return FileSigner(_to_paramiko(_supported(key, path)), path)


def _read_key_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            problem = exposure(state)
            data = file.read(MAX_KEY_BYTES + 1) if stat.S_ISREG(state.st_mode) else b""
    except FileNotFoundError as error:
        raise NotFound(
            f"There is no private key at {path}.",
            suggestions=["Name one with --private-key, or make one: ssh-keygen -t ed25519"],
        ) from error
    except OSError as error:
        raise KeyUnusable(f"The private key {path} cannot be read.", reason=error.strerror or "") from error
    if problem:
        raise KeyUnusable(
            f"The private key {path} is not private.", reason=problem, suggestions=[f"Run: chmod 600 {path}"]
        )
    if len(data) > MAX_KEY_BYTES:
        raise _not_understood(path)
    return data


def _parse(data: bytes, passphrase: bytes | None) -> object:
    if b"BEGIN OPENSSH PRIVATE KEY" in data:
        return serialization.load_ssh_private_key(data, passphrase)
    return serialization.load_pem_private_key(data, passphrase)


def _parse_encrypted(data: bytes, path: Path, ask_passphrase: AskPassphrase) -> object:
    passphrase = ask_passphrase(f"Passphrase of {path}: ")
    if passphrase is None:
        raise PassphraseWrong(
            f"The private key {path} needs its passphrase.",
            reason="There is no terminal to ask on.",
            suggestions=["Set HFIT_KEY_PASSPHRASE, or add the key to ssh-agent: ssh-add " + str(path)],
        )
    try:
        return _parse(data, passphrase.encode())
    except (ValueError, TypeError) as error:
        raise PassphraseWrong(
            f"The passphrase does not open {path}.",
            suggestions=["Try again; HFIT_KEY_PASSPHRASE is used when it is set."],
        ) from error
    except UnsupportedAlgorithm as error:
        raise _not_understood(path) from error


def _supported(key: object, path: Path) -> PrivateKey:
    """The rule of attack case A17: no weak or unknown keys."""
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < MINIMUM_RSA_BITS:
            raise KeyUnusable(
                f"The RSA key {path} has {key.key_size} bits; at least {MINIMUM_RSA_BITS} are needed.",
                suggestions=["Make a new key: ssh-keygen -t ed25519"],
            )
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in ("secp256r1", "secp384r1", "secp521r1"):
        return key
    raise KeyUnusable(
        f"The key {path} is of a kind that is not supported.",
        reason="Supported are Ed25519, ECDSA on P-256, P-384 and P-521, and RSA from 2048 bits.",
        suggestions=["Make a new key: ssh-keygen -t ed25519"],
    )


def _to_paramiko(key: PrivateKey) -> paramiko.PKey:
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()
    classes: dict[type, type[paramiko.PKey]] = {
        rsa.RSAPrivateKey: paramiko.RSAKey,
        ec.EllipticCurvePrivateKey: paramiko.ECDSAKey,
        ed25519.Ed25519PrivateKey: paramiko.Ed25519Key,
    }
    chosen = next(paramiko_class for kind, paramiko_class in classes.items() if isinstance(key, kind))
    return chosen.from_private_key(io.StringIO(text))


def _not_understood(path: Path) -> KeyUnusable:
    return KeyUnusable(
        f"The file {path} is not a private key that hfit can read.",
        reason="It is damaged, a public key, or encrypted with a cipher that is not supported.",
        suggestions=[
            "Check it with: ssh-keygen -y -f " + str(path),
            "Re-write it with the usual cipher: ssh-keygen -p -Z aes256-ctr -f " + str(path),
        ],
    )
