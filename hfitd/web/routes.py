"""Every URL of the daemon on one page: method, path, handler, who may call it, what it takes and gives."""

from __future__ import annotations

from hfitd.web.bodies import ChallengeBody, DownloadBody, LoginBody, PlanBody
from hfitd.web.handlers import auth, db, files, packages, system, templates
from hfitd.web.table import Guard, Route

API = "/api/v1"
NDJSON, BINARY, YAML = "application/x-ndjson", "application/octet-stream", "application/yaml"
ROWS_QUERY = {
    "filter": "Condition such as created_at >= '2024-01-01'",
    "order": "Columns to sort by, each with asc or desc",
    "limit": "At most this many rows",
}
FILES_QUERY = {
    "name": "Glob on the base name; may be repeated",
    "mtime": "Days: newer than N, or older than -N",
    "size": "Bytes such as >10MB or <1000",
    "sort": "mtime, size, name or path, then :asc or :desc",
    "folder": "Only below this folder",
}
DRY_RUN = {"dry_run": "1 checks and changes nothing"}
PUBLIC, METRICS = Guard.PUBLIC, Guard.METRICS


def api(method: str, path: str, *rest: object, **named: object) -> Route:
    """A route below the base."""
    return Route(method, API + path, *rest, **named)  # type: ignore[arg-type]


ROUTES: tuple[Route, ...] = (
    Route("GET", "/health", system.health, "Whether the process lives", PUBLIC, "system"),
    Route("GET", "/ready", system.ready, "Whether it can serve: store, audit, providers", PUBLIC, "system"),
    Route("GET", "/version", system.version, "Version and API version", PUBLIC, "system"),
    Route("GET", "/metrics", system.metrics, "Prometheus metrics", METRICS, "system", response="text/plain"),
    Route("GET", "/openapi.json", system.openapi, "This document", PUBLIC, "system"),
    Route("GET", "/docs", system.docs, "The document to browse", PUBLIC, "system", response="text/html"),
    Route("GET", "/docs/{file}", system.docs_file, "Its parts", PUBLIC, "system", response=BINARY),
    Route("GET", "/.well-known/jwks.json", auth.jwks, "Keys that sign tokens", PUBLIC, "auth"),
    api("POST", "/auth/challenge", auth.challenge, "A nonce to sign", PUBLIC, "auth", ChallengeBody, max_body=16384),
    api("POST", "/auth/login", auth.login, "A token for a signature", PUBLIC, "auth", LoginBody, max_body=16384),
    api("POST", "/auth/logout", auth.logout, "End this token", tag="auth", status=204),
    api("GET", "/auth/whoami", auth.whoami, "Who you are", tag="auth"),
    api("GET", "/package-keys", auth.package_keys, "Keys that sign packages", PUBLIC, "auth"),
    api("GET", "/db/dbmss", db.dbmss, "Providers", tag="databases"),
    api("GET", "/db/{provider}/dbs", db.dbs, "Databases of a provider", tag="databases"),
    api("GET", "/db/{provider}/{db}/tables", db.tables, "Tables of a database", tag="databases"),
    api("GET", "/db/{provider}/{db}/{table}", db.describe, "One table's shape and masks", tag="databases"),
    api(
        "GET",
        "/db/{provider}/{db}/{table}/rows",
        db.rows,
        "Masked rows; NDJSON with an end record, or CSV by Accept",
        tag="databases",
        response=NDJSON,
        query=ROWS_QUERY,
        audits_itself=True,
    ),
    api("HEAD", "/db/{provider}/{db}/{table}/rows", db.rows_exist, "Whether there is such a table", tag="databases"),
    api("GET", "/volumes", files.volumes, "Volumes", tag="volumes"),
    api(
        "GET",
        "/files/{volume}",
        files.files,
        "Files of a volume",
        tag="volumes",
        response=NDJSON,
        query=FILES_QUERY,
        audits_itself=True,
    ),
    api(
        "GET",
        "/files/{volume}/download",
        files.download_file,
        "One file by path, or the first that the filters select",
        tag="volumes",
        response=BINARY,
        query={"path": "Path in the volume", **FILES_QUERY},
        audits_itself=True,
    ),
    api("HEAD", "/files/{volume}/download", files.file_head, "The head of that file", tag="volumes"),
    api("GET", "/packtmpl", templates.list_templates, "Templates you may use", tag="templates"),
    api(
        "POST",
        "/packtmpl",
        templates.create_template,
        "Keep a new template",
        tag="templates",
        request=YAML,
        status=201,
        max_body=65536,
        query=DRY_RUN,
    ),
    api("GET", "/packtmpl/{name}", templates.show_template, "A template's text", tag="templates", response=YAML),
    api(
        "PUT",
        "/packtmpl/{name}",
        templates.update_template,
        "Replace it",
        tag="templates",
        request=YAML,
        max_body=65536,
    ),
    api(
        "PATCH",
        "/packtmpl/{name}",
        templates.diff_template,
        "What replacing it would change; changes nothing",
        tag="templates",
        request=YAML,
        response="text/x-diff",
        max_body=65536,
    ),
    api("DELETE", "/packtmpl/{name}", templates.delete_template, "Remove it", tag="templates", status=204),
    api("POST", "/packtmpl/{name}/share", templates.share_template, "Let others run it", tag="templates"),
    api(
        "POST",
        "/packtmpl-bundle",
        templates.push_bundle,
        "Keep a .tar.gz of templates, all or nothing",
        tag="templates",
        request="application/gzip",
        max_body=templates.MAX_BUNDLE,
        query=DRY_RUN,
    ),
    api(
        "POST",
        "/packplan",
        packages.plan_package,
        "What a download would do",
        tag="packages",
        request=PlanBody,
        max_body=packages.MAX_BODY,
        audits_itself=True,
    ),
    api(
        "POST",
        "/packdownload",
        packages.download_package,
        "Build or get a package",
        tag="packages",
        request=DownloadBody,
        response="application/gzip",
        max_body=packages.MAX_BODY,
        audits_itself=True,
    ),
    api(
        "GET",
        "/packages/{id}",
        packages.get_package,
        "The same bytes again",
        tag="packages",
        response=BINARY,
        audits_itself=True,
    ),
    api("HEAD", "/packages/{id}", packages.package_head, "Their head", tag="packages"),
    api(
        "GET",
        "/packages/{id}/events",
        packages.package_events,
        "Progress as server-sent events",
        tag="packages",
        response="text/event-stream",
        audits_itself=True,
    ),
)
