"""Until when a server's certificate is good, when to say that it will not be for long, and how one follows another.

A renewed certificate is read whole, into a TLS context of its own, before any handshake sees it: a file that is half
written, or a key that is not the certificate's, changes nothing. Every handshake then asks which one is current, by
OpenSSL's callback for server names, which is called whether a client names a server or not; connections that stand
keep theirs.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from hfitd.errors import ConfigError, Mistake

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


@dataclass(frozen=True, slots=True)
class TlsPair:
    """A certificate with its key, ready to be served; ``ends`` in seconds since 1970."""

    context: ssl.SSLContext
    ends: float


def load_pair(certificate: Path, key: Path | None) -> TlsPair:
    """Read both; ``key`` is None when it stands in the same file. ConfigError for what cannot be served."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
        return TlsPair(context, end_of_certificate(certificate))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        words = "cannot be read with its key: both have to be PEM files of one pair, the key without a passphrase"
        raise ConfigError([Mistake("server.tls_certificate", words)]) from error


def _no_password() -> str:
    """OpenSSL would otherwise ask at the terminal, and wait there."""
    raise ValueError("the key has a passphrase")


class ServedCertificate:
    """What TLS is served with. ``context`` stays the same for a listening socket; ``take`` changes what it shows."""

    def __init__(self, certificate: Path, key: Path | None) -> None:
        self._paths = certificate, key
        self._pair = load_pair(certificate, key)
        self.context = self._pair.context
        self.context.sni_callback = self._choose

    @property
    def ends(self) -> float:
        """When the one that is served ends, in seconds since 1970."""
        return self._pair.ends

    def read(self) -> TlsPair:
        """What stands in the files now; ConfigError. Blocks."""
        return load_pair(*self._paths)

    def take(self, pair: TlsPair) -> None:
        """Serve this one from the next handshake on."""
        self._pair = pair

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _first: ssl.SSLContext) -> None:
        connection.context = self._pair.context
