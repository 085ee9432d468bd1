"""Writes ``deploy/constraints.txt``: the exact version of everything that an image or a release is made of.

Versions are those of the environment that the suite has passed in: ``make constraints`` after ``make test``.
"""

from __future__ import annotations

from importlib.metadata import distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.source import ROOT

PATH = ROOT / "deploy" / "constraints.txt"
DISTRIBUTION = "hot-fixture-tool"
EXTRAS = ("server", "s3", "otel")
HEAD = """# What the image and the releases hold, exactly. `make constraints` writes it; `make audit` looks it up.
# pip install --constraint deploy/constraints.txt 'hot-fixture-tool[server,s3,otel]'
"""


def closure() -> dict[str, str]:
    """Name and installed version of everything that the distribution with its extras for servers needs."""
    found: dict[str, str] = {}
    waiting = [Requirement(f"{DISTRIBUTION}[{','.join(EXTRAS)}]")]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        key = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if key in seen:
            continue
        seen.add(key)
        installed = distribution(wanted.name)
        found[key[0]] = installed.version
        for text in installed.requires or ():
            needed = Requirement(text)
            marks = [{"extra": extra} for extra in (*wanted.extras, "")]
            if needed.marker is None or any(needed.marker.evaluate(mark) for mark in marks):
                waiting.append(needed)
    del found[DISTRIBUTION]
    return found


def text() -> str:
    """The file."""
    return HEAD + "".join(f"{name}=={version}\n" for name, version in sorted(closure().items()))


if __name__ == "__main__":
    PATH.write_text(text(), "utf-8")
