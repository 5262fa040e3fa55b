"""The pages on Jaeger's paths, in Chromium and as text: legible, complete, and safe with hostile attributes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from otlp_build import MS, PROTOBUF, SECOND, make_span, one, request, resource_spans, span_id, trace_id

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

MARKUP = '"><script>document.title="broken out"</script><img src=x onerror=alert(1)><b>bold</b>&amp;'


@dataclass
class Site:
    """A backend with pages, and three traces of it."""

    url: str
    good: bytes
    failed: bytes
    orphaned: bytes
    started: int
    otlp_url: str


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    command = [sys.executable, "-m", "devenv.dashboard", "--otlp-port", "0", "--query-port", "0", "--health-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ports = dict(pair.split("=") for pair in process.stdout.readline().split())
        now = time.time_ns()
        found = Site(
            f"http://127.0.0.1:{ports['query']}",
            trace_id(),
            trace_id(),
            trace_id(),
            now,
            f"http://127.0.0.1:{ports['otlp']}",
        )
        for trace, status in ((found.good, 0), (found.failed, 2)):
            root, call, work = span_id(), span_id(), span_id()
            start = now - 2 * SECOND
            body = request(
                resource_spans(
                    "gateway",
                    make_span(trace, id=root, name="GET /orders", start=start, took=40 * MS, status=status),
                    make_span(trace, id=call, parent=root, name="call user", kind=3, start=start + MS, took=30 * MS),
                ),
                resource_spans(
                    "user",
                    make_span(
                        trace,
                        id=work,
                        parent=call,
                        name=f"SELECT {MARKUP}",
                        start=start + 2 * MS,
                        took=20 * MS,
                        attributes={"note": MARKUP, MARKUP: "key"},
                        events=[(f"event {MARKUP}", MS, {"exception.message": "it broke"})],
                        links=[(found.good, root, {})],
                        status=status,
                        message="no such user" if status else "",
                    ),
                    resource={"evil": MARKUP},
                ),
            )
            assert httpx.post(f"{found.otlp_url}/v1/traces", content=body, headers=PROTOBUF).is_success
        lost = one("user", make_span(found.orphaned, parent=span_id(), name="lost child", took=500 * MS))
        assert httpx.post(f"{found.otlp_url}/v1/traces", content=lost, headers=PROTOBUF).is_success
        yield found
        process.terminate()


def get(site: Site, path: str, **parameters: Any) -> httpx.Response:
    return httpx.get(f"{site.url}{path}", params=parameters, timeout=10)


# --- in the browser ---------------------------------------------------------------------------------------------------


def console(browser: Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser")]


def test_from_the_form_to_a_span(site: Site, browser: Chrome) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select, WebDriverWait

    browser.get(f"{site.url}/")
    assert browser.current_url.endswith("/search")
    browser.find_element(By.CSS_SELECTOR, "form summary").click()
    Select(browser.find_element(By.NAME, "service")).select_by_visible_text("gateway")
    browser.find_element(By.NAME, "tags").send_keys("error=true")
    browser.find_element(By.CSS_SELECTOR, "button").click()
    traces = WebDriverWait(browser, 10).until(lambda page: page.find_elements(By.CSS_SELECTOR, "a.trace"))
    assert len(traces) == 1
    assert "gateway GET /orders" in traces[0].text
    assert "2 errors" in traces[0].text
    traces[0].click()
    rows = WebDriverWait(browser, 10).until(lambda page: page.find_elements(By.CSS_SELECTOR, ".span .name"))
    assert site.failed.hex() in browser.current_url
    names = [row.text for row in rows]
    assert [name.split()[0] for name in names] == ["gateway", "gateway", "user"]
    third = browser.find_elements(By.CSS_SELECTOR, "details.span")[2]
    assert not third.find_element(By.CSS_SELECTOR, ".detail").is_displayed()
    third.find_element(By.TAG_NAME, "summary").click()
    detail = third.find_element(By.CSS_SELECTOR, ".detail")
    assert detail.is_displayed()
    assert "no such user" in detail.text
    assert "it broke" in detail.text
    assert console(browser) == []


def test_markup_in_spans_stays_text(site: Site, browser: Chrome) -> None:
    from selenium.webdriver.common.by import By

    for path in (
        f"/trace/{site.failed.hex()}",
        "/search?service=user",
        f"/search?service=user&operation={MARKUP}",
        f"/search?service={MARKUP}&tags={MARKUP}",
        "/dependencies",
    ):
        browser.get(f"{site.url}{path}")
        assert "broken out" not in browser.title.removeprefix("gateway GET /orders")
        assert browser.find_elements(By.TAG_NAME, "script") == []
        assert browser.find_elements(By.TAG_NAME, "img") == []
        assert [message for message in console(browser) if "400 (Bad Request)" not in message] == []
    browser.get(f"{site.url}/trace/{site.failed.hex()}")
    browser.find_elements(By.CSS_SELECTOR, "details.span")[2].find_element(By.TAG_NAME, "summary").click()
    shown = browser.find_elements(By.CSS_SELECTOR, "details.span")[2].text
    assert shown.count(MARKUP) >= 4  # name, attribute's value and key, event, resource


def test_the_waterfall_is_drawn_to_scale(site: Site, browser: Chrome) -> None:
    from selenium.webdriver.common.by import By

    browser.get(f"{site.url}/trace/{site.good.hex()}")
    bars = [row.rect for row in browser.find_elements(By.CSS_SELECTOR, ".span svg.line > rect[height='14']")]
    indents = [
        row.value_of_css_property("padding-left") for row in browser.find_elements(By.CSS_SELECTOR, ".span .name")
    ]
    whole = bars[0]["width"]
    assert [round(bar["width"] / whole, 2) for bar in bars] == [1.0, 0.75, 0.5]
    assert [round((bar["x"] - bars[0]["x"]) / whole, 3) for bar in bars] == [0.0, 0.025, 0.05]
    assert indents == sorted(indents, key=lambda text: float(text.removesuffix("px")))
    assert len(set(indents)) == 3
    drawn = browser.find_elements(By.CSS_SELECTOR, ".span svg.line > rect[height='14']")
    colours = {drawn[index].value_of_css_property("fill") for index in (0, 2)}
    assert len(colours) == 2  # a colour for each service


@pytest.mark.parametrize("width", [400, 1280])
def test_times_above_the_waterfall_do_not_overlap(site: Site, browser: Chrome, width: int) -> None:
    from selenium.webdriver.common.by import By

    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.get(f"{site.url}/trace/{site.good.hex()}")
        boxes = [text.rect for text in browser.find_elements(By.CSS_SELECTOR, ".ruler text") if text.is_displayed()]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert len(boxes) == (3 if width == 400 else 5)
    assert all(left["x"] + left["width"] < right["x"] for left, right in pairwise(boxes))


def test_the_map_shows_calls_and_failures(site: Site, browser: Chrome) -> None:
    from selenium.webdriver.common.by import By

    browser.get(f"{site.url}/dependencies")
    labels = [text.text for text in browser.find_elements(By.CSS_SELECTOR, "svg.map text")]
    assert "gateway" in labels
    assert "2 calls, 1 failed" in labels
    left, right = (
        next(each.rect["x"] for each in browser.find_elements(By.CSS_SELECTOR, "svg.map text") if each.text == name)
        for name in ("gateway", "user")
    )
    assert left < right  # callers stand left of what they call
    assert console(browser) == []


def test_it_is_dark_where_the_person_wants_it_dark(site: Site, browser: Chrome) -> None:
    from selenium.webdriver.common.by import By

    background = []
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get(f"{site.url}/search")
        background.append(browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color"))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert background[0] != background[1]


# --- as text ----------------------------------------------------------------------------------------------------------


def test_jaegers_links_work(site: Site) -> None:
    """The parameters that Jaeger's UI writes into its addresses."""
    micros = site.started // 1000
    page = get(
        site,
        "/search",
        service="gateway",
        operation="all",
        start=micros - 60_000_000,
        end=micros + 60_000_000,
        limit=20,
        lookback="1h",
        maxDuration="",
        minDuration="",
        tags='{"error":"true"}',
    ).text
    assert site.failed.hex() in page
    assert site.good.hex() not in page
    by_ids = get(site, "/search", traceID=[site.good.hex(), site.orphaned.hex(), trace_id().hex()]).text
    assert site.good.hex() in by_ids
    assert site.orphaned.hex() in by_ids
    assert "1 of 3 traces not found; 0 of them were evicted to save memory" in by_ids


