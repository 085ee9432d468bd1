"""SSH signatures of files and texts, format SSHSIG version 1 (OpenSSH's PROTOCOL.sshsig).

What a signature is taken for, step by step; the numbers stand where each is checked:

1. The armour is the only one possible for its bytes: fixed first and last line, base64 in lines of 70, one newline at
   the end. So a package with a changed armour is a changed package.
2. Magic and version are right, nothing is left over, no field is missing.
3. The namespace is exactly the expected one, so that a signature made for something else is worth nothing here (A14).
4. ``reserved`` is empty and the hash is sha512 or sha256 (A15).
5. RSA signs with rsa-sha2-512 or -256, never SHA-1, with at least 2048 bits; the algorithm fits the key (A15).
6. The signature is right for magic, namespace, reserved, hash name and digest of the message.

Every refusal is a ValueError without details of the data; callers make it a user's error.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hfit.credentials.ssh_wire import PublicKey, WireReader, pack_string, public_key_from_blob

LOGIN_NAMESPACE = "hfit-login@hfitd.v1"
PACKAGE_NAMESPACE = "hfit-package@hfitd.v1"
PACKAGE_KEY_NAMESPACE = "hfit-package-key@hfitd.v1"
MAX_ARMOUR_BYTES = 32_768
ED25519 = "ssh-ed25519"

_MAGIC = b"SSHSIG"
_BEGIN = "-----BEGIN SSH SIGNATURE-----"
_END = "-----END SSH SIGNATURE-----"
_LINE = 70
_HASHES: dict[str, Callable[[bytes], bytes]] = {
    "sha512": lambda data: hashlib.sha512(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}


def armour(blob: bytes) -> str:
    """The text form of a signature blob, as ssh-keygen writes it."""
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join([_BEGIN, *lines, _END]) + "\n"


def signed_data(message: bytes, namespace: str, hash_name: str = "sha512") -> bytes:
    """The bytes that the key signs for ``message``."""
    digest = _HASHES[hash_name](message)
    fields = (namespace.encode(), b"", hash_name.encode(), digest)
    return _MAGIC + b"".join(pack_string(field) for field in fields)


def build_signature(message: bytes, namespace: str, public_key: PublicKey, sign: Callable[[bytes], bytes]) -> str:
    """Sign ``message``; ``sign`` turns bytes into an SSH signature blob (type and signature). Returns the armour."""
    signature = sign(signed_data(message, namespace))
    fields = (public_key.blob, namespace.encode(), b"", b"sha512", signature)
    return armour(_MAGIC + (1).to_bytes(4, "big") + b"".join(pack_string(field) for field in fields))


def dearmour(text: bytes) -> bytes:
    """The blob inside an armour; refuses every spelling but the canonical one (step 1)."""
    if len(text) > MAX_ARMOUR_BYTES:
        raise ValueError("the signature is too long")
    lines = text.decode("ascii").split("\n")
    if len(lines) < 4 or lines[0] != _BEGIN or lines[-2] != _END or lines[-1]:
        raise ValueError("the signature has no SSH SIGNATURE armour")
    try:
        blob = base64.b64decode("".join(lines[1:-2]), validate=True)
    except binascii.Error as error:
        raise ValueError("the armour of the signature is damaged") from error
    if armour(blob).encode() != text:  # 1
        raise ValueError("the armour of the signature is not canonical")
    return blob


def verify_signature(message: bytes, armoured: bytes, namespace: str) -> PublicKey:
    """Check a signature and return the key that made it. Whether that key is trusted is the caller's question."""
    reader = WireReader(dearmour(armoured))
    if reader.take(len(_MAGIC)) != _MAGIC or reader.number() != 1:  # 2
        raise ValueError("this is not an SSH signature of version 1")
    public_key = public_key_from_blob(reader.string())
    found_namespace, reserved, hash_name = reader.string(), reader.string(), reader.string().decode("ascii")
    signature = reader.string()
    reader.finish()  # 2
    if found_namespace != namespace.encode():  # 3
        raise ValueError("the signature was made for another purpose")
    if reserved or hash_name not in _HASHES:  # 4
        raise ValueError("the signature uses fields or a hash that are not accepted")
    try:
        _check(public_key, signature, signed_data(message, namespace, hash_name))
    except (InvalidSignature, UnsupportedAlgorithm) as error:
        raise ValueError("the signature does not fit the data") from error
    return public_key


def _check(public_key: PublicKey, signature: bytes, data: bytes) -> None:
    reader = WireReader(signature)
    algorithm, raw = reader.string().decode("ascii"), reader.string()
    reader.finish()
    if public_key.key_type != ED25519:
        from hfit.credentials import rsa_ecdsa  # noqa: PLC0415 - lazy start-up

        rsa_ecdsa.check(public_key, algorithm, raw, data)  # 5, 6
        return
    if algorithm != ED25519:  # 5
        raise ValueError("the signature's algorithm does not fit its key")
    fields = WireReader(public_key.blob)
    fields.string()
    key = Ed25519PublicKey.from_public_bytes(fields.string())
    fields.finish()
    key.verify(raw, data)  # 6
