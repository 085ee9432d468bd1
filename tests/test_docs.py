"""The pages: everything that a user can type, send or get is on one of them, as it is; every example works."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hfit.commands.root import root as hfit_root
from hfitd.cli import main as hfitd_main
from hfitd.config.load import load_config
from hfitd.export.items.table import ITEMS
from hfitd.export.template.exports import TYPES
from hfitd.export.template.parameters import TYPES as PARAMETER_TYPES
from hfitd.masks.table import MASKS
from hfitd.model import Action
from hfitd.web.routes import ROUTES
from tests.support import reference
from tests.support.source import ROOT, modules

ELSEWHERE = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *(ROOT / name for name in ELSEWHERE)])
HEADER = """\
hfitVersion: 1
templateName: example-{number}
parameters:
  customer_id: {{type: integer, required: true}}
"""


def page(name: str) -> str:
    """The text of a page in ``docs/``."""
    return (ROOT / "docs" / name).read_text("utf-8")


def name_of(path: object) -> str:
    """A page's name, for a test's id."""
    return path.name if isinstance(path, Path) else str(path)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_what_is_generated_is_what_the_program_says(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text == reference.renew(text), f"{path.name} is behind the program; run: make docs"


def test_every_generated_part_stands_on_a_page() -> None:
    found = [match[2] for path in PAGES for match in reference.MARK.finditer(path.read_text("utf-8"))]
    assert sorted(found) == sorted(reference.BLOCKS)


ALL_COMMANDS = [*reference.commands(hfit_root, "hfit"), *reference.commands(hfitd_main, "hfitd")]


@pytest.mark.parametrize(("path", "command"), ALL_COMMANDS, ids=name_of)
def test_every_command_and_flag_is_documented(path: str, command: click.Command) -> None:
    assert command.help, f"{path} has no help"
    _, found, section = page("cli.md").partition(f"# {path}\n")
    assert found, f"{path} is not on the page"
    section = section.partition("\n##")[0]
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, f"{path} {parameter.opts[0]} has no help"
            for flag in (*parameter.opts, *parameter.secondary_opts):
                assert flag in section, f"{path} {flag}"


@pytest.mark.parametrize("words", ["hfit", "hfit pkg-download", "hfit pkg-tmpl push", "hfitd", "hfitd user add"])
def test_the_page_says_what_help_prints(words: str) -> None:
    program, *rest = words.split()
    done = subprocess.run(
        [sys.executable, "-m", program, *rest, "--help"],
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "80"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    program_says = done.stdout.replace(f"python -m {program}", program)
    assert program_says.rstrip() in page("cli.md")


def test_every_configuration_key_has_a_remark() -> None:
    meanings = reference.config_meanings()
    assert [f"{part}.{key}" for part, key, _ in reference.config_keys() if not meanings.get(f"{part}.{key}")] == []


def test_every_route_mask_and_action_is_documented() -> None:
    api, masks, configuration = page("api.md"), page("masks.md"), page("configuration.md")
    assert [route.path for route in ROUTES if f"| `{route.method}` | `{route.path}` |" not in api] == []
    assert [name for name in MASKS if f"| `{name}` |" not in masks] == []
    assert [action for action in Action if f"`{action.value}`" not in configuration] == []


def test_every_mask_with_values_has_an_example() -> None:
    assert [name for name in MASKS if name not in reference.SAMPLES] == []


def test_every_error_code_is_documented() -> None:
    text = page("errors.md")
    names = re.findall(r"^class (\w+)\(", (ROOT / "hfitd" / "errors.py").read_text("utf-8"), re.M)
    codes = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper() for name in names]
    missing = [code for code in codes if f"| `{code}` |" not in text]
    # what an operator's terminal shows, and the roots, are no code of an answer
    assert set(missing) <= {"HFIT_ERROR", "CONFIG_ERROR", "START_REFUSED", "ADMIN_REFUSED", "MISTAKE"}


def test_every_file_of_a_package_is_documented() -> None:
    text = page("packages.md")
    source = "\n".join(module.text for module in modules("hfitd") if ".export.package" in module.name)
    names = set(re.findall(r'"((?:METADATA/)?[a-z]+\.(?:json|yaml|sig)|README\.md)"', source))
    assert len(names) >= 7
    assert [name for name in names if name.removeprefix("METADATA/") not in text] == []


def test_every_export_and_parameter_type_is_documented() -> None:
    text = page("templates.md")
    assert [kind for kind in ITEMS if f"### `{kind}`" not in text] == []
    assert [kind for kind in TYPES if kind in ITEMS and f"type: {kind}" not in text] == []
    assert [kind for kind in PARAMETER_TYPES if f"`{kind}`" not in text] == []


def test_the_readme_starts_with_the_two_commands() -> None:
    first = "\n".join((ROOT / "README.md").read_text("utf-8").splitlines()[:40])
    assert "make demo" in first
    assert "make test" in first


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_link_leads_somewhere(path: Path) -> None:
    text = path.read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        wanted = (path.parent / file).resolve() if file else path
        assert wanted.exists(), target
        assert wanted.is_relative_to(ROOT)
        assert not anchor or anchor in anchors(wanted.read_text("utf-8")), target


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_file_that_a_page_names_exists(path: Path) -> None:
    for name in re.findall(r"`((?:hfitd?|tests|docs|deploy|examples)/[\w./-]+)`", path.read_text("utf-8")):
        assert "NAME" in name or (ROOT / name).exists(), name


def linked(path: Path) -> set[Path]:
    """The pages that a page links to."""
    targets = re.findall(r"\]\(([^)\s#]+\.md)", path.read_text("utf-8"))
    return {(path.parent / target).resolve() for target in targets if "://" not in target}


def test_every_page_is_reachable_from_the_readme() -> None:
    found, fresh = set(), {ROOT / "README.md"}
    while fresh:
        found |= fresh
        fresh = {target for path in fresh for target in linked(path)} - found
    assert [path.name for path in PAGES if path not in found] == []


def test_the_configuration_of_the_page_loads(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", page("configuration.md"), re.S)
    assert blocks
    for block in blocks:
        path = tmp_path / "config.toml"
        path.write_text(block, "utf-8")
        config = load_config(path, {"SHOP_PG_PASSWORD": "secret"})
        assert set(config.providers) == set(tomllib.loads(block)["providers"])


def examples() -> Iterator[str]:
    """The templates of ``docs/templates.md``; a part of one gets a header."""
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", page("templates.md"), re.S)):
        if not block.startswith("parameters"):
            yield block if block.startswith("hfitVersion") else HEADER.format(number=number) + block


def test_every_example_template_works_against_the_demo(demo_client: Path) -> None:
    """Created, planned and downloaded with ``hfit`` against ``hfitd demo --keep``, as the page promises."""
    for number, text in enumerate(examples()):
        name = re.search(r"templateName: (\S+)", text)
        assert name is not None
        (demo_client / f"{number}.yaml").write_text(text, "utf-8")
        for words in (
            f"pkg-tmpl create {number}.yaml", f"pkg-plan {name[1]} customer_id=42",
            f"pkg-download {name[1]} customer_id=42 -o out-{number}", f"verify out-{number}",
        ):  # fmt: skip
            done = subprocess.run(
                [sys.executable, "-m", "hfit", "--config-dir", "client", *words.split()],
                cwd=demo_client, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{text}\n{words}\n{done.stderr}"


@pytest.fixture(scope="module")
def demo_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a demo that keeps running; ``client`` in it is logged in."""
    home = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [sys.executable, "-m", "hfitd", "demo", "--keep"],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(home)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = home.iterdir()
    yield folder
    stop = done.stdout.rpartition("To stop it: ")[2].strip()
    subprocess.run(["sh", "-c", stop], check=True)
