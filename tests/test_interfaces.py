"""What others plug into: the GitHub Action, the GitLab and Compose examples, the pre-commit hook, the issue forms."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.live.daemon import make_key
from tests.support.fake_hfitd import FakeHfitd
from tests.support.source import ROOT

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.github-actions", "action.yml"),
        ("vendor.gitlab-ci", "examples/ci/gitlab-ci.yml"),
        ("vendor.compose-spec", "examples/compose/compose.yaml"),
        ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/mistake.yml"),
        ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/wish.yml"),
        ("vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
    ],
)
def test_the_file_is_what_its_reader_expects(schema: str, file: str) -> None:
    argv = [BIN / "check-jsonschema", "--builtin-schema", schema, ROOT / file]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[FakeHfitd]:
    """A gateway that knows the key of the job."""
    fake = FakeHfitd()
    fake.keys.append(" ".join(make_key(tmp_path / "ci").with_suffix(".pub").read_text().split()[:2]))
    with fake.running():
        yield fake


def fetch_script() -> str:
    """The step of the action that fetches packages."""
    steps = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["runs"]["steps"]
    (step,) = (step for step in steps if step.get("id") == "refresh")
    return str(step["run"])


def test_the_action_fetches_what_is_locked_and_leaves_no_key(gateway: FakeHfitd, tmp_path: Path) -> None:
    """The script of ``action.yml`` as a runner starts it; first without a lock, then with it."""
    (tmp_path / "hfit.toml").write_text(
        f'server = "{gateway.origin}"\n[packages.case]\ntemplate = "customer-case"\ninto = "packages/case"\n'
    )
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {
        "PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(temporary), "RUNNER_TEMP": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "output"), "HFIT_SERVER_URL": "", "HFIT_EMAIL": gateway.email,
        "HFIT_KEY": (tmp_path / "ci").read_text(), "HFIT_CACHE_DIR": str(tmp_path / "cache"),
    }  # fmt: skip
    for locked, result in (("false", "new"), ("true", "untouched")):
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", fetch_script()], cwd=tmp_path,
            env={**environment, "HFIT_LOCKED": locked}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        report = json.loads((tmp_path / "hfit-report.json").read_text())
        assert [item["result"] for item in report["packages"]] == [result]
    assert list(temporary.iterdir()) == []
    assert "OPENSSH" not in done.stdout + done.stderr
    assert (tmp_path / "output").read_text().startswith(f"report={tmp_path}")


def test_every_input_of_the_action_is_used_and_documented() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    text, page = (ROOT / "action.yml").read_text("utf-8"), (ROOT / "docs" / "interfaces.md").read_text("utf-8")
    for name in action["inputs"]:
        assert f"inputs.{name}" in text
        assert f"`{name}`" in page or f"{name}:" in page


def test_the_hook_runs_as_pre_commit_runs_it(tmp_path: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert {"id", "name", "entry", "language"} <= set(hook)
    assert f"id: {hook['id']}" in (ROOT / "docs" / "interfaces.md").read_text("utf-8")
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    example = subprocess.run([BIN / "hfit", "pkg-example"], capture_output=True, text=True, check=True).stdout
    good.write_text(example)
    bad.write_text(example.replace("exports:", "export:"))
    program, *words = hook["entry"].split()
    for files, code in (((good,), 0), ((good, bad), 2)):
        done = subprocess.run([BIN / program, *words, *files], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr


def test_the_scripts_of_the_examples_use_commands_that_exist() -> None:
    jobs = yaml.safe_load((ROOT / "examples/ci/gitlab-ci.yml").read_text("utf-8"))
    lines = [line for job in jobs.values() if isinstance(job, dict)
             for line in [*job.get("script", ()), *job.get("before_script", ())]]  # fmt: skip
    compose = yaml.safe_load((ROOT / "examples/compose/compose.yaml").read_text("utf-8"))
    lines += compose["services"]["fixtures"]["command"][-1].splitlines()
    commands = [line.split() for line in lines if line.startswith("hfit ")]
    assert len(commands) >= 6
    for _, *words in commands:
        verbs = words[:2] if words[0] == "pkg-tmpl" else words[:1]
        options = [word for word in words if word.startswith("--")]
        shown = subprocess.run([BIN / "hfit", *verbs, "--help"], capture_output=True, text=True, check=True,
                               env={**os.environ, "COLUMNS": "100"}).stdout  # fmt: skip
        assert [option for option in options if option not in (*shown.split(), "--json")] == []
