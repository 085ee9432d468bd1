"""A copy of the audit log in an S3 bucket: an object has no end to append to, so lines go there in batches.

``<prefix>/<instance>/<YYYY-MM-DD>/<number of the first record>-<boot>.jsonl`` in the order of their names is the
chain's lines. Whole objects are put, each once:

1. Nothing is overwritten: a put says ``If-None-Match: *``. The boot id is new at each start, so a name that is taken
   is our own attempt whose answer was lost; one that we never tried is somebody else's, and the copy goes beside it.
2. The right to put objects is enough; nothing is read, listed or removed.

How the bucket is reached: ``buckets``.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from hfitd.audit.buckets import open_bucket
from hfitd.audit.outbox import Batching
from hfitd.errors import AuditUnavailable

_BATCHING = Batching(size=256 * 1024, seconds=5.0, patient=True)
_REQUEST_SECONDS = 10.0
_SEQ_DIGITS = 12


class S3Sink:
    """Puts objects into ``s3://bucket/prefix``; AuditUnavailable for an endpoint that others could read along."""

    def __init__(self, url: str, *, instance: str, boot: str, plaintext: bool, environ: Mapping[str, str]) -> None:
        try:
            self._store, prefix = open_bucket(
                url, plaintext=plaintext, environ=environ, request_seconds=_REQUEST_SECONDS
            )
        except ValueError as error:
            raise AuditUnavailable(f"The bucket of the audit sink s3: {error}", resource="audit.sinks") from error
        self._folder = "/".join(part for part in (prefix, instance) if part)
        self._boot = boot
        self._tried = ""

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
