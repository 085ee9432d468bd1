"""D03: what somebody with the files but without the key may try, each named by the first bad record."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hfitd.audit.chain import Position, first_position, link
from hfitd.audit.keys import load_public_key
from hfitd.audit.log import AuditLog
from hfitd.audit.record import AuditRecord
from hfitd.audit.verify import AuditReport, verify_audit
from hfitd.errors import AuditUnavailable

_RECORDS = 12


async def written(folder: Path, *, segment_bytes: int = 1_000_000, instance: str = "one") -> Path:
    log = await AuditLog.open(
        folder / "audit", instance=instance, keys_dir=folder / "keys", segment_bytes=segment_bytes
    )
    for number in range(_RECORDS):
        await log.note(AuditRecord("rows", email="bob@x", request_id=str(number)), "done")
    await log.close()
    return folder / "audit"


def verified(folder: Path, witnesses: list[str] | None = None) -> AuditReport:
    return verify_audit(folder / "audit", load_public_key(folder / "keys" / "audit.pub"), witnesses=witnesses or ())


def lines_of(folder: Path) -> list[bytes]:
    return next(folder.glob("*.jsonl")).read_bytes().splitlines(keepends=True)


def put(folder: Path, lines: list[bytes]) -> None:
    next(folder.glob("*.jsonl")).write_bytes(b"".join(lines))


def swap(lines: list[bytes]) -> list[bytes]:
    lines[4], lines[5] = lines[5], lines[4]
    return lines


def edit(lines: list[bytes]) -> list[bytes]:
    lines[4] = lines[4].replace(b"bob@x", b"eve@x")
    return lines


def blanks(lines: list[bytes]) -> list[bytes]:
    lines[4] = lines[4].replace(b'"kind":', b'"kind": ')
    return lines


def twice_the_field(lines: list[bytes]) -> list[bytes]:
    lines[4] = lines[4].replace(b'{"action"', b'{"email":"eve@x","action"')
    return lines


CASES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int, str]] = {
    "edited": (edit, 5, "was changed"),
    "removed": (lambda lines: lines[:4] + lines[5:], 5, "is missing"),
    "reordered": (swap, 5, "is missing"),
    "repeated": (lambda lines: [*lines[:5], lines[4], *lines[5:]], 6, "stands there again"),
    "respaced": (blanks, 5, "was changed"),
    "doubled field": (twice_the_field, 5, "was changed"),
    "rubbish": (lambda lines: [*lines[:4], b"{\n", *lines[5:]], 5, "is no record"),
    "head removed": (lambda lines: lines[1:], 1, "is not the first"),
    "end cut": (lambda lines: lines[:-3], _RECORDS + 2 - 3 + 3, "is missing at the end"),
    "last line cut": (lambda lines: [*lines[:-1], lines[-1][:-5]], _RECORDS + 4, "is cut"),
    "emptied": (lambda lines: [], 1, "is missing at the end"),
}


@pytest.mark.parametrize("case", CASES)
async def test_d03_the_first_bad_record_is_named(tmp_path: Path, case: str) -> None:
    folder = await written(tmp_path)
    assert verified(tmp_path) == AuditReport(("one",), _RECORDS + 4, ())
    change, seq, reason = CASES[case]
    total = len(lines_of(folder))
    put(folder, change(lines_of(folder)))
    (problem,) = verified(tmp_path).problems
    if case == "end cut":
        seq = total - 3 + 1
    assert problem.seq == seq
    assert reason in problem.reason
    assert problem.file.startswith("one-") or case == "emptied"


@pytest.mark.parametrize("case", ["edited", "removed", "reordered", "repeated", "end cut", "emptied", "head removed"])
async def test_d03_a_broken_chain_is_not_taken_up_again(tmp_path: Path, case: str) -> None:
    folder = await written(tmp_path)
    put(folder, CASES[case][0](lines_of(folder)))
    with pytest.raises(AuditUnavailable, match="changed or cut") as caught:
        await AuditLog.open(folder, instance="one", keys_dir=tmp_path / "keys")
    assert "hfitd audit verify" in caught.value.suggestions[0]


def respell(lines: list[bytes], position: Position, keep_checkpoints: bool) -> list[bytes]:
    """A forger who knows the format and spells every record anew."""
    forged = []
    for line in lines:
        record = json.loads(line)
        if record["kind"] == "checkpoint" and not keep_checkpoints:
            continue
        for field in ("hash", "seq"):
            del record[field]
        if record.get("request_id") == "3":
            record["email"] = "eve@x"
        position, spelled = link(position, record)
        forged.append(spelled)
    return forged


async def test_d03_a_chain_spelled_anew_fails_at_its_checkpoint(tmp_path: Path) -> None:
    folder = await written(tmp_path)
    original = lines_of(folder)
    put(folder, respell(original, first_position("one"), keep_checkpoints=True))
    (problem,) = verified(tmp_path).problems
    assert "newest checkpoint" in problem.reason or "another chain" in problem.reason
    put(folder, respell(original, first_position("one"), keep_checkpoints=False))
    (problem,) = verified(tmp_path).problems
    assert "checkpoint" in problem.reason
    (folder / "one.checkpoint").unlink()
    put(folder, respell(original, first_position("one"), keep_checkpoints=True))
    (problem,) = verified(tmp_path).problems
    assert "another chain" in problem.reason


async def test_d03_two_swapped_segments_and_a_missing_one_are_found(tmp_path: Path) -> None:
    folder = await written(tmp_path, segment_bytes=1000)
    assert verified(tmp_path).ok
    first, second, third = sorted(folder.glob("*.jsonl"))[:3]
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)
    (problem,) = verified(tmp_path).problems
    assert (problem.seq, problem.file) == (1, first.name)
    first.write_bytes(a)
    second.unlink()
    (problem,) = verified(tmp_path).problems
    assert (problem.seq, problem.file) == (len(a.splitlines()) + 1, third.name)
    assert "number 2, is gone" in problem.reason


async def test_d03_an_old_copy_put_back_is_found_by_a_witness(tmp_path: Path) -> None:
    folder = await written(tmp_path)
    shutil.copytree(folder, tmp_path / "old")
    await written(tmp_path)
    witness = [f"<109>1 2024-01-01T00:00:00Z host hfitd 1 audit - one {line.decode()}" for line in lines_of(folder)]
    assert verified(tmp_path, ["not a record", *witness]).ok
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "old", folder)
    assert verified(tmp_path).ok, "without a witness this cannot be seen, as the documentation says"
    (problem,) = verified(tmp_path, witness).problems
    assert problem.seq == _RECORDS + 5
    assert "a witness has seen" in problem.reason


async def test_d03_a_witness_that_saw_another_record_is_believed(tmp_path: Path) -> None:
    folder = await written(tmp_path)
    witness = lines_of(folder)[4].decode().replace('"hash":"', '"hash":"00')
    (problem,) = verified(tmp_path, [witness]).problems
    assert (problem.seq, problem.reason) == (5, "is not the one that a witness has seen")


async def test_d03_another_key_vouches_for_nothing(tmp_path: Path) -> None:
    folder = await written(tmp_path)
    report = verify_audit(folder, Ed25519PrivateKey.generate().public_key())
    assert "cannot be vouched" in report.problems[0].reason or "signature" in report.problems[0].reason


async def test_each_instance_has_its_chain_and_its_problem(tmp_path: Path) -> None:
    folder = await written(tmp_path)
    await written(tmp_path, instance="two")
    assert verified(tmp_path) == AuditReport(("one", "two"), 2 * (_RECORDS + 4), ())
    path = next(folder.glob("two-*.jsonl"))
    path.write_bytes(path.read_bytes().replace(b"bob@x", b"eve@x"))
    assert [problem.file for problem in verified(tmp_path).problems] == [path.name]
    (folder / "one-00000001.jsonl").unlink()
    assert [problem.file for problem in verified(tmp_path).problems] == ["one.checkpoint", path.name]


async def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AuditUnavailable):
        verify_audit(tmp_path / "none", Ed25519PrivateKey.generate().public_key())


async def _small_log(folder: Path) -> tuple[Path, list[str]]:
    """A closed chain of few records in two segments, and what a witness has seen of it."""
    log = await AuditLog.open(folder / "audit", instance="one", keys_dir=folder / "keys", segment_bytes=900)
    for number in range(2):
        token = await log.begin(AuditRecord("rows", email="bob@x", request_id=str(number)))
        await log.end(token, "done", rows=number)
    await log.close()
    lines = [line for path in sorted((folder / "audit").glob("*.jsonl")) for line in path.read_text().splitlines()]
    return folder / "audit", lines


async def test_d03_every_flipped_byte_is_found_where_it_is(tmp_path: Path) -> None:
    folder, _ = await _small_log(tmp_path)
    key = load_public_key(tmp_path / "keys" / "audit.pub")
    assert verify_audit(folder, key).ok
    seq = 0
    for path in sorted(folder.glob("*.jsonl")):
        whole = path.read_bytes()
        for position in range(len(whole)):
            flipped = bytearray(whole)
            flipped[position] ^= 1
            path.write_bytes(bytes(flipped))
            (problem,) = verify_audit(folder, key).problems
            expected = seq + whole[:position].count(b"\n") + 1
            assert problem.seq in {expected, expected + 1}, (path.name, position)  # a lost newline spoils the next, too
        path.write_bytes(whole)
        seq += whole.count(b"\n")
    assert verify_audit(folder, key).ok


@pytest.mark.parametrize("what", ["remove", "repeat", "swap", "cut"])
async def test_d03_every_record_removed_repeated_or_moved_is_found(tmp_path: Path, what: str) -> None:
    folder, _ = await _small_log(tmp_path)
    key = load_public_key(tmp_path / "keys" / "audit.pub")
    seq = 0
    for path in sorted(folder.glob("*.jsonl")):
        lines = path.read_bytes().splitlines(keepends=True)
        for index in range(len(lines) - (what == "swap")):
            changed = {
                "remove": [*lines[:index], *lines[index + 1 :]],
                "repeat": [*lines[: index + 1], *lines[index:]],
                "swap": [*lines[:index], *lines[index : index + 2][::-1], *lines[index + 2 :]],
                "cut": lines[:index],
            }[what]
            path.write_bytes(b"".join(changed))
            (problem,) = verify_audit(folder, key).problems
            assert problem.seq == seq + index + 1 + (what == "repeat")
        path.write_bytes(b"".join(lines))
        seq += len(lines)


async def test_d03_the_newest_checkpoint_cannot_be_taken_away_or_be_an_older_one(tmp_path: Path) -> None:
    folder, _ = await _small_log(tmp_path)
    key = load_public_key(tmp_path / "keys" / "audit.pub")
    kept = folder / "one.checkpoint"
    first = kept.read_bytes()
    for number in range(2):
        log = await AuditLog.open(folder, instance="one", keys_dir=tmp_path / "keys")
        await log.note(AuditRecord("login", request_id=str(number)), "done")
        await log.close()
    assert verify_audit(folder, key).ok
    newest = kept.read_bytes()
    kept.write_bytes(first)
    assert "older one" in str(verify_audit(folder, key).problems[0])
    kept.unlink()
    assert not verify_audit(folder, key).ok
    for position in range(len(newest)):
        flipped = bytearray(newest)
        flipped[position] ^= 1
        kept.write_bytes(bytes(flipped))
        assert not verify_audit(folder, key).ok, position
    kept.write_bytes(newest)
    assert verify_audit(folder, key).ok


async def test_d03_an_older_copy_of_the_whole_folder_is_found_by_what_another_sink_has_kept(tmp_path: Path) -> None:
    folder, _ = await _small_log(tmp_path)
    shutil.copytree(folder, tmp_path / "old")
    log = await AuditLog.open(folder, instance="one", keys_dir=tmp_path / "keys")
    await log.note(AuditRecord("login"), "done")
    await log.close()
    kept = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "old", folder)
    key = load_public_key(tmp_path / "keys" / "audit.pub")
    assert verify_audit(folder, key).ok  # nothing in the folder can tell
    (problem,) = verify_audit(folder, key, witnesses=[f"<109>1 - - - - {kept[-1]}"]).problems
    assert "missing at the end" in problem.reason
