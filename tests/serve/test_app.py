"""The HTTP interface, asked as any client would."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import time
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fer_fast.recognition import Recognizer
from fer_fast.recognition.document import picture_document

JPEG = {"Content-Type": "image/jpeg"}


def ask(
    server: Any,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    is_json = response.headers["Content-Type"].startswith("application/json")
    return response.status, dict(response.headers), json.loads(content) if is_json else content


def encoded(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def is_refusal(answer: Any) -> bool:
    return set(answer) == {"message", "hint"} and all(answer.values())


def test_an_answer_is_what_the_recogniser_says(
    server: Any, expression_model: Path, draw_face: Any
) -> None:
    content = encoded(draw_face(300))
    status, _, answer = ask(server, "POST", "/v1/predict", content, {"Content-Type": "image/png"})
    assert status == 200
    (expected,) = Recognizer(expression_model).stream([content])
    document = picture_document(expected)
    assert answer["faces"][0].pop("probabilities") == pytest.approx(
        document["faces"][0].pop("probabilities"), abs=2e-6
    )
    assert answer["faces"][0].pop("margin") == pytest.approx(
        document["faces"][0].pop("margin"), abs=2e-6
    )
    assert answer == document


def test_the_crop_is_what_the_model_saw(
    server: Any, expression_model: Path, draw_face: Any
) -> None:
    picture = draw_face(300)
    _, _, answer = ask(
        server, "POST", "/v1/predict?crops=1", encoded(picture), {"Content-Type": "image/png"}
    )
    crop = Image.open(BytesIO(base64.b64decode(answer["faces"][0]["crop"])))
    (face,) = Recognizer(expression_model).predict(picture)
    np.testing.assert_array_equal(np.asarray(crop), face.crop)


def test_faces_none_takes_the_picture_for_a_face(server: Any, draw_face: Any) -> None:
    _, _, answer = ask(server, "POST", "/v1/predict?faces=none", encoded(draw_face(64)))
    (face,) = answer["faces"]
    assert face["box"] == {"left": 0, "top": 0, "width": 64, "height": 64}
    assert face["score"] is None


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", JPEG, 415),
        (b"this is text", JPEG, 415),
        (b"<html></html>", {"Content-Type": "text/html"}, 415),
        (encoded(Image.new("L", (8, 8)), "TIFF"), {"Content-Type": "image/tiff"}, 415),
        (encoded(Image.new("RGB", (300, 300), "red"), "JPEG")[:400], JPEG, 422),
        (encoded(Image.new("1", (7000, 7000))), {"Content-Type": "image/png"}, 413),
        (bytes(17 * 2**20), JPEG, 413),
        (bytes(80 * 2**20), JPEG, 413),
    ],
    ids=[
        "empty",
        "text",
        "html",
        "a format that is not taken",
        "truncated",
        "too many pixels",
        "too many bytes",
        "far too many bytes",
    ],
)
def test_a_bad_picture_is_refused_with_a_message_and_a_hint(
    server: Any, content: bytes, headers: dict[str, str], status: int
) -> None:
    try:
        found, _, answer = ask(server, "POST", "/v1/predict", content, headers)
    except (ConnectionResetError, BrokenPipeError):
        # A client that goes on sending after the server has hung up may not hear why.
        assert len(content) > 64 * 2**20
    else:
        assert found == status
        assert is_refusal(answer)
    assert ask(server, "GET", "/healthz")[0] == 200


def test_a_body_of_unannounced_length_is_counted_as_it_comes(server: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    chunks = (bytes(2**20) for _ in range(20))
    connection.request("POST", "/v1/predict", chunks, JPEG, encode_chunked=True)
    response = connection.getresponse()
    assert response.status == 413
    assert is_refusal(json.loads(response.read()))


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.", ""])
def test_a_foreign_host_header_is_refused(server: Any, host: str) -> None:
    status, _, answer = ask(server, "GET", "/v1/model", headers={"Host": host})
    assert status == 400
    assert is_refusal(answer)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:80"])
def test_the_machines_own_names_are_taken(server: Any, host: str) -> None:
    assert ask(server, "GET", "/v1/model", headers={"Host": host})[0] == 200


def test_no_other_website_may_read_an_answer(server: Any) -> None:
    for method, path in (("GET", "/v1/model"), ("POST", "/v1/predict"), ("OPTIONS", "/v1/predict")):
        headers = {"Origin": "https://evil.example", "Content-Type": "image/jpeg"}
        _, answered, _ = ask(server, method, path, b"", headers)
        assert not any(name.lower().startswith("access-control") for name in answered)


def test_unknown_paths_and_methods_are_refused_in_json(server: Any) -> None:
    for method, path, status in (("GET", "/nothing", 404), ("GET", "/v1/predict", 405)):
        found, _, answer = ask(server, method, path)
        assert found == status
        assert is_refusal(answer)


def test_an_unknown_choice_of_faces_is_refused(server: Any) -> None:
    status, _, answer = ask(server, "POST", "/v1/predict?faces=some", b"x", JPEG)
    assert status == 422
    assert "all, largest or none" in answer["hint"]


def test_the_model_says_what_it_is(server: Any, expression_model: Path) -> None:
    _, _, answer = ask(server, "GET", "/v1/model")
    info = Recognizer(expression_model).info
    assert tuple(answer["labels"]) == info.labels
    assert answer["run_id"] == "a-run"
    assert answer["limits"]["body_bytes"] == 16 * 2**20


def test_the_document_names_each_answer_that_predict_gives(server: Any) -> None:
    _, _, document = ask(server, "GET", "/openapi.json")
    assert document["openapi"].startswith("3.1")
    answers = document["paths"]["/v1/predict"]["post"]["responses"]
    assert set(answers) == {"200", "400", "408", "413", "415", "422", "503"}
    for path, item in document["paths"].items():
        for method in item:
            status, *_ = ask(server, method.upper(), path, None if method == "get" else b"", JPEG)
            assert str(status) in item[method]["responses"]

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            found = [value["$ref"]] if "$ref" in value else []
            return found + [ref for inner in value.values() for ref in references(inner)]
        if isinstance(value, list):
            return [ref for inner in value for ref in references(inner)]
        return []

    for reference in references(document):
        target = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_too_many_requests_at_once_are_told_to_come_back(server: Any, draw_face: Any) -> None:
    held = []
    try:
        for _ in range(32):
            connection = socket.create_connection(("127.0.0.1", server.port))
            connection.sendall(
                b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
                b"Content-Length: 1000\r\n\r\n"
            )
            held.append(connection)
        content = encoded(draw_face(200))
        for _ in range(50):
            # The server takes the held ones one after another.
            status, headers, answer = ask(server, "POST", "/v1/predict", content, JPEG)
            if status == 503:
                break
            time.sleep(0.1)
        assert status == 503
        assert int(headers["retry-after"]) >= 1
        assert is_refusal(answer)
        assert ask(server, "GET", "/healthz")[0] == 200
    finally:
        for connection in held:
            connection.close()
    for _ in range(50):
        if ask(server, "POST", "/v1/predict", content, JPEG)[0] == 200:
            break
        time.sleep(0.1)
    else:
        pytest.fail("places of clients that are gone are not given back")


def test_requests_that_come_together_get_each_their_own_answer(server: Any, draw_face: Any) -> None:
    pictures = []
    for offset in range(0, 360, 30):
        picture = Image.new("RGB", (660, 300), (120, 140, 160))
        picture.paste(draw_face(300), (offset, 0))
        pictures.append(encoded(picture))
    answers: dict[int, Any] = {}

    def post(number: int) -> None:
        answers[number] = ask(server, "POST", "/v1/predict", pictures[number], JPEG)[2]

    threads = [Thread(target=post, args=(number,)) for number in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lefts = [answers[number]["faces"][0]["box"]["left"] for number in range(len(pictures))]
    assert np.diff(lefts) == pytest.approx(30, abs=12)
