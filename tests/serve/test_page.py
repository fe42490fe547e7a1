"""The page in a real browser."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

selenium = pytest.importorskip("selenium", reason="selenium is not installed")

from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

PHONE, DESKTOP = (390, 844), (1280, 900)

DROP = """
const bytes = Uint8Array.from(atob(arguments[0]), (character) => character.charCodeAt(0));
const held = new DataTransfer();
held.items.add(new File([bytes], arguments[1], { type: arguments[2] }));
const event = arguments[3] === "paste"
  ? new ClipboardEvent("paste", { clipboardData: held, bubbles: true })
  : new DragEvent("drop", { dataTransfer: held, bubbles: true, cancelable: true });
document.getElementById("drop").dispatchEvent(event);
"""


@pytest.fixture
def page(browser: Any, server: Any) -> Any:
    browser.set_window_size(*DESKTOP)
    browser.get(server.address)
    yield browser
    errors = [
        entry for entry in browser.get_log("browser") if "status of 4" not in entry["message"]
    ]
    assert errors == []


def wait(page: Any, css: str) -> Any:
    return WebDriverWait(page, 20).until(
        lambda _: next(
            (e for e in page.find_elements(By.CSS_SELECTOR, css) if e.is_displayed()), None
        )
    )


def send(page: Any, content: bytes, name: str, kind: str, how: str = "drop") -> None:
    page.execute_script(DROP, base64.b64encode(content).decode(), name, kind, how)


def press_tab(page: Any) -> None:
    webdriver.ActionChains(page).send_keys(Keys.TAB).perform()


def screenshot(page: Any, name: str) -> None:
    folder = os.environ.get("FER_FAST_TEST_SCREENSHOTS")
    if folder:
        page.save_screenshot(str(Path(folder) / f"{name}.png"))


def two_faces(draw_face: Any, path: Path) -> bytes:
    picture = Image.new("RGB", (720, 400), (120, 140, 160))
    picture.paste(draw_face(360), (0, 20))
    picture.paste(draw_face(280, smiling=False), (400, 80))
    picture.save(path)
    return path.read_bytes()


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_a_picture_gets_a_box_and_bars_for_each_face(
    page: Any, draw_face: Any, tmp_path: Path, how: str
) -> None:
    send(page, two_faces(draw_face, tmp_path / "two.png"), "two.png", "image/png", how)
    wait(page, "#faces li")

    assert len(page.find_elements(By.CSS_SELECTOR, "#boxes rect")) == 2
    cards = page.find_elements(By.CSS_SELECTOR, "#faces li")
    assert len(cards) == 2
    for card in cards:
        assert len(card.find_elements(By.CSS_SELECTOR, ".bar")) == 7
        percents = [
            int(one.text.rstrip("%")) for one in card.find_elements(By.CSS_SELECTOR, ".percent")
        ]
        assert abs(sum(percents) - 100) <= 4
        crop = card.find_element(By.TAG_NAME, "img")
        assert page.execute_script("return arguments[0].naturalWidth", crop) == 48


def test_the_box_lies_on_the_face(page: Any, draw_face: Any, tmp_path: Path) -> None:
    picture = Image.new("RGB", (800, 400), (120, 140, 160))
    picture.paste(draw_face(400), (400, 0))
    picture.save(tmp_path / "right.png")
    send(page, (tmp_path / "right.png").read_bytes(), "right.png", "image/png")
    box = wait(page, "#boxes rect").rect
    whole = page.find_element(By.ID, "picture").rect
    middle = (box["x"] + box["width"] / 2 - whole["x"]) / whole["width"]
    assert 0.70 < middle < 0.80


def test_what_cannot_be_answered_is_said_in_words(page: Any) -> None:
    send(page, b"this is text", "text.jpg", "image/jpeg")
    assert "no readable picture" in wait(page, "#error").text
    send(page, bytes(17 * 2**20), "large.jpg", "image/jpeg")
    WebDriverWait(page, 20).until(lambda _: "MiB" in page.find_element(By.ID, "error").text)
    screenshot(page, "error")


def test_an_over_large_picture_is_refused_by_the_server_in_words(page: Any, tmp_path: Path) -> None:
    Image.new("1", (8000, 8000)).save(tmp_path / "wide.png")
    send(page, (tmp_path / "wide.png").read_bytes(), "wide.png", "image/png")
    assert "8,000×8,000 pixels" in wait(page, "#error").text


def test_a_picture_without_a_face_says_so(page: Any, tmp_path: Path) -> None:
    Image.fromarray(np.full((200, 200), 90, np.uint8)).save(tmp_path / "grey.png")
    send(page, (tmp_path / "grey.png").read_bytes(), "grey.png", "image/png")
    WebDriverWait(page, 20).until(
        lambda _: page.find_element(By.ID, "status").text == "No face was found."
    )


def test_a_file_is_chosen_by_keyboard_alone(page: Any, draw_face: Any, tmp_path: Path) -> None:
    two_faces(draw_face, tmp_path / "two.png")
    press_tab(page)
    focused = page.switch_to.active_element
    assert focused.get_attribute("id") == "file"
    focused.send_keys(str(tmp_path / "two.png"))
    wait(page, "#faces li")
    reached = []
    for _ in range(3):
        press_tab(page)
        reached.append(page.switch_to.active_element.tag_name)
    assert reached == ["button", "li", "li"]
    assert len(page.find_elements(By.CSS_SELECTOR, "#boxes rect.chosen")) == 1


def test_the_webcam_is_followed_until_it_is_closed(page: Any) -> None:
    button = page.find_element(By.ID, "webcam")
    button.click()
    wait(page, "#video")
    WebDriverWait(page, 20).until(lambda _: page.find_element(By.ID, "status").text != "")
    assert page.find_element(By.ID, "error").is_displayed() is False
    button.click()
    assert not page.find_element(By.ID, "video").is_displayed()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "size"), [("phone", PHONE), ("desktop", DESKTOP)])
def test_nothing_overflows_and_text_is_readable(
    page: Any, draw_face: Any, tmp_path: Path, name: str, size: tuple[int, int], scheme: str
) -> None:
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": name == "phone"},
    )
    try:
        send(page, two_faces(draw_face, tmp_path / "two.png"), "two.png", "image/png")
        wait(page, "#faces li")
        screenshot(page, f"{name}-{scheme}")
        width = page.execute_script("return document.documentElement.scrollWidth")
        assert width <= size[0]
        for element in ("body", "#status", "#faces li", "footer"):
            assert contrast(page, element) >= 4.5
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def contrast(page: Any, css: str) -> float:
    """Return the contrast ratio of an element's text by WCAG 2.1's formula."""
    colours = page.execute_script(
        """
        let element = document.querySelector(arguments[0]);
        const text = getComputedStyle(element).color;
        let ground = "rgba(0, 0, 0, 0)";
        while (ground === "rgba(0, 0, 0, 0)") {
          ground = getComputedStyle(element).backgroundColor;
          element = element.parentElement;
        }
        const numbers = (colour) => colour.match(/[0-9.]+/g).slice(0, 3).map(Number);
        return [numbers(text), numbers(ground)];
        """,
        css,
    )
    lights = []
    for colour in colours:
        parts = [value / 255 for value in colour]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    dark, light = sorted(lights)
    return (light + 0.05) / (dark + 0.05)


def test_the_page_loads_nothing_from_elsewhere(page: Any, server: Any) -> None:
    names = page.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert names
    assert [name for name in names if not name.startswith((server.address, "data:"))] == []
