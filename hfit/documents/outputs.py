"""Which command prints what with ``--json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hfit.documents.catalog import DownloadedFile, FileEntry, Table
from hfit.documents.governance import AuditEntry, Request
from hfit.documents.packages import Chain, DownloadedPackage, Loads, PackageReport, Plan, Purged, Refreshed
from hfit.documents.session import (
    Address,
    Check,
    LoggedIn,
    LoggedOut,
    Person,
    Project,
    SettingHelp,
    Settings,
    SettingWritten,
)
from hfit.documents.templates import (
    Approval,
    ExampleText,
    LintFinding,
    Template,
    TemplateDeleted,
    TemplateDiff,
    TemplateDraft,
    TemplateResult,
    TemplateText,
    ValidTemplate,
    Withdrawal,
)


class Stream:
    """A command that prints one document a line (NDJSON)."""

    def __init__(self, line: object) -> None:
        self.line = line


OUTPUTS: Mapping[str, Any] = {
    "login": LoggedIn,
    "logout": LoggedOut,
    "init": Project,
    "whoami": Person,
    "config show": Settings,
    "config list": list[SettingHelp],
    "config get": str,
    "config set": SettingWritten,
    "dbmss": list[str],
    "dbs": list[str],
    "tables": list[str],
    "describe": Table,
    "rows": Stream(dict[str, Any]),
    "volumes": list[str],
    "files": Stream(FileEntry),
    "download": DownloadedFile,
    "pkg-example": ExampleText,
    "pkg-tmpl new": TemplateDraft,
    "pkg-tmpl lint": list[LintFinding],
    "pkg-tmpl list": list[Template],
    "pkg-tmpl show": TemplateText,
    "pkg-tmpl create": Template,
    "pkg-tmpl update": Template,
    "pkg-tmpl validate": ValidTemplate,
    "pkg-tmpl share": Template,
    "pkg-tmpl patch": TemplateDiff,
    "pkg-tmpl delete": TemplateDeleted,
    "pkg-tmpl push": list[TemplateResult],
    "pkg-tmpl pull": list[TemplateResult],
    "pkg-tmpl approve": Approval,
    "pkg-tmpl unapprove": Withdrawal,
    "pkg-plan": Plan,
    "pkg-download": DownloadedPackage,
    "request new": Request,
    "request list": list[Request],
    "request show": Request,
    "request approve": Request,
    "request deny": Request,
    "request revoke": Request,
    "request review": Request,
    "refresh": Refreshed,
    "verify": PackageReport,
    "load": Loads,
    "explain": Chain,
    "purge": list[Purged],
    "doctor": list[Check],
    "audit search": Stream(AuditEntry),
    "web": Address,
}
