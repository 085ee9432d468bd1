"""Until when a server's certificate is good, and when to say that it will not be for long."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

WARN_DAYS = 21
_DAY_SECONDS = 86400.0


def end_of_certificate(path: Path) -> float:
    """When the server's own certificate of a PEM file, the first one in it, ends: seconds since 1970.

    OSError for a file that cannot be read, ValueError for one without a certificate.
    """
    return x509.load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc.timestamp()


def days_left(ends: float, now: float) -> float:
    """Days until then; negative when it is over."""
    return (ends - now) / _DAY_SECONDS


def state_of_certificate(ends: float, now: float) -> str:
    """``ok``, ``ends soon`` within three weeks, ``expired``."""
    left = days_left(ends, now)
    return "expired" if left <= 0 else "ends soon" if left < WARN_DAYS else "ok"
