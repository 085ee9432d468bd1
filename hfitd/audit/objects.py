"""A copy of the audit log in an S3 bucket: an object has no end to append to, so lines go there in batches.

``<prefix>/<instance>/<YYYY-MM-DD>/<number of the first record>-<boot>.jsonl`` in the order of their names is the
chain's lines. Whole objects are put, each once:

1. Nothing is overwritten: a put says ``If-None-Match: *``. The boot id is new at each start, so a name that is taken
   is our own attempt whose answer was lost; one that we never tried is somebody else's, and the copy goes beside it.
2. The right to put objects is enough; nothing is read, listed or removed.
3. The endpoint is https, or lies on this machine, or ``server.insecure`` names "plaintext". By default it is Amazon's.

Keys, region and endpoint come from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``,
``AWS_SESSION_TOKEN``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``), from a web identity, the container or the machine's role.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from hfitd.audit.outbox import Batching
from hfitd.errors import AuditUnavailable

_BATCHING = Batching(size=256 * 1024, seconds=5.0, patient=True)
_REQUEST = timedelta(seconds=10)
_CONNECT = timedelta(seconds=2)
_SEQ_DIGITS = 12


class S3Sink:
    """Puts objects into ``s3://bucket/prefix``; AuditUnavailable for an endpoint that others could read along."""

    def __init__(self, url: str, *, instance: str, boot: str, plaintext: bool, environ: Mapping[str, str]) -> None:
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        endpoint = _endpoint(environ)
        in_clear = urlsplit(endpoint).scheme == "http"
        if in_clear and not plaintext and not _is_loopback(urlsplit(endpoint).hostname or ""):  # 3
            raise AuditUnavailable(
                "The endpoint of the audit sink s3: is not encrypted: give one with https://, "
                'or say server.insecure = ["plaintext"].',
                resource="audit.sinks",
            )
        self._folder = "/".join(part for part in (prefix.strip("/"), instance) if part)
        self._boot = boot
        self._tried = ""
        try:
            self._store = S3Store(
                bucket,
                config={"endpoint": endpoint} if endpoint else None,
                client_options={"allow_http": in_clear, "timeout": _REQUEST, "connect_timeout": _CONNECT},
                retry_config={"max_retries": 0, "retry_timeout": _REQUEST},
            )
        except BaseError as error:
            raise AuditUnavailable(
                "The audit sink s3: cannot be used with these AWS_ environment variables.", resource="audit.sinks"
            ) from error

    @property
    def batching(self) -> Batching:
        """See Sink."""
        return _BATCHING

    def send(self, lines: Sequence[bytes]) -> None:
        """See Sink."""
        first = json.loads(lines[0])
        plain = f"{self._folder}/{first['time'][:10]}/{first['seq']:0{_SEQ_DIGITS}}-{self._boot}"
        again = self._tried.startswith(plain)
        self._tried = self._tried if again else plain
        try:
            obstore.put(self._store, f"{self._tried}.jsonl", b"".join(lines), mode="create", use_multipart=False)
        except AlreadyExistsError:
            if not again:  # 1
                self._tried = f"{plain}-{secrets.token_hex(8)}"  # nobody can have foreseen this one
                self.send(lines)
        except BaseError as error:
            raise OSError("the object store did not take the object") from error

    def close(self) -> None:
        """Connections go with the store."""


def _endpoint(environ: Mapping[str, str]) -> str:
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return next((environ[name] for name in names if environ.get(name)), "")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
