"""The server's OpenAPI document: what may be asked, and every answer there is."""

from __future__ import annotations

from typing import Any

from fer_fast import __version__
from fer_fast.serve.limits import Limits

_NUMBER = {"type": "number"}
_FRACTION = {"type": "number", "minimum": 0, "maximum": 1}


def openapi_document(labels: tuple[str, ...], limits: Limits) -> dict[str, Any]:
    """Return the document for a model with these labels and a server with these limits."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fer-fast",
            "version": __version__,
            "description": "Faces in pictures and their expressions. Nothing sent is kept.",
        },
        "paths": {
            "/v1/predict": {"post": _predict(limits)},
            "/v1/model": {"get": _get("What the model says about itself", {"type": "object"})},
            "/healthz": {
                "get": _get("The server works", _object({"status": {"const": "ok"}}), 503)
            },
        },
        "components": {"schemas": _schemas(labels), "responses": _refusals(limits)},
    }


def _predict(limits: Limits) -> dict[str, Any]:
    return {
        "summary": "Find the faces of a picture and say their expressions",
        "parameters": [
            {
                "name": "faces",
                "in": "query",
                "description": "Which faces; none: the picture is a face",
                "schema": {"enum": ["all", "largest", "none"], "default": "all"},
            },
            {
                "name": "crops",
                "in": "query",
                "description": "1: add what the model saw of each face, a PNG in base64",
                "schema": {"enum": ["0", "1"], "default": "0"},
            },
        ],
        "requestBody": {
            "required": True,
            "description": (
                "The bytes of a JPEG, PNG, WebP, GIF or BMP file, at most "
                f"{limits.body_bytes:,}; of an animation, the first picture counts"
            ),
            "content": {"image/*": {}, "application/octet-stream": {}},
        },
        "responses": {
            "200": _json("The picture's faces", {"$ref": "#/components/schemas/Picture"}),
            **_refused(400, 408, 413, 415, 422, 503),
        },
    }


def _get(description: str, schema: dict[str, Any], *refusals: int) -> dict[str, Any]:
    return {
        "summary": description,
        "responses": {"200": _json(description, schema), **_refused(400, *refusals)},
    }


def _refused(*statuses: int) -> dict[str, Any]:
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _schemas(labels: tuple[str, ...]) -> dict[str, Any]:
    box = dict.fromkeys(("left", "top", "width", "height"), _NUMBER)
    point = {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}
    face = {
        "box": _object(box) | {"description": "In pixels of the upright picture"},
        "landmarks": {
            "type": "array",
            "items": point,
            "description": (
                "The person's right eye, left eye, nose, right and left corner of the mouth"
            ),
        },
        "score": {"type": ["number", "null"], "description": "How sure the detector is, 0 to 1"},
        "label": {"enum": list(labels)},
        "margin": _FRACTION | {"description": "The greatest probability less the second"},
        "probabilities": _object(dict.fromkeys(labels, _FRACTION)),
    }
    crop = {"crop": {"type": "string", "description": "A PNG in base64, where asked for"}}
    return {
        "Picture": _object(
            {
                "width": {"type": "integer"},
                "height": {"type": "integer"},
                "faces": {"type": "array", "items": {"$ref": "#/components/schemas/Face"}},
            }
        ),
        "Face": _object(face) | {"properties": face | crop},
        "Error": _object({"message": {"type": "string"}, "hint": {"type": "string"}}),
    }


def _refusals(limits: Limits) -> dict[str, Any]:
    error = {"$ref": "#/components/schemas/Error"}
    return {
        "400": _json("The Host header names another server", error),
        "408": _json(f"The body took more than {limits.seconds:g} seconds", error),
        "413": _json(f"More than {limits.body_bytes:,} bytes or {limits.pixels:,} pixels", error),
        "415": _json("The body is no picture of a known format", error),
        "422": _json(
            f"The picture is damaged, has more than {limits.faces} faces, or faces= is wrong",
            error,
        ),
        "503": _json(
            f"{limits.requests} requests are under way, or an answer took more than "
            f"{limits.seconds:g} seconds",
            error,
        )
        | {"headers": {"Retry-After": {"schema": {"type": "integer"}}}},
    }


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}
