"""The wire between ``hfitd`` and ``hfit`` where they never meet in code: packages, signatures, names, bundles."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfit.commands.template_files import bundle_folder
from hfit.credentials.keys import load_key_file
from hfit.credentials.login_text import login_text
from hfit.credentials.pins import Trust, learn_keys, parse_offered_keys, read_pins
from hfit.credentials.sshsig import LOGIN_NAMESPACE, build_signature
from hfit.errors import HfitClientError, IntegrityFailed, KeyUntrusted
from hfit.package.extract import extracted
from hfit.package.names import check_distinct, check_name
from hfit.package.verify import verify_archive, verify_package
from hfitd.access import challenge, sshsig
from hfitd.access.keys import parse_public_key
from hfitd.access.package_keys import PackageKeys
from hfitd.export.items.interface import Built, Member
from hfitd.export.package.build import PackageBuild
from hfitd.export.package.codec import CODECS
from hfitd.export.package.context import PackageContext, SourceEntry
from hfitd.export.package.part import Budget
from hfitd.export.sources import SourceKey
from hfitd.export.template.bundle import read_bundle
from hfitd.export.template.names import component_problem, find_clashes
from hfitd.model import Sink

ORIGIN = "https://gateway.test"
SOURCE = SourceKey("shop", "main")
FILES = {
    "10-tables.sql": b"create table t (id integer);\n",
    "20-t.sql": b"insert into t values (1);\n" * 9_000,
    "empty.csv": b"",
    "logs/app/caf\u00e9.log": bytes(range(256)),
    "logs/" + "/".join(["deep-folder-with-a-long-name"] * 6) + "/x.txt": b"x",
}


def member(path: str, content: bytes) -> Member:
    async def build(sink: Sink) -> Built:
        await sink.write(content)
        return Built(rows=1)

    return Member(path, "ddl" if path.startswith("10") else "data", build, SOURCE, "main.t")


async def build(folder: Path, compression: str, sign: Callable[[bytes], str]) -> Path:
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    context = PackageContext(
        package_name="case-42",
        template_name="case",
        template_text="templateName: case\n",
        template_digest="0" * 64,
        description="A case",
        parameters={"customer_id": "42"},
        variables={},
        sources={SOURCE: SourceEntry(SOURCE, "sqlite", "3.40", "1", moment)},
        policy_version="1" * 64,
        plan_digest="2" * 64,
        origin=ORIGIN,
        sign=sign,
    )
    folder.mkdir()
    with ThreadPoolExecutor(1) as executor, (folder / "archive").open("wb") as file:
        package = PackageBuild(
            folder,
            CODECS[compression],
            executor=executor,
            budget=Budget(10**9, 10**9),
            grown=lambda size: None,
            member_done=lambda entry: None,
        )
        await package.run([member(path, content) for path, content in FILES.items()], context, file)
    return folder / "archive"


@pytest.mark.parametrize("compression", CODECS)
async def test_what_the_daemon_packs_the_client_verifies_and_extracts(tmp_path: Path, compression: str) -> None:
    keys = PackageKeys.load(tmp_path / "keys")
    learn_keys(tmp_path / "home", ORIGIN, parse_offered_keys(keys.public()))
    trust = Trust(read_pins(tmp_path / "home"))
    path = await build(tmp_path / "a", compression, keys.sign)
    report = verify_package(path, trust)
    assert report.manifest.server == ORIGIN
    assert report.manifest.members["10-tables.sql"].load_order is not None
    assert report.manifest.members["20-t.sql"].provider == "shop"
    with path.open("rb") as file, extracted(file, verify_archive(file, path, trust), tmp_path / "case-42") as part:
        part.rename(tmp_path / "case-42")
    assert {name: (tmp_path / "case-42" / name).read_bytes() for name in FILES} == FILES
    assert verify_package(tmp_path / "case-42", trust).manifest == report.manifest
    whole = path.read_bytes()
    for offset in range(0, len(whole), 97):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 0x10]) + whole[offset + 1 :])
        with pytest.raises(IntegrityFailed):
            verify_package(path, trust)


async def test_the_client_follows_a_rotation_of_the_daemons_key(tmp_path: Path) -> None:
    keys, home = PackageKeys.load(tmp_path / "keys"), tmp_path / "home"
    learn_keys(home, ORIGIN, parse_offered_keys(keys.public()))
    for _ in range(3):
        keys.rotate()
    path = await build(tmp_path / "a", "gzip", keys.sign)
    with pytest.raises(KeyUntrusted):
        verify_package(path, Trust(read_pins(home)))
    assert len(learn_keys(home, ORIGIN, parse_offered_keys(keys.public()))) == 3
    assert verify_package(path, Trust(read_pins(home)))
    stranger = PackageKeys.load(tmp_path / "other")
    with pytest.raises(KeyUntrusted):
        learn_keys(home, ORIGIN, parse_offered_keys(stranger.public()))


@pytest.mark.parametrize("options", [["-t", "ed25519"], ["-t", "rsa", "-b", "2048"], ["-t", "ecdsa", "-b", "384"]])
def test_the_daemon_accepts_what_the_client_signs(tmp_path: Path, options: list[str]) -> None:
    subprocess.run(["ssh-keygen", "-q", *options, "-N", "", "-f", tmp_path / "key"], check=True)
    signer = load_key_file(tmp_path / "key", lambda _: None)
    text = login_text(ORIGIN, "dev@example.com", signer.public_key, "A" * 43)
    key = parse_public_key(signer.public_key.line)
    assert text == challenge.login_text(ORIGIN, "dev@example.com", key.fingerprint, "A" * 43)
    signature = build_signature(text, LOGIN_NAMESPACE, signer.public_key, signer.sign)
    sshsig.verify(signature, text, challenge.NAMESPACE, key)


@given(st.text(min_size=1, max_size=30))
def test_every_name_the_daemon_lets_into_a_package_the_client_takes(name: str) -> None:
    if component_problem(name) == "":
        assert check_name(name, windows=True) == name


@given(st.lists(st.text("aAbB\u00e9e\u0301\u00df s/", min_size=1, max_size=5), max_size=4, unique=True))
def test_names_that_do_not_clash_for_the_daemon_do_not_clash_for_the_client(names: list[str]) -> None:
    if find_clashes(names):
        return
    try:
        check_distinct(names)
    except HfitClientError:
        assert any("//" in name or name.endswith("/") or name.startswith("/") for name in names)


def test_the_daemon_reads_the_bundle_that_the_client_makes(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    texts = {"a.yaml": "templateName: a\n", "sub/b.yml": "templateName: b\n# \u00e9\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "notes.txt").write_text("x")
    assert dict(read_bundle(bundle_folder(tmp_path))) == texts
