"""The table of formats: a new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hfitd.volumes.masked.csv_file import CSV
from hfitd.volumes.masked.interface import Format
from hfitd.volumes.masked.json_file import JSON, NDJSON
from hfitd.volumes.masked.log_file import LOG

FORMATS: Mapping[str, Format] = MappingProxyType({"csv": CSV, "ndjson": NDJSON, "json": JSON, "log": LOG})
