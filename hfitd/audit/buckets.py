"""Opening a bucket of a server that speaks S3, for the copy of the audit log and for finished packages.

The endpoint is https, or lies on this machine, or ``server.insecure`` names "plaintext". By default it is Amazon's.
Keys, region and endpoint come from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``,
``AWS_SESSION_TOKEN``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``), from a web identity, the container or the machine's role.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import S3Store

_CONNECT = timedelta(seconds=2)


def open_bucket(
    url: str, *, plaintext: bool, environ: Mapping[str, str], request_seconds: float, retries: int = 0
) -> tuple[S3Store, str]:
    """The bucket of ``s3://bucket/prefix`` and the prefix without outer slashes; it is not asked anything yet.

    ValueError, in words for an operator, for an endpoint that others could read along and for settings that do not fit.
    """
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    endpoint = _endpoint(environ)
    in_clear = urlsplit(endpoint).scheme == "http"
    if in_clear and not plaintext and not _is_loopback(urlsplit(endpoint).hostname or ""):
        raise ValueError('is not encrypted: give one with https://, or say server.insecure = ["plaintext"].')
    request = timedelta(seconds=request_seconds)
    try:
        store = S3Store(
            bucket,
            config={"endpoint": endpoint} if endpoint else None,
            client_options={"allow_http": in_clear, "timeout": request, "connect_timeout": _CONNECT},
            retry_config={"max_retries": retries, "retry_timeout": request},
        )
    except BaseError as error:
        raise ValueError("cannot be used with these AWS_ environment variables.") from error
    return store, prefix.strip("/")


def _endpoint(environ: Mapping[str, str]) -> str:
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return next((environ[name] for name in names if environ.get(name)), "")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
