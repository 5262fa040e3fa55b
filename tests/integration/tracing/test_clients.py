"""Each HTTP client's integration with its real library over loopback."""

from __future__ import annotations

import itertools
import urllib.error
import urllib.request

import aiohttp
import httpx
import pytest
import requests
import urllib3
from opentelemetry import context as otel

from devenv import tracing
from devenv.tracing.integrations import (
    aiohttp_client,
    httpx_client,
    requests_client,
    urllib3_client,
    urllib_client,
)
from devenv.tracing.testing import recording

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


async def with_aiohttp(url):
    configs = [tracing.aiohttp_trace_config()]
    async with aiohttp.ClientSession(trace_configs=configs) as session, session.get(url) as response:
        return response.status


async def with_patched_aiohttp(url):
    aiohttp_client.instrument()
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


async def with_httpx(url):
    async with httpx.AsyncClient(transport=tracing.AsyncHTTPXTransport()) as client:
        return (await client.get(url)).status_code


async def with_httpx_sync(url):
    with httpx.Client(transport=tracing.HTTPXTransport()) as client:
        return client.get(url).status_code  # noqa: ASYNC212 - the server has its own thread


async def with_patched_httpx(url):
    httpx_client.instrument()
    async with httpx.AsyncClient() as client:
        return (await client.get(url)).status_code


async def with_patched_httpx_sync(url):
    httpx_client.instrument()
    return httpx.get(url).status_code  # noqa: ASYNC210 - the server has its own thread


async def with_requests(url):
    with requests.Session() as session:
        session.mount("http://", requests_client.TracedAdapter())
        return session.get(url).status_code


async def with_patched_requests(url):
    requests_client.instrument()
    return requests.get(url, timeout=5).status_code  # noqa: ASYNC210 - the server has its own thread


async def with_urllib3(url):
    urllib3_client.instrument()
    with urllib3.PoolManager(headers={"x": "y"}) as pool:
        return pool.request("GET", url).status


async def with_urllib(url):
    urllib_client.instrument()
    request = urllib.request.Request(url)
    try:
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: ASYNC210 - the server has its own thread
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    finally:
        assert not request.has_header("Traceparent")


CLIENTS = [
    with_aiohttp,
    with_patched_aiohttp,
    with_httpx,
    with_httpx_sync,
    with_patched_httpx,
    with_patched_httpx_sync,
    with_requests,
    with_patched_requests,
    with_urllib3,
    with_urllib,
]


@pytest.mark.parametrize("get", CLIENTS)
async def test_headers_are_captured_and_excluded_urls_are_not_traced(patched, upstream, get):
    names = {"client_request": "host,user-agent,accept", "client_response": "content-length"}
    of_each = dict.fromkeys(("requests", "httpx", "aiohttp_client", "urllib3", "urllib"), "/healthz$")
    with recording({"captured_headers": names, "exclude_patterns_of": of_each}) as rec:
        with tracing.span("above"):
            assert await get(upstream.url + "/healthz") == 200
            assert await get(upstream.url + "/x") == 200
        (span,) = [span for span in rec.spans() if span.kind == "client"]
    assert span.attributes["url.full"].endswith("/x")
    assert span.attributes["http.response.header.content-length"] == ("2",)
    assert ["traceparent" in headers for headers in upstream.got] == [False, True]


@pytest.mark.parametrize("get", CLIENTS)
async def test_http_clients(rec, patched, upstream, get):
    with tracing.attached({"traceparent": f"00-{TRACE}-{PARENT}-01", "baggage": "k=v"}), tracing.span("caller"):
        assert await get(f"{upstream.url}/a?token=abc") == 200
        assert await get(f"{upstream.url}/500") == 500
    caller = rec.span("caller")
    good, bad = rec.spans("GET")
    assert good.parent_id == bad.parent_id == caller.span_id
    assert (good.kind, good.status, bad.status) == ("client", "unset", "error")
    assert good.attributes["url.full"] == f"{upstream.url}/a?token=[REDACTED]"
    assert good.attributes["server.address"] == "127.0.0.1"
    assert str(good.attributes["server.port"]) == upstream.url.rpartition(":")[2]
    assert (good.attributes["http.response.status_code"], bad.attributes["error.type"]) == (200, "500")
    assert [headers["traceparent"] for headers in upstream.got] == [
        f"00-{TRACE}-{span.span_id}-01" for span in (good, bad)
    ]
    assert all(headers["baggage"] == "k=v" for headers in upstream.got)


