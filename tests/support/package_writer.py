"""A small writer of packages, made from the format's description alone, and able to write bad ones."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

try:
    from compression import zstd
except ImportError:
    from backports import zstd

ORIGIN = "https://gateway.test"
FILES: Mapping[str, bytes] = {
    "10-tables.sql": b"create table customer (id integer primary key, name text);\n",
    "20-customer.sql": b"insert into customer values (42, 'Zo\xc3\xab');\n" * 40,
    "README.md": b"# case-42\n",
    "logs/app/a_42_1.txt": bytes(range(256)) * 7,
    "logs/caf\u00e9.txt": b"",
    "logs/" + "long-name-" * 11 + "/x.txt": b"deep\n",
}


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


class PackageKey:
    """An Ed25519 key that signs as OpenSSH does, written without the product's code."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        raw = self._key.public_key().public_bytes_raw()
        self.blob = string(b"ssh-ed25519") + string(raw)
        self.line = "ssh-ed25519 " + base64.b64encode(self.blob).decode()
        self.fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def sign(self, message: bytes, namespace: str = "hfit-package@hfitd.v1") -> bytes:
        fields = string(namespace.encode()) + string(b"") + string(b"sha512")
        raw = self._key.sign(b"SSHSIG" + fields + string(hashlib.sha512(message).digest()))
        signature = string(string(b"ssh-ed25519") + string(raw))
        blob = b"SSHSIG" + struct.pack(">I", 1) + string(self.blob) + fields + signature
        text = base64.b64encode(blob).decode()
        lines = [text[i : i + 70] for i in range(0, len(text), 70)]
        return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]).encode()


@dataclass
class Package:
    """What to write. ``edit`` changes the manifest before it is signed."""

    key: PackageKey
    files: Mapping[str, bytes] = field(default_factory=lambda: FILES)
    name: str = "case-42"
    server: str = ORIGIN
    expires: str | None = None
    template: str = "customer-case"
    providers: Mapping[str, str] = field(default_factory=dict)
    edit: Callable[[dict[str, Any]], None] = lambda _: None

    def members(self) -> list[tuple[str, bytes]]:
        """Paths and contents in the archive's order, manifest and signature last."""
        files = {
            **self.files,
            "METADATA/template.yaml": b"templateName: customer-case\n",
            "METADATA/timestamps.json": b"{}",
        }
        ordered = sorted(files.items(), key=lambda item: (item[0].startswith("METADATA/"), item[0].encode()))
        manifest = self._manifest(ordered)
        self.edit(manifest)
        text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        return [*ordered, ("METADATA/manifest.json", text), ("METADATA/manifest.sig", self.key.sign(text))]

    def _manifest(self, ordered: Iterable[tuple[str, bytes]]) -> dict[str, Any]:
        listed = []
        for number, (path, data) in enumerate(ordered):
            entry: dict[str, Any] = {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            if path.endswith(".sql"):
                entry |= {"load_order": number, "provider": self.providers.get(path, "shop")}
            listed.append(entry)
        lines = [f"{m['sha256']}  {m['path']}\n" for m in listed if m["path"] != "METADATA/timestamps.json"]
        lines.sort(key=lambda line: line[66:].encode())
        return {
            "format": 1,
            "package_name": self.name,
            "package_digest": hashlib.sha256("".join(lines).encode()).hexdigest(),
            "server": self.server,
            "expires": self.expires,
            "template": {"name": self.template, "digest": "0" * 64},
            "parameters": {"customer_id": "42"},
            "sources": [],
            "policy": {"version": "1"},
            "created": "2024-05-01T00:00:00+00:00",
            "alarms": [],
            "members": listed,
        }

    def tar(self) -> bytes:
        return tar_of((f"{self.name}/{path}", data) for path, data in self.members())

    def archive(self, compression: str = "gzip") -> bytes:
        return pack(self.tar(), compression)


def header(path: str, size: int) -> bytes:
    info = tarfile.TarInfo(path)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def tar_of(members: Iterable[tuple[str, bytes]], make_header: Callable[[str, int], bytes] = header) -> bytes:
    parts = [make_header(path, len(data)) + data + bytes(-len(data) % 512) for path, data in members]
    return b"".join(parts) + bytes(1024)


def gzip_member(data: bytes) -> bytes:
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    return bytes.fromhex("1f8b08000000000000ff") + body + struct.pack("<II", zlib.crc32(data), len(data))


def seal(body: bytes, compression: str) -> bytes:
    digest = hashlib.sha256(body).digest()
    if compression == "gzip":
        return bytes.fromhex("1f8b08040000000000ff2400") + b"HF\x20\x00" + digest + bytes.fromhex("0300") + bytes(8)
    return bytes.fromhex("502a4d18") + struct.pack("<I", 36) + b"HFIT" + digest if compression == "zstd" else b""


def pack(tar: bytes, compression: str, pieces: int = 3) -> bytes:
    """Compress in several members or frames and seal."""
    if compression == "none":
        return tar
    step = len(tar) // pieces + 1
    cut = [tar[i : i + step] for i in range(0, len(tar), step)]
    if compression == "gzip":
        body = b"".join(map(gzip_member, cut))
        assert gzip.decompress(body) == tar
    else:
        body = b"".join(zstd.compress(part, options={zstd.CompressionParameter.checksum_flag: 1}) for part in cut)
    return body + seal(body, compression)