def test_a_missing_parent_is_marked(site: Site) -> None:
    page = get(site, f"/trace/{site.orphaned.hex()}").text
    assert "parent missing" in page
    assert "1 orphan span" in page
    assert "1 orphan span" in get(site, "/search", service="user", minDuration="400ms").text


def test_a_trace_links_to_its_json(site: Site) -> None:
    page = get(site, f"/trace/{site.good.hex()}").text
    for path in (f"/api/traces/{site.good.hex()}", f"/api/v3/traces/{site.good.hex()}"):
        assert f'href="{path}"' in page
        assert get(site, path).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        (f"/trace/{'0' * 31}1", 404, "not found"),
        ("/trace/xyz", 400, "hexadecimal"),
        ("/search?service=gateway&minDuration=soon", 400, "min duration"),
        ("/search?service=gateway&limit=0", 400, "limit"),
        ("/search?service=gateway&tags=novalue", 400, "key=value"),
        ("/search?service=gateway&tags={", 400, "tags"),
        ("/search?service=nothing", 200, "No traces match"),
        ("/search?where=status = error", 200, "1 trace, 1 with errors"),
        ("/search?service=gateway&where=not any span(status = error)", 200, "1 trace, none with errors"),
        ("/search?service=gateway&where=status = eror", 400, "column 10: found &#x27;eror&#x27;, expected one of"),
        ("/search?where=status = eror", 400, "status = eror\n         ^"),
        ("/search?where=a = '<script> ' <b>", 400, "a = &#x27;&lt;script&gt; &#x27; &lt;b&gt;"),
        ("/search?service=gateway&lookback=2d", 200, "2 traces, 1 with errors"),
        ("/dependencies?lookback=x", 400, "invalid duration"),
        ("/nothing", 404, "not found"),
    ],
)
def test_what_cannot_be_shown_is_said(site: Site, path: str, status: int, text: str) -> None:
    response = get(
        site, path.partition("?")[0], **dict(pair.split("=", 1) for pair in path.partition("?")[2].split("&") if pair)
    )
    assert response.status_code == status
    assert text in response.text


