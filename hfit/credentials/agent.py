"""Keys that ssh-agent (or Pageant) holds; they sign without their passphrase."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import paramiko

from hfit.credentials.keys import RSA_ALGORITHM
from hfit.credentials.rsa_ecdsa import MINIMUM_RSA_BITS
from hfit.credentials.ssh_wire import PublicKey, WireReader, public_key_from_blob
from hfit.errors import KeyUnusable


class AgentSigner:
    """One key of the agent."""

    origin = "ssh-agent"

    def __init__(self, key: paramiko.AgentKey, public_key: PublicKey) -> None:
        self._key = key
        self.public_key = public_key

    def sign(self, data: bytes) -> bytes:
        """Let the agent sign. RSA must be asked for SHA-512, the agent's default is SHA-1."""
        algorithm = RSA_ALGORITHM if self.public_key.key_type == "ssh-rsa" else None
        try:
            return bytes(self._key.sign_ssh_data(data, algorithm))
        except (paramiko.SSHException, OSError) as error:
            raise KeyUnusable(
                "ssh-agent would not sign with this key.",
                reason="It may ask for a confirmation that was not given, or be locked.",
                suggestions=["Check with: ssh-add -l"],
            ) from error


@contextlib.contextmanager
def agent_signers() -> Iterator[tuple[AgentSigner, ...]]:
    """The agent's usable keys in its order, for the time of the block; empty without an agent.

    Certificates and weak keys are left out.
    """
    try:
        agent = paramiko.Agent()
    except (paramiko.SSHException, OSError):
        yield ()
        return
    try:
        yield tuple(_usable(agent.get_keys()))
    finally:
        agent.close()


def _usable(keys: Iterable[paramiko.AgentKey]) -> Iterator[AgentSigner]:
    for key in keys:
        with contextlib.suppress(ValueError):
            public_key = public_key_from_blob(key.asbytes())
            if _strong(public_key):
                yield AgentSigner(key, public_key)


def _strong(public_key: PublicKey) -> bool:
    if public_key.key_type != "ssh-rsa":
        return True
    reader = WireReader(public_key.blob)
    reader.string()
    reader.string()
    return int.from_bytes(reader.string(), "big").bit_length() >= MINIMUM_RSA_BITS
