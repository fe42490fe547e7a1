"""Videos that the tests write themselves, whole and cut off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fer_fast.faces.image import PictureError

cv2 = pytest.importorskip("cv2", reason="the extra video is not installed")

from fer_fast.recognition.video import Video  # noqa: E402

N_FRAMES, RATE = 40, 10


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film whose grey grows by 5 from frame to frame."""
    path = tmp_path_factory.mktemp("film") / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), RATE, (64, 48))
    assert writer.isOpened()
    for number in range(N_FRAMES):
        writer.write(np.full((48, 64, 3), 5 * number, np.uint8))
    writer.release()
    return path


def cut(film: Path, out: Path) -> Path:
    content = film.read_bytes()
    out.write_bytes(content[: len(content) * 6 // 10])
    return out


def greys(video: Video, per_second: float | None = None) -> list[tuple[float, int]]:
    return [
        (round(frame.seconds, 3), int(np.asarray(frame.picture).mean().round()))
        for frame in video.frames(per_second)
    ]


def test_every_frame_comes_with_its_time(film: Path) -> None:
    video = Video(film, "film")
    assert (video.n_frames, video.frames_per_second) == (N_FRAMES, RATE)
    seconds, means = zip(*greys(video), strict=True)
    assert seconds == pytest.approx(np.arange(N_FRAMES) / RATE, abs=0.11)
    assert means == pytest.approx(5 * np.arange(N_FRAMES), abs=3)
    assert video.error is None
    video.close()


@pytest.mark.parametrize(("per_second", "n"), [(1, 4), (2, 8), (5, 20), (10, 40), (100, 40)])
def test_frames_are_left_out_evenly(film: Path, per_second: float, n: int) -> None:
    found = greys(Video(film, "film"), per_second)
    assert len(found) == n
    steps = np.diff([seconds for seconds, _ in found])
    assert steps == pytest.approx(max(1 / per_second, 1 / RATE), abs=1e-6)


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    path = tmp_path / "red.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), RATE, (64, 48))
    for _ in range(3):
        writer.write(np.full((48, 64, 3), (0, 0, 255), np.uint8))
    writer.release()
    frame = next(iter(Video(path, "red").frames()))
    red, green, blue = np.asarray(frame.picture)[24, 32]
    assert red > 200 > 50 > max(green, blue)


def test_a_film_that_ends_before_its_end_says_where(film: Path, tmp_path: Path) -> None:
    video = Video(cut(film, tmp_path / "cut.avi"), "cut.avi")
    n = len(greys(video))
    assert 0 < n < N_FRAMES
    assert f"cut.avi ends after frame {n} of {N_FRAMES}" in str(video.error)


def test_what_is_no_video_or_webcam_says_so(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    for name in ("text.mp4", "empty.mp4", "missing.mp4"):
        with pytest.raises(PictureError, match=f"{name} cannot be opened"):
            Video(tmp_path / name, name)
    with pytest.raises(PictureError, match="there is no webcam 99"):
        Video(99, "webcam 99")


def test_the_command_has_a_line_for_each_second_and_goes_on_after_a_cut(
    film: Path, expression_model: Path, draw_face: Any, tmp_path: Path, run_cli: Any
) -> None:
    path = tmp_path / "faces.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), RATE, (320, 240))
    face = np.asarray(draw_face(220))[..., ::-1]
    for number in range(30):
        frame = np.full((240, 320, 3), (160, 140, 120), np.uint8)
        if number < 20:
            frame[10:230, 10 + 3 * number : 230 + 3 * number] = face
        writer.write(frame)
    writer.release()
    cut(film, tmp_path / "cut.avi")
    done = run_cli(
        "predict", "--model", expression_model, "cut.avi", "faces.avi", "--annotate", "out"
    )
    lines = done.stdout.splitlines()
    assert any("cut.avi ends after frame" in line for line in lines)
    at = lines.index("faces.avi")
    assert [line.split()[:2] for line in lines[at + 2 : at + 5]] == [
        *(["0", "1.0"], ["1", "1.0"], ["2", "0.0"])
    ]
    assert "1 of 2 inputs" in done.stderr
    assert done.returncode == 0
    assert len(list((tmp_path / "out").glob("faces-*.jpg"))) == 3

    rows = run_cli(
        "predict", "--model", expression_model, "faces.avi", "--format", "csv", "--fps", "5"
    ).stdout.splitlines()
    assert len(rows) == 1 + 15
    assert rows[-1].endswith("no face found")


def test_memory_does_not_grow_with_a_films_length(
    expression_model: Path, draw_face: Any, tmp_path: Path
) -> None:
    pytest.importorskip("resource")
    peaks = []
    for n_frames in (60, 600):
        path = tmp_path / f"{n_frames}.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), RATE, (640, 480))
        frame = np.asarray(draw_face(480).resize((640, 480)))[..., ::-1]
        for _ in range(n_frames):
            writer.write(frame)
        writer.release()
        program = (
            "import resource, sys\n"
            "from fer_fast.cli.main import main\n"
            "main(sys.argv[1:])\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        )
        arguments = ["predict", "--model", expression_model, path, "--format", "csv"]
        done = subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ,
        )
        lines = done.stdout.splitlines()
        assert len(lines) == 2 + n_frames
        peaks.append(int(lines[-1]))
    assert peaks[1] < peaks[0] + 40 * 1024


def test_without_opencv_the_extra_is_named(
    expression_model: Path, film: Path, tmp_path: Path
) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('no module named cv2')")
    done = subprocess.run(
        [sys.executable, "-m", "fer_fast", "predict", "--model", str(expression_model), str(film)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 2
    assert "pip install 'fer-fast[video]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_picture_kept_from_a_stream_is_its_own(film: Path) -> None:
    frames = [frame.picture for frame in Video(film, "film").frames()]
    assert all(isinstance(frame, Image.Image) for frame in frames)
    assert np.asarray(frames[0]).mean() < np.asarray(frames[-1]).mean()
