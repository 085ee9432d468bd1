"""Signatures by RSA and ECDSA keys. Apart from Ed25519, for what they import costs the start of ``hfit`` 40 ms, and the
keys of gateways are Ed25519."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from hfit.credentials.ssh_wire import PublicKey, WireReader

MINIMUM_RSA_BITS = 2048

_RSA_HASHES: dict[str, hashes.HashAlgorithm] = {"rsa-sha2-512": hashes.SHA512(), "rsa-sha2-256": hashes.SHA256()}
_CURVE_HASHES: dict[str, hashes.HashAlgorithm] = {
    "ecdsa-sha2-nistp256": hashes.SHA256(),
    "ecdsa-sha2-nistp384": hashes.SHA384(),
    "ecdsa-sha2-nistp521": hashes.SHA512(),
}


def check(public_key: PublicKey, algorithm: str, raw: bytes, data: bytes) -> None:
    """InvalidSignature when ``raw`` is not the key's signature of ``data``; ValueError for an algorithm that is not the
    key's, or a key that is too short."""
    key = load_ssh_public_key(public_key.line.encode())
    if isinstance(key, rsa.RSAPublicKey) and algorithm in _RSA_HASHES and key.key_size >= MINIMUM_RSA_BITS:
        key.verify(raw, data, padding.PKCS1v15(), _RSA_HASHES[algorithm])
    elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm == public_key.key_type:
        numbers = WireReader(raw)
        r, s = (int.from_bytes(numbers.string(), "big") for _ in range(2))
        numbers.finish()
        key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(_CURVE_HASHES[algorithm]))
    else:
        raise ValueError("the signature's algorithm does not fit its key")