@pytest.mark.parametrize("get", CLIENTS)
@pytest.mark.parametrize("path", ["/a", "/empty", "/500"])
async def test_the_connection_of_a_call_is_recorded(rec, patched, upstream, get, path):
    with tracing.span("caller"):
        await get(upstream.url + path)
    found = rec.span("GET").attributes
    assert (found["network.peer.address"], found["network.peer.port"]) == ("127.0.0.1", upstream.port)
    assert found["network.protocol.version"] == "1.1"


async def test_the_peer_of_a_call_is_the_socket_s(rec, patched, upstream):
    with tracing.span("caller"):
        for get in CLIENTS:
            await get(f"http://localhost:{upstream.port}/a")
    for span in rec.spans("GET"):
        assert (span.attributes["server.address"], span.attributes["network.peer.address"]) == (
            "localhost",
            "127.0.0.1",
        )
    assert len(rec.spans("GET")) == len(CLIENTS)


def test_a_call_that_was_connected_and_failed_has_its_peer(rec, patched, upstream):
    urllib3_client.instrument()
    requests_client.instrument()
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        urllib3.PoolManager(retries=False).request("GET", f"{upstream.url}/slow", timeout=0.05)
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{upstream.url}/slow", timeout=0.05)
    assert [span.attributes["network.peer.port"] for span in rec.spans("GET")] == [upstream.port] * 2


def test_a_client_of_an_application_in_the_process_has_no_peer(rec):
    transport = tracing.HTTPXTransport(httpx.MockTransport(lambda request: httpx.Response(204)))
    with httpx.Client(transport=transport) as client:
        client.get("http://shop.test")
    assert not {name for name in rec.span("GET").attributes if name.startswith("network.")}


@pytest.mark.parametrize("get", CLIENTS)
async def test_http_clients_below_an_unsampled_parent(rec, patched, upstream, get):
    with tracing.attached({"traceparent": f"00-{TRACE}-{PARENT}-00"}):
        await get(upstream.url)
        await get(upstream.url)
    assert rec.spans() == []
    first, second = (headers["traceparent"] for headers in upstream.got)
    assert first.startswith(f"00-{TRACE}-")
    assert first.endswith("-00")
    assert first != second


@pytest.mark.parametrize("get", CLIENTS)
async def test_http_clients_that_reach_nobody(rec, patched, get):
    with tracing.span("caller"), pytest.raises((OSError, httpx.ConnectError, urllib3.exceptions.HTTPError)):
        await get("http://127.0.0.1:1/")
    spans = rec.spans("GET")
    assert len(spans) == (4 if get is with_urllib3 else 1)  # urllib3 tries three times again
    for found in spans:
        assert found.status == "error"
        assert found.attributes["error.type"]
        assert found.events[0][0] == "exception"


def test_requests_errors_are_raised_as_they_are(rec, patched):
    requests_client.instrument()
    with pytest.raises(requests.ConnectionError):
        requests.get("http://127.0.0.1:1/", timeout=2)
    assert rec.span("GET").attributes["error.type"] == "requests.exceptions.ConnectionError"


@pytest.mark.parametrize("flag", ["00", "01"])
def test_requests_above_urllib3_has_one_span(rec, patched, upstream, flag):
    requests_client.instrument()
    urllib3_client.instrument()
    with tracing.attached({"traceparent": f"00-{TRACE}-{PARENT}-{flag}"}):
        assert requests.get(upstream.url, timeout=5).status_code == 200
    spans = rec.spans()
    assert [span.name for span in spans] == ["GET"] * int(flag)
    if spans:
        assert upstream.got[0]["traceparent"] == f"00-{TRACE}-{spans[0].span_id}-01"


def test_each_retry_of_urllib3_is_a_span(rec, patched):
    urllib3_client.instrument()
    retries = urllib3.Retry(2, backoff_factor=0)
    with tracing.span("caller"), urllib3.PoolManager(retries=retries) as pool:
        with pytest.raises(urllib3.exceptions.MaxRetryError):
            pool.request("GET", "http://127.0.0.1:1/")
        assert tracing.current_span().name == "caller"
    found = rec.spans("GET")
    new, most = "urllib3.exceptions.NewConnectionError", "urllib3.exceptions.MaxRetryError"
    assert [span.attributes["error.type"] for span in found] == [new, new, most]
    assert [span.attributes.get("http.request.resend_count") for span in found] == [None, 1, 2]
    assert {(span.status, span.parent_id) for span in found} == {("error", rec.span("caller").span_id)}


