"""Serve predictions over HTTP on this machine, with a page to try them.

The page takes a dropped or pasted picture, or the webcam. Nothing that is sent is stored or logged.
"""

from __future__ import annotations

import argparse
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from fer_fast.cli.options import as_path
from fer_fast.errors import FerFastError, ParameterError

if TYPE_CHECKING:
    from rich.console import Console

    from fer_fast.progress import Reporter

NAME = "serve"
HELP = "answer over HTTP, with a page to try it"
EXAMPLES = """\
examples:
  fer-fast serve
  fer-fast serve --model runs/paper/model.onnx --port 8080
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    group = parser.add_argument_group("serve")
    group.add_argument(
        "--model", type=as_path, metavar="FILE", help="a model.onnx (default: the bundled one)"
    )
    group.add_argument(
        "--port", type=int, default=8000, metavar="N", help="port; 0: any free one (default: 8000)"
    )
    group.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on; another lets other machines in (default: 127.0.0.1)",
    )
    group.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name by which browsers may address the server; may be repeated",
    )


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:
    """Run the command and return its exit status."""
    from fer_fast.recognition import Recognizer

    try:
        import uvicorn

        from fer_fast.serve.app import LOCAL_HOSTS, create_app
    except ImportError as error:
        raise FerFastError(
            f"serving needs Starlette and uvicorn ({error}): run `pip install 'fer-fast[serve]'`"
        ) from error
    if options.host not in LOCAL_HOSTS:
        reporter.warn(
            f"listening on {options.host}: whoever reaches it may send pictures, unencrypted and "
            "without a password"
        )
    recognizer = Recognizer(options.model, threads=1)
    hosts = (*LOCAL_HOSTS, options.host, *options.allow_host)
    config = uvicorn.Config(
        create_app(recognizer, hosts=hosts),
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    with _listening(options.host, options.port) as listening:
        host = f"[{options.host}]" if ":" in options.host else options.host
        address = f"http://{host}:{listening.getsockname()[1]}"
        stdout.print(f"serving on {address} (Ctrl-C ends it)", soft_wrap=True)
        stdout.file.flush()
        # It stops by itself, and then passes Ctrl-C on.
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
    return 0


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens, or say why none can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ParameterError(
            f"cannot listen on {host} port {port} ({error}): choose another --host or --port"
        ) from error
