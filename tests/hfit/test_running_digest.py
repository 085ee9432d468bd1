"""The digest that is taken while bytes arrive is the digest of all of them."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hfit.running_digest import HAND_OVER_BYTES, RunningDigest

SIZES = st.lists(st.sampled_from((0, 1, 1000, HAND_OVER_BYTES - 1, HAND_OVER_BYTES, HAND_OVER_BYTES + 1)), max_size=12)


@settings(deadline=None, max_examples=40)
@given(SIZES, st.integers(0, 12))
def test_a_running_digest_is_that_of_all_bytes_in_their_order(sizes: list[int], asked: int) -> None:
    digest, whole = RunningDigest(), hashlib.sha256()
    for number, size in enumerate(sizes):
        data = bytes([number]) * size
        digest.update(data)
        whole.update(data)
        if number == asked:
            assert digest.finish() == whole.digest()  # asking does not end it
    assert digest.size == sum(sizes)
    assert digest.finish() == whole.digest()
    assert not [thread for thread in threading.enumerate() if thread.name == "hfit-digest"]


def test_a_digest_goes_on_with_what_a_file_holds_and_forgets_what_was_before(tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(b"first" * 400_000)
    digest = RunningDigest()
    digest.update(b"from a version that is no more" * 20_000)
    digest.restart(part)
    digest.update(b"second" * 100_000)
    assert digest.finish() == hashlib.sha256(b"first" * 400_000 + b"second" * 100_000).digest()
    digest.restart()
    assert digest.finish() == hashlib.sha256().digest()
