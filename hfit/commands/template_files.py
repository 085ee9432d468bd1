"""Template files on this machine: reading them, bundling a folder, writing a folder."""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from hfit.errors import PolicyRefused, UsageMistake, nothing_here
from hfit.package.names import check_name
from hfit.text import visible

MAX_TEMPLATE_BYTES = 64 << 10
MAX_NAME_BYTES = 100
SUFFIXES = (".yaml", ".yml")


def read_template(path: str) -> bytes:
    """The bytes of a template file; ``-`` is standard input. Refuses more than 64 KiB, the server's limit."""
    try:
        if path == "-":
            data = sys.stdin.buffer.read(MAX_TEMPLATE_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(MAX_TEMPLATE_BYTES + 1)
    except FileNotFoundError as error:
        raise nothing_here(f"There is no file {path}.") from error
    if len(data) > MAX_TEMPLATE_BYTES:
        raise UsageMistake(f"{path} is longer than a template can be ({MAX_TEMPLATE_BYTES} bytes).")
    return data


def template_name(text: bytes, path: str) -> str:
    """The ``templateName`` of a template text; everything else in it is the server's to judge."""
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise UsageMistake(f"{path} is not YAML.", reason=visible(error)) from error
    name = document.get("templateName") if isinstance(document, dict) else None
    if not isinstance(name, str) or not name:
        raise UsageMistake(
            f"{path} has no templateName.", suggestions=["Add a line: templateName: NAME", "See: hfit pkg-example"]
        )
    return name


def bundle_folder(folder: Path) -> bytes:
    """Every ``.yaml`` and ``.yml`` below a folder as one ``.tar.gz``, the same bytes for the same files."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise nothing_here(f"There is no template (.yaml, .yml) in {folder}.")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in paths:
            name = path.relative_to(folder).as_posix()
            if len(name.encode()) > MAX_NAME_BYTES:
                raise UsageMistake(f"The name {name} is too long for a bundle ({MAX_NAME_BYTES} bytes).")
            data = read_template(str(path))
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(archive.getvalue(), mtime=0)


def write_folder(folder: Path, texts: Mapping[str, str], *, force: bool) -> list[dict[str, str]]:
    """Write templates as ``NAME.yaml``; all or nothing: a file that differs is only replaced with ``force``."""
    targets = {name: folder / f"{check_name(name)}.yaml" for name in texts}
    before = {name: path.read_text("utf-8") if path.exists() else None for name, path in targets.items()}
    changed = [name for name, text in before.items() if text is not None and text != texts[name]]
    if changed and not force:
        raise PolicyRefused(
            f"{targets[changed[0]]} differs from the server's; nothing was written.",
            reason=f"{len(changed)} files differ." if len(changed) > 1 else "",
            suggestions=["See the difference: hfit pkg-tmpl patch FILE", "Replace it with --force."],
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in targets.items():
        if before[name] != texts[name]:
            path.write_text(texts[name], "utf-8", newline="")
    return [
        {"name": name, "result": "new" if text is None else "updated" if name in changed else "untouched"}
        for name, text in before.items()
    ]


def local_names(templates: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """Local name and the name to ask the server for; a name that several owners use gets its owner added."""
    names = [str(item.get("name", "")) for item in templates]
    found = {}
    for item, name in zip(templates, names, strict=True):
        owner = str(item.get("owner", ""))
        ambiguous = names.count(name) > 1
        found[f"{name}@{owner}" if ambiguous else name] = f"{owner}:{name}" if ambiguous else name
    return found
