"""Is this an honest Ed25519 public key: a canonical point of the curve that is not of small order.

With a point of small order as public key, one signature verifies for many messages: whoever registers such a key
could let others log in as themselves, and blame cannot be laid. OpenSSL does not look, so we do.
Source of the formulas: RFC 8032, section 5.1.
"""

from __future__ import annotations

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)


def is_honest_point(encoded: bytes) -> bool:
    """Whether the 32 bytes are the canonical form of a curve point whose order is not 1, 2, 4 or 8."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if len(encoded) != 32 or y >= _P:
        return False
    x = _recover_x(y, sign)
    if x is None:
        return False
    for _ in range(3):
        x, y = _double(x, y)
    return (x, y) != (0, 1)  # eight times the point is the neutral element exactly when its order divides eight


def _recover_x(y: int, sign: int) -> int | None:
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if x * x % _P != square or (x == 0 and sign):
        return None
    return _P - x if x & 1 != sign else x


def _double(x: int, y: int) -> tuple[int, int]:
    product = _D * x * x * y * y % _P
    return (
        2 * x * y * pow(1 + product, -1, _P) % _P,
        (y * y + x * x) * pow(1 - product, -1, _P) % _P,
    )
