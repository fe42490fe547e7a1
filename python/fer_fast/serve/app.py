"""The HTTP application: routes, limits and answers.

Nothing of a picture outlives its request: it is held in memory, never written and never logged.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import cast, get_args

from PIL import Image
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fer_fast.recognition import Face, PictureError, Recognizer
from fer_fast.recognition.document import picture_document
from fer_fast.recognition.recognizer import Faces
from fer_fast.serve.inference import Inference
from fer_fast.serve.limits import Limits
from fer_fast.serve.openapi import openapi_document

_PAGE = Path(__file__).parent / "page"
_MEDIA_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_STATUS = {"format": 415, "size": 413, "content": 422}
"""By `PictureError.kind`."""

_DISCARDED = 4
"""A refused body is read this many times over its limit, so that its sender hears the answer."""

_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob: data:; media-src blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Refusal(Exception):  # noqa: N818
    """An answer other than 200: what is wrong, and what to do."""

    def __init__(
        self, status: int, message: str, hint: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint
        self.headers = headers

    def response(self) -> JSONResponse:
        """Return the answer."""
        body = {"message": self.message, "hint": self.hint}
        return JSONResponse(body, self.status, headers=self.headers)


def create_app(
    recognizer: Recognizer,
    limits: Limits | None = None,
    *,
    hosts: tuple[str, ...] = LOCAL_HOSTS,
) -> Starlette:
    """Return the application, for any ASGI server with one process.

    Parameters
    ----------
    recognizer : Recognizer
        With one thread.
    limits : Limits or None
    hosts : tuple of str
        Names by which the server may be addressed; other Host headers are refused, so that no
        website reaches it by a name that it points here.
    """
    server = _Server(recognizer, limits or Limits())
    routes = [
        Route("/v1/predict", server.predict, methods=["POST"]),
        Route("/v1/model", server.model, methods=["GET"]),
        Route("/healthz", server.health, methods=["GET"]),
        Route("/openapi.json", server.openapi, methods=["GET"]),
        *(Route(path, _page(file), methods=["GET"]) for path, file in _PAGE_FILES.items()),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        server.inference.close()

    return Starlette(
        routes=routes,
        middleware=[Middleware(_Guard, hosts=frozenset(host.lower() for host in hosts))],
        exception_handlers={
            Refusal: _refused,
            HTTPException: _unrouted,
            Exception: _defect,
        },
        lifespan=lifespan,
    )


_PAGE_FILES = {"/": "index.html", "/page.css": "page.css", "/page.js": "page.js"}


def _page(name: str) -> Callable[[Request], Awaitable[Response]]:
    content = (_PAGE / name).read_bytes()
    media_type = f"{_MEDIA_TYPES[name.rpartition('.')[2]]}; charset=utf-8"

    async def serve(_: Request) -> Response:
        return Response(content, media_type=media_type)

    return serve


class _Server:
    """What requests share."""

    def __init__(self, recognizer: Recognizer, limits: Limits) -> None:
        self._recognizer = recognizer
        self._limits = limits
        self._under_way = 0
        self.inference = Inference(recognizer, max_pixels=limits.pixels, max_faces=limits.faces)

    async def predict(self, request: Request) -> Response:
        limits = self._limits
        faces = request.query_params.get("faces", "all")
        if faces not in get_args(Faces):
            raise Refusal(422, f"faces is {faces!r}", "choose all, largest or none")
        if self._under_way >= limits.requests:
            await _discard(request, limits.body_bytes * _DISCARDED, limits.seconds)
            raise _busy(f"{limits.requests} requests are under way")
        self._under_way += 1
        try:
            content = await self._body(request)
            try:
                async with asyncio.timeout(limits.seconds):
                    prediction = await self.inference.predict(content, cast(Faces, faces))
            except TimeoutError:
                raise _busy(f"the answer took more than {limits.seconds:g} seconds") from None
        except PictureError as error:
            raise Refusal(_STATUS[error.kind], error.message, error.hint) from None
        except ClientDisconnect:
            # Nobody hears it.
            return Response(status_code=400)
        finally:
            self._under_way -= 1
        document = picture_document(prediction)
        if request.query_params.get("crops") == "1":
            for said, face in zip(document["faces"], prediction.faces, strict=True):
                said["crop"] = _crop_png(face)
        return JSONResponse(document)

    async def _body(self, request: Request) -> bytes:
        limits = self._limits
        kind = request.headers.get("content-type", "application/octet-stream").partition(";")[0]
        is_picture = kind.startswith("image/") or kind == "application/octet-stream"
        parts: list[bytes] = []
        received = 0
        try:
            async with asyncio.timeout(limits.seconds):
                async for part in request.stream():
                    received += len(part)
                    if received <= limits.body_bytes and is_picture:
                        parts.append(part)
                    elif received > limits.body_bytes * _DISCARDED:
                        break
        except TimeoutError:
            raise Refusal(
                408, f"the picture took more than {limits.seconds:g} seconds to arrive", "try again"
            ) from None
        if not is_picture:
            raise Refusal(
                415,
                f"the body is of type {kind!r}",
                "send the picture's bytes as image/jpeg or another image type",
            )
        if received > limits.body_bytes:
            raise Refusal(
                413,
                f"the picture has more than {limits.body_bytes:,} bytes",
                "shrink it, or save it as JPEG",
            )
        return b"".join(parts)

    async def model(self, _: Request) -> Response:
        info = self._recognizer.info
        document = asdict(info) | {"digest": self._recognizer.digest}
        return JSONResponse(document | {"limits": asdict(self._limits)})

    async def health(self, _: Request) -> Response:
        if self.inference.alive:
            return JSONResponse({"status": "ok"})
        raise _busy("the inference thread has ended")

    async def openapi(self, _: Request) -> Response:
        return JSONResponse(openapi_document(self._recognizer.info.labels, self._limits))


def _busy(message: str) -> Refusal:
    return Refusal(503, message, "try again in a second", {"Retry-After": "1"})


async def _discard(request: Request, limit: int, seconds: float) -> None:
    """Read a body that nobody wants, so that its sender hears the answer."""
    received = 0
    with contextlib.suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                received += len(part)
                if received > limit:
                    break


def _crop_png(face: Face) -> str:
    """Return what the model saw as base64 of a PNG."""
    file = BytesIO()
    Image.fromarray(face.crop).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


async def _refused(_: Request, error: Exception) -> Response:
    return cast(Refusal, error).response()


async def _unrouted(request: Request, error: Exception) -> Response:
    status = cast(HTTPException, error).status_code
    message = f"there is no {request.method} {request.url.path}"
    headers = dict(cast(HTTPException, error).headers or {})
    return Refusal(status, message, "see /openapi.json", headers).response()


async def _defect(_: Request, error: Exception) -> Response:
    return Refusal(
        500, f"unexpected {type(error).__name__}", "this is a defect of fer-fast: report it"
    ).response()


class _Guard:
    """Refuses foreign Host headers, and sends the headers that keep a browser to this server."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_SECURITY_BYTES]
            await send(message)

        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) == 1 and _host_name(hosts[0].decode("latin-1")) in self._hosts:
            await self._app(scope, receive, send_guarded)
            return
        refusal = Refusal(
            400, "the Host header names another server", "use the address that fer-fast printed"
        )
        await refusal.response()(scope, receive, send_guarded)


_SECURITY_BYTES = [
    (name.lower().encode("ascii"), value.encode("ascii")) for name, value in _SECURITY.items()
]


def _host_name(header: str) -> str:
    """Return a Host header's name without its port, in lower case."""
    host, _, port = header.lower().rpartition(":")
    return host if host and port.isdecimal() else header.lower()
