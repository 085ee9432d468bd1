"""SSH signatures: made and verified. Format: PROTOCOL.sshsig of OpenSSH portable.

Verifying, step by step; any failure is one AuthFailed whose cause is for the log alone:

1. At most 16 KiB of armour with exact first and last lines and strict base64 between them; the width of the lines is
   free, since agents and libraries differ.
2. Magic, version 1, the public key of *this* user byte for byte, the expected namespace, empty reserved field, hash
   sha256 or sha512, nothing after the end. The namespace keeps signatures for other purposes out.
3. The algorithm of the signature is the key's own; RSA only as rsa-sha2-256 or rsa-sha2-512, never SHA-1.
4. The signature holds over the magic, namespace, reserved, hash name and digest of the message.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hfitd.access.keys import LoadedKey, PublicKey
from hfitd.access.wire import WireReader, pack_natural, pack_string
from hfitd.errors import AuthFailed

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_MAGIC = b"SSHSIG"
_VERSION = 1
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_MAX_ARMOUR = 16 * 1024
_WIDTH = 70
_DIGESTS = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_RSA_HASHES: dict[bytes, type[HashAlgorithm]] = {b"rsa-sha2-256": SHA256, b"rsa-sha2-512": SHA512}
_CURVES: dict[str, tuple[bytes, type[HashAlgorithm]]] = {
    "secp256r1": (b"ecdsa-sha2-nistp256", SHA256),
    "secp384r1": (b"ecdsa-sha2-nistp384", SHA384),
    "secp521r1": (b"ecdsa-sha2-nistp521", SHA512),
}


def verify(armoured: str, message: bytes, namespace: str, key: PublicKey) -> None:
    """Return when ``key`` signed ``message`` for ``namespace``; AuthFailed otherwise, whatever is wrong."""
    try:
        _verify(armoured, message, namespace.encode(), key)
    except (ValueError, InvalidSignature) as error:
        raise AuthFailed() from error


def sign(private_key: PrivateKey, message: bytes, namespace: str) -> str:
    """The signature as ``ssh-keygen -Y sign`` writes it: hash sha512, base64 wrapped at 70, a newline at the end."""
    public = private_key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    signed = _signed_data(namespace.encode(), b"sha512", message)
    fields = [
        base64.b64decode(public.split(b" ")[1]),
        namespace.encode(),
        b"",
        b"sha512",
        _make_signature(private_key, signed),
    ]
    blob = _MAGIC + struct.pack(">I", _VERSION) + b"".join(map(pack_string, fields))
    encoded = base64.b64encode(blob).decode()
    lines = [encoded[start : start + _WIDTH] for start in range(0, len(encoded), _WIDTH)]
    return "\n".join((_BEGIN, *lines, _END)) + "\n"


def _verify(armoured: str, message: bytes, namespace: bytes, key: PublicKey) -> None:
    reader = WireReader(_unwrap(armoured))  # 1
    if reader.raw(len(_MAGIC)) != _MAGIC or reader.uint32() != _VERSION:  # 2
        raise ValueError("not an SSH signature of version 1")
    if reader.string() != key.blob:
        raise ValueError("signed by another key")
    if not namespace or reader.string() != namespace:
        raise ValueError("signed for another namespace")
    if reader.string() != b"":
        raise ValueError("the reserved field is not empty")
    hash_name, signature = reader.string(), reader.string()
    reader.finish()
    if hash_name not in _DIGESTS:
        raise ValueError("the hash is not sha256 or sha512")
    _check_signature(key.load(), signature, _signed_data(namespace, hash_name, message))


def _unwrap(armoured: str) -> bytes:
    if len(armoured) > _MAX_ARMOUR:
        raise ValueError("the signature is too long")
    lines = armoured.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END or "" in lines:
        raise ValueError("the signature has no armour")
    try:
        encoded = "".join(lines[1:-1]).encode("ascii")
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("the base64 is damaged") from error
    if base64.b64encode(blob) != encoded:
        raise ValueError("the base64 is not canonical")
    return blob


def _signed_data(namespace: bytes, hash_name: bytes, message: bytes) -> bytes:
    digest = _DIGESTS[hash_name](message).digest()
    return _MAGIC + b"".join(map(pack_string, (namespace, b"", hash_name, digest)))


def _check_signature(key: LoadedKey, signature: bytes, signed: bytes) -> None:
    reader = WireReader(signature)
    algorithm, value = reader.string(), reader.string()
    reader.finish()
    if isinstance(key, ed25519.Ed25519PublicKey):
        _need(algorithm == b"ssh-ed25519")  # 3
        key.verify(value, signed)  # 4
    elif isinstance(key, ec.EllipticCurvePublicKey):
        name, curve_hash = _CURVES[key.curve.name]
        _need(algorithm == name)  # 3
        numbers = WireReader(value)
        r, s = numbers.natural(), numbers.natural()
        numbers.finish()
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(curve_hash()))  # 4
    else:
        _need(algorithm in _RSA_HASHES)  # 3
        width = (key.key_size + 7) // 8
        _need(len(value) <= width)
        # some signers leave out leading zero bytes, which OpenSSH accepts
        key.verify(value.rjust(width, b"\x00"), signed, padding.PKCS1v15(), _RSA_HASHES[algorithm]())  # 4


def _need(holds: bool) -> None:
    if not holds:
        raise ValueError("the algorithm of the signature is not the key's")


def _make_signature(key: PrivateKey, signed: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return pack_string(b"ssh-ed25519") + pack_string(key.sign(signed))
    if isinstance(key, rsa.RSAPrivateKey):
        return pack_string(b"rsa-sha2-512") + pack_string(key.sign(signed, padding.PKCS1v15(), SHA512()))
    name, curve_hash = _CURVES[key.curve.name]
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(curve_hash())))
    return pack_string(name) + pack_string(pack_natural(r) + pack_natural(s))
