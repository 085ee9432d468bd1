"""Every page of the console: method, path, handler, and the action of the API that it is on record as."""

from __future__ import annotations

from dataclasses import replace

from hfitd.web.console import audit, data, entry, gallery, operations, packages, requests, review, volumes
from hfitd.web.handlers import files as api_files
from hfitd.web.handlers import packages as api_packages
from hfitd.web.table import Guard, Handler, Route

MAX_FORM = 256 * 1024


def page(path: str, handler: Handler, summary: str, *, action: str = "", audits_itself: bool = False) -> Route:
    """A page to look at."""
    return Route(
        "GET",
        "/console" + path,
        handler,
        summary,
        Guard.CONSOLE,
        response="text/html",
        action=action,
        audits_itself=audits_itself,
    )


def form(path: str, handler: Handler, summary: str, *, action: str = "", audits_itself: bool = False) -> Route:
    """A form that does something."""
    looked = page(path, handler, summary, action=action, audits_itself=audits_itself)
    return replace(looked, method="POST", max_body=MAX_FORM)


CONSOLE_ROUTES: tuple[Route, ...] = (
    Route("GET", "/console/enter", entry.enter_page, "Where `hfit web` leads", Guard.PUBLIC, response="text/html"),
    Route(
        "POST",
        "/console/enter",
        entry.enter,
        "A session for a ticket",
        Guard.PUBLIC,
        response="text/html",
        max_body=entry.MAX_ENTER,
    ),
    Route("GET", "/console/static/{file}", entry.static_file, "Style and script", Guard.PUBLIC),
    form("/leave", entry.leave, "End the session", action="logout"),
    page("", gallery.gallery, "Templates you may use", action="list_templates"),
    page("/templates/{name}", gallery.template_page, "One template and its form", action="show_template"),
    form(
        "/templates/{name}/plan",
        gallery.plan_template,
        "Its plan, as a picture and as a table",
        action="plan_package",
        audits_itself=True,
    ),
    form(
        "/templates/{name}/run",
        gallery.run_template,
        "Run it",
        action="download_package",
        audits_itself=True,
    ),
    page("/packages", packages.own_packages, "Your packages and when they expire", action="list_packages"),
    page("/packages/{id}", packages.package_page, "One package, live while it is made", action="package_head"),
    page(
        "/packages/{id}/events",
        api_packages.package_events,
        "Its progress as server-sent events",
        audits_itself=True,
    ),
    page("/packages/{id}/download", api_packages.get_package, "The package itself", audits_itself=True),
    page("/data", data.providers_page, "Providers and their databases", action="dbmss"),
    page("/data/{provider}/{db}", data.tables_page, "The tables of a database", action="tables"),
    page("/data/{provider}/{db}/{table}", data.table_page, "Its columns, masks, and why", action="describe"),
    page("/volumes", volumes.volumes_page, "Volumes", action="volumes"),
    page("/volumes/{volume}", volumes.files_page, "Files of a volume, filtered", action="files", audits_itself=True),
    page("/volumes/{volume}/download", api_files.download_file, "A file itself", audits_itself=True),
    page("/requests", requests.requests_page, "Access requests and reviews that wait", action="list_requests"),
    form("/requests", requests.ask_access, "Ask for access", action="request_access", audits_itself=True),
    form(
        "/requests/{id}/{answer}",
        requests.answer_access,
        "Approve, deny, revoke or review one",
        action="approve_request",
        audits_itself=True,
    ),
    page("/templates/{name}/review", review.review_page, "What a reviewer reads", action="review_template"),
    form(
        "/templates/{name}/approve", review.approve, "Approve it", action="approve_template", audits_itself=True
    ),
    form(
        "/templates/{name}/unapprove",
        review.withdraw,
        "Withdraw the approval",
        action="unapprove_template",
        audits_itself=True,
    ),
    page("/audit", audit.audit_page, "Search the audit log, with `audit.read`", action="search", audits_itself=True),
    page("/operations", operations.operations_page, "Providers, queues, instances: as `/metrics`", action="metrics"),
)
