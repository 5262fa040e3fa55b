"""The map in Chromium: legible at each width, nothing over something else, and usable without a mouse."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from otlp_build import MS, PROTOBUF, make_span, request, resource_spans, span_id, trace_id

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

LONG = "media-transcoding-service-eu-west-1"
FEW = [("gateway", "auth"), ("auth", "user"), ("user", "gateway"), ("gateway", "gateway"), ("auth", LONG)]
MANY = [(f"service-{number // 3:02}", f"service-{number + 1:02}") for number in range(35)] + [
    (f"service-{number:02}", f"service-{number + 12:02}") for number in range(24)
]


@contextmanager
def served(calls: list[tuple[str, str]]) -> Iterator[str]:
    """The pages over a trace for each call; each third fails."""
    command = [sys.executable, "-m", "devenv.dashboard", "--otlp-port", "0", "--query-port", "0", "--health-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ports = dict(pair.split("=") for pair in process.stdout.readline().split())
        spans = []
        for number, (caller, called) in enumerate(calls):
            trace, parent = trace_id(), span_id()
            status = 2 if number % 3 == 1 else 0
            spans.append(resource_spans(caller, make_span(trace, id=parent, name="call", kind=3, took=9 * MS)))
            child = make_span(trace, parent=parent, name="GET /", kind=2, took=5 * MS, status=status)
            spans.append(resource_spans(called, child))
        url = f"http://127.0.0.1:{ports['otlp']}/v1/traces"
        assert httpx.post(url, content=request(*spans), headers=PROTOBUF).is_success
        yield f"http://127.0.0.1:{ports['query']}/dependencies"
        process.terminate()


@pytest.fixture(scope="module")
def few() -> Iterator[str]:
    with served(FEW) as url:
        yield url


@pytest.fixture(scope="module")
def many() -> Iterator[str]:
    with served(MANY) as url:
        yield url


@contextmanager
def wide(browser: Chrome, width: int) -> Iterator[None]:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def boxes(browser: Chrome, selector: str) -> list[dict[str, Any]]:
    """Places of the elements that are shown, in px of the screen."""
    found: list[dict[str, Any]] = browser.execute_script(
        """return [...document.querySelectorAll(arguments[0])].map(each => {
             const box = each.getBoundingClientRect();
             return {left: box.left, right: box.right, top: box.top, bottom: box.bottom, text: each.textContent};
           }).filter(box => box.right > box.left)""",
        selector,
    )
    return found


def apart(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(
        one["right"] <= other["left"]
        or other["right"] <= one["left"]
        or one["bottom"] <= other["top"]
        or other["bottom"] <= one["top"]
    )


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_texts_boxes_and_labels_do_not_touch_and_are_legible(few: str, many: str, browser: Chrome, width: int) -> None:
    for url, labels in ((few, 4), (many, 0)):
        with wide(browser, width):
            browser.get(url)
            pictures = boxes(browser, ".picture")
            assert len(pictures) == 1  # of the two, the one for this width
            shown = boxes(browser, ".call text")
            assert len(shown) == labels
            nodes = boxes(browser, ".map .box")
            for one, other in combinations([*nodes, *shown], 2):
                assert apart(one, other), (one, other)
            for text in boxes(browser, ".node text"):
                around = [box for box in nodes if not apart(box, text)]
                assert len(around) == 1, text
                assert around[0]["left"] <= text["left"], text
                assert text["right"] <= around[0]["right"], text
            sizes = browser.execute_script(
                """return [...document.querySelectorAll('svg.map')].filter(map => map.clientWidth)
                     .map(map => 12 * map.getBoundingClientRect().width / map.viewBox.baseVal.width)"""
            )
            assert 9 <= sizes[0] <= 12.001
            beyond = browser.execute_script("return document.documentElement.scrollWidth - innerWidth")
            assert beyond <= 0  # what is wider scrolls in its own box
    assert browser.get_log("browser") == []


def test_callers_are_left_or_above_and_the_cycle_keeps_its_direction(few: str, browser: Chrome) -> None:
    from selenium.webdriver.common.by import By

    for width, edge in ((1280, "left"), (400, "top")):
        with wide(browser, width):
            browser.get(few)
            at = {box["text"]: box[edge] for box in boxes(browser, ".node text:first-of-type")}
        assert at["auth"] < at["media-trans…-eu-west-1"]
    titles = {
        str(title.get_attribute("textContent")) for title in browser.find_elements(By.CSS_SELECTOR, ".call title")
    }
    assert {"gateway → auth: 1 call", "auth → user: 1 call, 1 failed", "user → gateway: 1 call"} <= titles


def test_from_an_edge_to_its_traces_and_by_keyboard_to_a_service(few: str, browser: Chrome) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(few)
    row = next(row for row in browser.find_elements(By.CSS_SELECTOR, "tbody tr") if row.text.startswith("auth user"))
    assert "✘ 1 (100%)" in row.text
    row.find_element(By.PARTIAL_LINK_TEXT, "✘ 1").click()
    traces = WebDriverWait(browser, 10).until(lambda page: page.find_elements(By.CSS_SELECTOR, "a.trace"))
    assert len(traces) == 1
    assert "auth call" in traces[0].text
    browser.get(few)
    for _ in range(20):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        if browser.execute_script("return document.activeElement.classList.contains('node')"):
            break
    name = browser.execute_script("return document.activeElement.querySelector('text').textContent")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    WebDriverWait(browser, 10).until(lambda page: f"service={name}" in page.current_url)


def test_the_form_shows_what_is_around_a_service_and_a_link_leads_to_the_entry(many: str, browser: Chrome) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select, WebDriverWait

    with wide(browser, 400):
        browser.get(many)
        begin = next(each for each in browser.find_elements(By.CSS_SELECTOR, ".begin") if each.is_displayed())
        assert begin.text == "To service-00, where the map begins"
        begin.click()
        entry, picture = boxes(browser, "#entry-down")[0], boxes(browser, ".picture")[0]
        assert picture["left"] <= entry["left"]
        assert entry["right"] <= picture["right"]
        assert 0 <= entry["top"] <= 900
        Select(browser.find_element(By.NAME, "focus")).select_by_visible_text("service-01")
        browser.find_element(By.CSS_SELECTOR, "form.focus button").click()
        WebDriverWait(browser, 10).until(lambda page: "focus=service-01" in page.current_url)
        names = {box["text"] for box in boxes(browser, ".node text:first-of-type")}
    assert names == {f"service-{number:02}" for number in (0, 1, 4, 5, 6, 13)}
