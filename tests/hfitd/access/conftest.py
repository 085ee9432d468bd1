"""Keys, stores and users for the tests of this room."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from hfitd.access.keys import PublicKey, parse_public_key
from hfitd.store.embedded import EmbeddedStore
from hfitd.store.users import StoredKey, User, Users

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey


@dataclass(frozen=True)
class Pair:
    """A key pair that ssh-keygen made."""

    path: Path
    line: str
    public: PublicKey
    private: PrivateKey

    def keygen_sign(self, message: bytes, namespace: str) -> str:
        """What ``ssh-keygen -Y sign`` makes of the message."""
        target = self.path.with_name(f"{self.path.name}-{abs(hash((message, namespace)))}")
        target.write_bytes(message)
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(self.path), "-n", namespace, str(target)]
        subprocess.run(command, check=True, capture_output=True)
        return Path(f"{target}.sig").read_text()


@pytest.fixture(scope="session")
def make_pair(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Pair]:
    """Makes a key pair: ``make_pair("rsa", 2048, name="bob")``."""
    folder = tmp_path_factory.mktemp("keys")
    made: dict[tuple[str, int | None, str], Pair] = {}

    def make(kind: str, bits: int | None = None, name: str = "alice") -> Pair:
        if (kind, bits, name) not in made:
            path = folder / f"{kind}-{bits}-{name}"
            size = [] if bits is None else ["-b", str(bits)]
            subprocess.run(
                ["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", f"{name}@laptop", "-f", str(path)], check=True
            )
            line = Path(f"{path}.pub").read_text()
            private = load_ssh_private_key(path.read_bytes(), None)
            assert isinstance(private, Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey)
            made[kind, bits, name] = Pair(path, line, parse_public_key(line), private)
        return made[kind, bits, name]

    return make


@pytest.fixture(
    params=[("ed25519", None), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521), ("rsa", 2048), ("rsa", 3072)]
)
def pair(request: pytest.FixtureRequest, make_pair: Callable[..., Pair]) -> Pair:
    """One pair of every kind that is accepted."""
    kind, bits = request.param
    return make_pair(kind, bits)


@pytest.fixture
def alice_pair(make_pair: Callable[..., Pair]) -> Pair:
    """An Ed25519 pair."""
    return make_pair("ed25519")


@pytest.fixture
def bob_pair(make_pair: Callable[..., Pair]) -> Pair:
    """Another Ed25519 pair."""
    return make_pair("ed25519", None, "bob")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    """A fresh store."""
    store = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    yield store
    await store.close()


@pytest.fixture
async def users(store: EmbeddedStore) -> Users:
    """The users of the fresh store."""
    return Users(store)


def stored(pair: Pair) -> StoredKey:
    return StoredKey(pair.public.line, pair.public.fingerprint, pair.public.comment, "2026-01-01T00:00:00Z")


@pytest.fixture
async def alice(users: Users, alice_pair: Pair) -> User:
    """A user with one key and one role."""
    return await users.create("alice@example.org", [stored(alice_pair)], ["developer"])


@pytest.fixture
async def bob(users: Users, bob_pair: Pair) -> User:
    """Another one."""
    return await users.create("bob@example.org", [stored(bob_pair)], ["developer"])


class Clock:
    """A clock that moves when told."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Clock:
    """Seconds since 1970."""
    return Clock(1_800_000_000.0)


@pytest.fixture
def uptime() -> Clock:
    """Seconds that only go up."""
    return Clock(1000.0)
