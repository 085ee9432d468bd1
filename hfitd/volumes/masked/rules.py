"""Which rules cover a file, and what they make of it.

1. A glob with ``/`` is about the path, another about the base name; neither case nor the spelling of a letter (NFC or
   NFD) matters, so that ``A.CSV`` is not overlooked. What was asked for counts, and what was really opened.
2. A file that is packed beside its kind (``x.csv.gz`` where ``*.csv`` is a rule) is covered like it. gzip is unpacked,
   masked and packed again. Any other packing does not parse, so it is refused; a log, in which lines of anything may
   be kept, is refused by its name.
3. All rules that cover a file apply together; they have to be of one format, else the file is refused.
4. What a rule makes of a file depends on the file, the rules, the mask key and ``VERSION``, and on nothing else.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from hfitd.config.model import VolumeConfig, VolumeMask
from hfitd.errors import MaskDoesNotFit, Mistake
from hfitd.masks.derive import derive_key, digest
from hfitd.volumes.masked.gzip_file import GzipMasker
from hfitd.volumes.masked.interface import Masker, refuse
from hfitd.volumes.masked.table import FORMATS
from hfitd.volumes.masked.values import bind_json, bind_text

VERSION = 2  # raise it when the same file would be masked to other bytes
_PACKED = (
    ".gz", ".bz2", ".xz", ".zst", ".zip", ".z", ".lz4", ".br", ".gzip", ".bz", ".zstd", ".lzma", ".lz", ".lzo", ".sz",
    ".tar", ".7z", ".rar",
)  # fmt: skip
_GZIP = ".gz"
_ANY_KEY = b"any key will do to see whether a mask fits"


@dataclass(frozen=True, slots=True)
class Masking:
    """The rules that cover one file, under the mask key."""

    rules: tuple[VolumeMask, ...]
    key: bytes
    gzip: bool = False
    packed: bool = False  # in another way, or twice

    @property
    def masks(self) -> Mapping[str, str]:
        """Columns, paths or groups with the names of their masks, for manifests and the audit log."""
        found: dict[str, str] = {}
        for rule in reversed(self.rules):
            found.update(FORMATS[rule.format].parts(rule))  # of two masks for one part the first rule's holds
        return dict(sorted(found.items()))

    @property
    def digest(self) -> str:
        """Names rules and key (4)."""
        shape = [VERSION, self.gzip, _key_id(self.key), [rule_shape(rule) for rule in self.rules]]
        return hashlib.sha256(json.dumps(shape).encode()).hexdigest()

    def start(self) -> Masker:
        """A machine for one reading of the file. FileNotMaskable when the rules contradict one another (3)."""
        formats = {rule.format for rule in self.rules}
        if len(formats) > 1:
            raise refuse("two rules say different formats for it")
        if self.packed and "log" in formats:
            raise refuse("it is packed in a way that is not read")  # 2
        masker = FORMATS[self.rules[0].format].start(self.rules, self.key)
        return GzipMasker(masker) if self.gzip else masker


def find_masking(rules: Sequence[VolumeMask], key: bytes, paths: Sequence[Sequence[bytes]]) -> Masking | None:
    """What covers a file of these paths; None when nothing does."""
    found = tuple(rule for rule in rules if any(covers(rule, parts) for parts in paths))
    names = [os.fsdecode(parts[-1]).lower() for parts in paths]
    gzip = any(name.endswith(_GZIP) for name in names)
    packed = any(name.removesuffix(_GZIP).endswith(_PACKED) for name in names)
    return Masking(found, key, gzip, packed) if found else None


def covers(rule: VolumeMask, parts: Sequence[bytes]) -> bool:
    """Whether a rule is about the file (1, 2)."""
    path = _folded("/".join(os.fsdecode(part) for part in parts))
    spellings = [path]
    while path.endswith(_PACKED):
        path = path[: path.rindex(".")]
        spellings.append(path)
    return any(
        fnmatch.fnmatchcase(spelling if "/" in glob else spelling.rpartition("/")[2], _folded(glob))
        for spelling in spellings
        for glob in rule.files
    )


def rule_shape(rule: VolumeMask) -> str:
    """A rule as one text, for digests."""
    return json.dumps(asdict(rule), sort_keys=True, default=str)


def rules_digest(volumes: Mapping[str, VolumeConfig]) -> str:
    """Names every rule of every volume, in order; '' when there is none. It is part of the policy's version."""
    shape = {name: [rule_shape(rule) for rule in volume.masks] for name, volume in volumes.items() if volume.masks}
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest() if shape else ""


def find_rule_mistakes(volumes: Mapping[str, VolumeConfig], providers: Sequence[str]) -> Iterator[Mistake]:
    """Everything wrong with the mask rules of the volumes, for ``hfitd check`` and every start."""
    for volume in volumes.values():
        if volume.masks and volume.name in providers:
            yield Mistake(f"volumes.{volume.name}", "has mask rules and the name of a provider: raw: would mean both")
        formats: dict[str, str] = {}
        for number, rule in enumerate(volume.masks):
            key = f"volumes.{volume.name}.mask[{number}]"
            for problem in FORMATS[rule.format].problems(rule):
                yield Mistake(key, problem)
            yield from _mask_mistakes(key, rule)
            for glob in rule.files:
                problem = _glob_problem(glob)
                if not problem and formats.setdefault(_folded(glob), rule.format) != rule.format:
                    problem = "has another format in an earlier rule"
                if problem:
                    yield Mistake(f"{key}.files", f"{glob}: {problem}")


def _mask_mistakes(key: str, rule: VolumeMask) -> Iterator[Mistake]:
    tables = [("columns", name, mask) for name, mask in rule.columns.items()]
    tables += [("paths", path, mask) for path, mask in rule.paths.items()]
    for table, name, mask in tables:
        try:
            if rule.format in ("json", "ndjson"):
                bind_json(name, mask, _ANY_KEY)
            elif bind_text(mask, _ANY_KEY).subject and rule.format == "log":
                yield Mistake(f"{key}.{table}.{name}", "takes another column of the row, which a line has not")
        except MaskDoesNotFit as error:
            yield Mistake(f"{key}.{table}.{name}", error.message)


def _glob_problem(glob: str) -> str:
    if glob.startswith("/") or any(part in ("", ".", "..") for part in glob.split("/")):
        return "is a base name, or a path within the volume without a / at its ends"
    return "holds a control character" if any(ord(char) < 32 for char in glob) else ""


def _folded(text: str) -> str:
    """How names and globs are compared (1)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def _key_id(key: bytes) -> str:
    return digest(derive_key(key, "key-id"), b"").hex()[:16]