def test_no_page_can_run_or_load_anything(site: Site) -> None:
    for path in ("/search", f"/trace/{site.good.hex()}", "/dependencies", "/trace/xyz"):
        response = get(site, path)
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "<script" not in response.text
        assert "http://" not in response.text
        assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_orders_of_the_list(site: Site) -> None:
    def order(sort: str) -> list[bytes]:
        text = get(site, "/search", service="user", sort=sort).text
        ids = {
            text.find(f'href="/trace/{each.hex()}" class="trace"'): each
            for each in (site.good, site.failed, site.orphaned)
        }
        return [ids[at] for at in sorted(ids)]

    assert order("longest")[0] == site.orphaned
    assert order("shortest")[-1] == site.orphaned
    assert order("spans")[-1] == site.orphaned
    assert order("recent")[0] == site.orphaned


def test_a_large_trace_is_shown_in_part_and_whole_on_request(site: Site) -> None:
    trace, root = trace_id(), span_id()
    spans = [make_span(trace, id=root, name="root"), *(make_span(trace, parent=root) for _ in range(1200))]
    body = one("large", *spans)
    assert httpx.post(f"{site.otlp_url}/v1/traces", content=body, headers=PROTOBUF).is_success
    page = get(site, f"/trace/{trace.hex()}")
    assert page.text.count('class="span"') == 1000
    assert "show all 1201" in page.text
    assert page.text.endswith("</html>")
    assert get(site, f"/trace/{trace.hex()}", spans=1201).text.count('class="span"') == 1201