def test_the_redirects_and_retries_of_a_pool_are_spans(rec, patched, upstream):
    urllib3_client.instrument()
    with urllib3.HTTPConnectionPool("127.0.0.1", int(upstream.url.rpartition(":")[2])) as pool:
        assert pool.urlopen("GET", "/redirect").status == 200
        retries = urllib3.Retry(1, backoff_factor=0, status_forcelist=[500], raise_on_status=False)
        assert pool.urlopen("GET", "/500", retries=retries).status == 500
    shown = [
        (
            span.attributes["url.full"][len(upstream.url) :],
            span.attributes["http.response.status_code"],
            span.attributes.get("http.request.resend_count"),
        )
        for span in rec.spans("GET")
    ]
    assert shown == [("/redirect", 302, None), ("/after", 200, 1), ("/500", 500, None), ("/500", 500, 1)]
    assert [got["traceparent"].split("-")[2] for got in upstream.got] == [span.span_id for span in rec.spans("GET")]


def retrying(retries):
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retries))
    return session


def seen(rec):
    return [
        (span.attributes.get("http.response.status_code"), span.attributes.get("http.request.resend_count"))
        for span in rec.spans("GET")
    ]


def test_what_requests_sends_again_by_urllib3_has_a_span_for_each_time(rec, patched, upstream):
    requests_client.instrument()
    urllib3_client.instrument()
    retries = urllib3.Retry(2, backoff_factor=0, status_forcelist=[500], raise_on_status=False)
    with retrying(retries) as session, tracing.span("caller") as caller:
        assert session.get(f"{upstream.url}/500").status_code == 500
        assert tracing.current_span() is caller
    assert seen(rec) == [(500, None), (500, 1), (500, 2)]
    spans = rec.spans("GET")
    assert {span.parent_id for span in spans} == {rec.span("caller").span_id}
    assert [got["traceparent"].split("-")[2] for got in upstream.got] == [span.span_id for span in spans]
    assert {span.attributes["network.peer.port"] for span in spans} == {upstream.port}
    assert all(before.end_ns <= after.start_ns for before, after in itertools.pairwise(spans))


def test_the_number_goes_on_over_the_redirects_of_requests(rec, patched, upstream):
    requests_client.instrument()
    urllib3_client.instrument()
    retries = urllib3.Retry(1, backoff_factor=0, status_forcelist=[302], raise_on_status=False)
    with retrying(retries) as session:
        assert session.get(f"{upstream.url}/redirect").status_code == 200
    assert seen(rec) == [(302, None), (302, 1), (200, 2)]


def test_the_last_time_of_requests_has_its_exception(rec, patched):
    requests_client.instrument()
    urllib3_client.instrument()
    with retrying(urllib3.Retry(1, backoff_factor=0)) as session, pytest.raises(requests.ConnectionError):
        session.get("http://127.0.0.1:1/")
    new = "urllib3.exceptions.NewConnectionError"
    assert [span.attributes["error.type"] for span in rec.spans("GET")] == [new, "requests.exceptions.ConnectionError"]
    assert seen(rec) == [(None, None), (None, 1)]


def test_an_unsampled_request_that_is_sent_again_keeps_its_trace(rec, patched, upstream):
    requests_client.instrument()
    urllib3_client.instrument()
    retries = urllib3.Retry(1, backoff_factor=0, status_forcelist=[500], raise_on_status=False)
    with tracing.attached({"traceparent": f"00-{TRACE}-{PARENT}-00"}), retrying(retries) as session:
        session.get(f"{upstream.url}/500")
    assert [got["traceparent"][:35] for got in upstream.got] == [f"00-{TRACE}"] * 2
    assert rec.spans() == []


def test_redirects_and_retries_of_a_pool_manager_are_counted_together(rec, patched, upstream):
    urllib3_client.instrument()
    retries = urllib3.Retry(5, backoff_factor=0, status=1, status_forcelist=[200], raise_on_status=False)
    with urllib3.PoolManager(retries=retries) as pool:
        pool.request("GET", f"{upstream.url}/redirect")
    assert seen(rec) == [(302, None), (200, 1), (200, 2)]


async def with_redirecting_httpx(url):
    httpx_client.instrument()
    async with httpx.AsyncClient(follow_redirects=True) as client:
        return (await client.get(url)).status_code


async def with_redirecting_httpx_sync(url):
    with httpx.Client(transport=tracing.HTTPXTransport(), follow_redirects=True) as client:
        return client.get(url).status_code  # noqa: ASYNC212 - the server has its own thread


