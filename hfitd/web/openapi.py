"""OpenAPI 3.1, made from the route table and the body schemas; nothing is described twice."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema

from hfitd.web.table import Guard, Route

ERROR = {
    "type": "object",
    "required": ["category", "code", "message", "resource", "suggestions", "timestamp", "request_id"],
    "properties": {
        "category": {
            "enum": [
                "NOT_FOUND",
                "AUTHENTICATION",
                "PERMISSION_DENIED",
                "VALIDATION_ERROR",
                "RATE_LIMIT",
                "CONNECTION",
                "TIMEOUT",
                "INTERNAL_ERROR",
            ]
        },
        "code": {"type": "string"},
        "message": {"type": "string"},
        "resource": {"type": ["string", "null"]},
        "suggestions": {"type": "array", "items": {"type": "string"}},
        "timestamp": {"type": "string", "format": "date-time"},
        "request_id": {"type": "string"},
    },
}


def make_document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The document as a value; every route of the table is in it exactly once."""
    spec = APISpec(
        title="Hot Fixture Tool",
        version=version,
        openapi_version="3.1.0",
        info={"description": "Small, real, masked packages of test data from production databases and volumes."},
        plugins=[MarshmallowPlugin(schema_name_resolver=_schema_name)],
    )
    spec.components.schema("Error", ERROR)
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    for route in routes:
        spec.path(path=route.path, operations={route.method.lower(): _operation(route)})
    document: dict[str, Any] = spec.to_dict()
    return document


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "description": inspect.getdoc(route.handler) or "",
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": {
            str(route.status): _success(route),
            "default": {
                "description": "Every error has this shape.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
        "security": [] if route.guard is Guard.PUBLIC else [{"token": []}],
    }
    if route.request is not None:
        operation["requestBody"] = _request_body(route.request)
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = re.findall(r"\{([a-z]+)\}", route.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in route.query.items()
    ]


def _success(route: Route) -> dict[str, Any]:
    if route.method == "HEAD" or route.status == 204:
        return {"description": "No body."}
    schema: dict[str, Any] = {} if route.response == "application/json" else {"type": "string"}
    return {"description": route.summary, "content": {route.response: {"schema": schema}}}


def _request_body(request: type[Schema] | str) -> dict[str, Any]:
    if isinstance(request, str):
        return {"required": True, "content": {request: {"schema": {"type": "string"}}}}
    return {"required": True, "content": {"application/json": {"schema": request}}}


def _schema_name(schema: object) -> str:
    cls = schema if isinstance(schema, type) else type(schema)
    return cls.__name__.removesuffix("Body") + "Request"
