"""Many requests, good and bad, on a real server."""

from __future__ import annotations

import http.client
import json
import os
import random
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

CLIENTS = 8

LOADS = 6

N_REQUESTS = int(os.environ.get("FER_FAST_TEST_REQUESTS", "480")) // (LOADS * CLIENTS)
"""Of a client in one load."""


def encoded(picture: Image.Image, form: str) -> bytes:
    file = BytesIO()
    picture.save(file, form)
    return file.getvalue()


def resident_kib(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except FileNotFoundError:
        pytest.skip("this system does not tell a process' memory")
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def rounded(answer: Any) -> Any:
    """Return an answer with its probabilities to five places: batches differ in the sixth."""
    for face in answer["faces"]:
        face["margin"] = round(face["margin"], 4)
        face["probabilities"] = {
            name: round(value, 4) for name, value in face["probabilities"].items()
        }
    return answer


def test_a_long_mixed_load_gets_documented_answers_and_leaves_no_memory_behind(
    server: Any, draw_face: Any, expression_model: Path, run_cli: Any, tmp_path: Path
) -> None:
    good = {
        "small.png": encoded(draw_face(120), "PNG"),
        "large.jpg": encoded(draw_face(900), "JPEG"),
        "flat.webp": encoded(draw_face(240, smiling=False), "WEBP"),
        "none.png": encoded(Image.new("L", (64, 48), 90), "PNG"),
    }
    bad = {
        b"": 415,
        b"text": 415,
        good["large.jpg"][:3000]: 422,
        encoded(Image.new("1", (7000, 7000)), "PNG"): 413,
    }
    for name, content in good.items():
        (tmp_path / name).write_bytes(content)
    done = run_cli("predict", "--model", expression_model, "--format", "jsonl", *good)
    expected = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        expected[good[row.pop("source")]] = rounded(row)

    def client(seed: int) -> list[int]:
        order = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        statuses = []
        for _ in range(N_REQUESTS):
            content = order.choice([*good.values(), *good.values(), *bad])
            connection.request("POST", "/v1/predict", content, {"Content-Type": "image/png"})
            response = connection.getresponse()
            answer = json.loads(response.read())
            if content in bad:
                assert response.status == bad[content]
                assert set(answer) == {"message", "hint"}
            else:
                assert response.status == 200
                assert rounded(answer) == expected[content]
            statuses.append(response.status)
        return statuses

    def load(first_seed: int) -> int:
        with ThreadPoolExecutor(CLIENTS) as pool:
            statuses = list(pool.map(client, range(first_seed, first_seed + CLIENTS)))
        assert sum(map(len, statuses)) == CLIENTS * N_REQUESTS
        return resident_kib(server.process.pid)

    resident = [load(first * CLIENTS) for first in range(LOADS)]
    # Memory grows once with the largest batch, which comes when it comes; what requests leave
    # behind, every load leaves behind.
    assert min(later - earlier for earlier, later in pairwise(resident)) < 2 * 1024, resident