@pytest.mark.parametrize(
    "get",
    [
        with_aiohttp,
        with_patched_aiohttp,
        with_redirecting_httpx,
        with_redirecting_httpx_sync,
        with_requests,
        with_patched_requests,
        with_urllib3,
        with_urllib,
    ],
)
async def test_each_redirect_is_a_span_with_its_number(rec, patched, upstream, get):
    with tracing.span("caller"):
        assert await get(f"{upstream.url}/redirect") == 200
        assert await get(f"{upstream.url}/a") == 200
    spans = rec.spans("GET")
    assert [(span.attributes["url.full"], span.attributes["http.response.status_code"]) for span in spans] == [
        (f"{upstream.url}/redirect", 302), (f"{upstream.url}/after", 200), (f"{upstream.url}/a", 200)
    ]  # fmt: skip
    assert [span.attributes.get("http.request.resend_count") for span in spans] == [None, 1, None]
    assert {(span.parent_id, span.status) for span in spans} == {(rec.span("caller").span_id, "unset")}
    assert [got["traceparent"].split("-")[2] for got in upstream.got] == [span.span_id for span in spans]


async def test_too_many_redirects_of_aiohttp_fail_the_last_request(rec, upstream):
    configs = [tracing.aiohttp_trace_config()]
    async with aiohttp.ClientSession(trace_configs=configs) as session:
        with pytest.raises(aiohttp.TooManyRedirects):
            await session.get(f"{upstream.url}/redirect", max_redirects=1)
    found = rec.span("GET")
    assert (found.status, found.attributes["error.type"]) == ("error", "aiohttp.client_exceptions.TooManyRedirects")


def test_an_answer_to_a_challenge_is_sent_again(rec, patched, upstream):
    urllib_client.instrument()
    requests_client.instrument()
    httpx_client.instrument()
    url = f"{upstream.url}/401"
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, url, "u", "p")
    opener = urllib.request.build_opener(urllib.request.HTTPDigestAuthHandler(passwords))
    with tracing.span("caller"):
        with opener.open(url, timeout=5) as response:
            assert response.status == 200
        assert requests.get(url, auth=requests.auth.HTTPDigestAuth("u", "p"), timeout=5).status_code == 200
        assert httpx.get(url, auth=httpx.DigestAuth("u", "p")).status_code == 200
    assert [
        (span.attributes["http.response.status_code"], span.attributes.get("http.request.resend_count"))
        for span in rec.spans("GET")
    ] == [(401, None), (200, 1)] * 3


def test_the_headers_of_a_pool_stay_as_they_are(rec, patched, upstream):
    urllib3_client.instrument()
    given = {"a": "b"}
    with urllib3.HTTPConnectionPool("127.0.0.1", int(upstream.url.rpartition(":")[2]), headers={"c": "d"}) as pool:
        pool.urlopen("GET", "/x?token=1", headers=given)
        pool.urlopen("GET", "/y")
        assert (given, pool.headers) == ({"a": "b"}, {"c": "d"})
    first, second = rec.spans("GET")
    assert first.attributes["url.full"] == f"{upstream.url}/x?token=[REDACTED]"
    assert first.span_id in upstream.got[0]["traceparent"]
    assert second.span_id in upstream.got[1]["traceparent"]
    assert (upstream.got[0]["a"], upstream.got[1]["c"]) == ("b", "d")


@pytest.mark.parametrize(
    ("pool", "url", "full"),
    [
        (urllib3.HTTPConnectionPool("h"), "/x", "http://h/x"),
        (urllib3.HTTPConnectionPool("h", 80), "/x", "http://h/x"),
        (urllib3.HTTPSConnectionPool("h"), "/x", "https://h/x"),
        (urllib3.HTTPSConnectionPool("h", 8443), "/x", "https://h:8443/x"),
        (urllib3.HTTPConnectionPool("::1", 81), "/x", "http://[::1]:81/x"),
        (urllib3.HTTPConnectionPool("proxy"), "http://h:1/x", "http://h:1/x"),
    ],
)
def test_the_url_of_a_pool(pool, url, full):
    assert str(urllib3_client._Url(pool, url)) == full


def test_urllib_outside_a_trace_is_left_alone(rec, patched, upstream):
    urllib_client.instrument()
    with urllib.request.urlopen(upstream.url, timeout=5) as response:
        assert response.status == 200
    assert (rec.spans(), "traceparent" in upstream.got[0]) == ([], False)


def test_urllib_has_a_span_for_each_redirect(rec, patched, upstream):
    urllib_client.instrument()
    with tracing.span("caller"), urllib.request.urlopen(f"{upstream.url}/redirect", timeout=5) as response:
        assert response.url == f"{upstream.url}/after"
    first, second = rec.spans("GET")
    assert first.parent_id == second.parent_id == rec.span("caller").span_id
    assert first.attributes["http.response.status_code"] == 302
    assert second.attributes["url.full"] == f"{upstream.url}/after"
    assert [got["traceparent"].split("-")[2] for got in upstream.got] == [first.span_id, second.span_id]
    assert all("suppress" not in key for key in otel.get_current())
