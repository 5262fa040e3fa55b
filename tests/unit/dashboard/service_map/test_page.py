"""The page of the map over given calls: what it says, what it draws, what it links to."""

from __future__ import annotations

import re
from html import unescape
from typing import cast
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from devenv.dashboard.service_map.page import MAX_SERVICES, MapPage
from devenv.dashboard.service_map.picture import MAX_LABELS
from devenv.http.server import HttpRequest, Response
from devenv.model.trace import ServiceDependency as Calls
from devenv.traces.filters.text_form import parse
from devenv.traces.source import TraceSource

MINUTE = 60_000_000_000
SHOP = [
    Calls("gateway", "auth", 900, 0),
    Calls("auth", "user", 900, 9),
    Calls("gateway", "orders", 12, 0),
    Calls("orders", "orders", 7, 0),
]


class Source:
    """Services and calls as given; ``old`` are those of more than an hour ago."""

    def __init__(self, calls: list[Calls], *, old: list[Calls] | None = None, alone: tuple[str, ...] = ()) -> None:
        self._calls, self._old, self._alone = calls, old or [], alone
        self.ranges: list[int] = []

    async def services(self) -> list[str]:
        return sorted(
            {name for each in [*self._calls, *self._old] for name in (each.parent, each.child)} | {*self._alone}
        )

    async def dependencies(self, end_ns: int, lookback_ns: int) -> list[Calls]:
        self.ranges.append(lookback_ns)
        return self._calls + (self._old if lookback_ns > 60 * MINUTE else [])


async def shown(source: Source, status: int = 200, **parameters: str) -> str:
    handler = MapPage(cast("TraceSource", source), lambda: 10**18)
    answer = await handler(HttpRequest("GET", "/dependencies", urlencode(parameters), {}, b""))
    assert isinstance(answer, Response)
    assert answer.status == status
    assert isinstance(answer.body, bytes)
    return answer.body.decode()


def answer_of(page: str) -> str:
    found = re.search('<p class="answer">(.*?)</p>', page)
    return unescape(re.sub("<[^>]*>", "", found[1])) if found else ""


def nodes(page: str) -> list[str]:
    """Names of the boxes of the picture from left to right."""
    picture = page.split('class="picture right"')[1].split('class="picture down"', maxsplit=1)[0]
    return [unescape(title).split(",")[0] for title in re.findall(r"<title>([^<]*, service[^<]*)</title>", picture)]


def links(page: str) -> set[str]:
    return {unescape(each) for each in re.findall(r'href="(/search\?[^"]*)"', page)}


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        (SHOP, "4 services, 3 edges in the last 15 min; auth → user fails: 9 of 900 calls (1%)."),
        (SHOP[:1], "2 services, 1 edge in the last 15 min; no call failed."),
        (
            [*SHOP, Calls("user", "db", 10, 8)],
            "5 services, 4 edges in the last 15 min; auth → user fails most: 9 of 900 calls (1%).",
        ),
        ([Calls("a", "b", 1)], "2 services, 1 edge in the last 15 min; this trace backend does not count errors."),
        ([Calls("a", "a", 1, 1)], "1 service, 0 edges in the last 24 h; no service calls another."),
    ],
)
async def test_the_first_sentence_answers(calls: list[Calls], said: str) -> None:
    assert answer_of(await shown(Source(calls))) == said


async def test_callers_are_drawn_before_what_they_call_and_a_self_call_is_a_badge() -> None:
    page = await shown(Source(SHOP))
    assert nodes(page) == ["gateway", "auth", "orders", "user"]
    titles = [unescape(each) for each in re.findall("<title>([^<]*)</title>", page)]
    assert "user, service, receives 1/s, called by auth, 1% of these calls failed" in titles
    assert "orders, service, receives 12 calls, called by gateway, 7 calls inside" in titles
    assert "gateway → orders: 12 calls" in titles
    assert "↻ 7" in page
    assert "orders → orders" not in page
    assert page.count('class="cross"') == 2 * 2  # at the edge and in the box that fails, in both pictures


async def test_every_box_row_and_line_leads_to_its_traces() -> None:
    page = await shown(Source([Calls('web "shop"', "Größe & Co", 3, 1)]))
    found = {
        (query["service"][0], query.get("where", [""])[0])
        for query in (parse_qs(urlsplit(each).query) for each in links(page))
    }
    where = 'service = "web \\"shop\\"" and any child(service = "Größe & Co")'
    failed = 'service = "web \\"shop\\"" and any child(service = "Größe & Co" and status = error)'
    assert found == {('web "shop"', ""), ("Größe & Co", ""), ('web "shop"', where), ('web "shop"', failed)}
    assert parse(where) != parse(failed)  # the search page reads both
    assert all("lookback=15m" in each for each in links(page))


async def test_a_name_with_markup_stays_text() -> None:
    page = await shown(Source([Calls("<script>alert(1)</script>", '"><b>', 1, 1)]))
    assert "<script" not in page
    assert "<b>" not in page


async def test_nothing_in_15_minutes_shows_the_last_day_and_says_so() -> None:
    source = Source([], old=SHOP)
    page = await shown(source)
    assert source.ranges == [16 * MINUTE, 24 * 60 * MINUTE + MINUTE]
    assert "in the last 24 h;" in answer_of(page)
    assert "lookback=24h" in page
    source.ranges.clear()
    assert "no service calls another" in answer_of(await shown(source, lookback="1m30s"))
    assert source.ranges == [MINUTE * 5 // 2]  # what was asked for is not widened


async def test_focus_shows_what_is_near_and_keeps_its_form() -> None:
    page = await shown(Source(SHOP), focus="auth", hops="1", lookback="1h")
    assert nodes(page) == ["gateway", "auth", "user"]
    assert answer_of(page).startswith(
        "3 services, 2 edges in the last 1 h: auth and what is at most 1 call away, of 4 services; "
    )
    assert "<option selected>auth</option>" in page
    assert '<option value="1" selected>1 call</option>' in page
    assert '<input type="hidden" name="lookback" value="1h">' in page
    assert "user, service, receives 15/min, called by auth" in page
    around_user = await shown(Source(SHOP), focus="user")
    assert (
        "auth, service, receives 1/s, called by gateway, calls user" in around_user
    )  # true of the whole, not of the part
    assert "no caller" not in around_user
    assert nodes(await shown(Source(SHOP), focus="auth", hops="2")) == ["gateway", "auth", "orders", "user"]


@pytest.mark.parametrize(
    ("parameters", "status", "said"),
    [
        ({"focus": "gone"}, 404, "No service 'gone' has spans: choose one of the 4 that have."),
        ({"hops": "x"}, 400, "hops: found 'x', expected a number from 1 to 9"),
        ({"hops": "²"}, 400, "hops: found '²', expected a number from 1 to 9"),
        ({"hops": "10"}, 400, "hops: found '10', expected a number from 1 to 9"),
        ({"lookback": "soon"}, 400, 'lookback: time: invalid duration "soon"'),
        ({"lookback": "-5m"}, 400, "lookback: expected more than 0"),
    ],
)
async def test_a_wrong_address_is_told(parameters: dict[str, str], status: int, said: str) -> None:
    page = await shown(Source(SHOP), status, **parameters)
    assert said in unescape(page)
    assert 'class="map"' not in page


async def test_own_spans_are_left_out_unless_asked_for() -> None:
    source = Source([*SHOP, Calls("devenv", "gateway", 5, 0)])
    assert "devenv" not in nodes(await shown(source))
    assert nodes(await shown(source, own="1"))[0] == "devenv"


async def test_a_large_map_shows_the_busiest_and_says_what_is_left_out() -> None:
    calls = [Calls("hub", f"leaf-{number:03}", 1000 - number, 0) for number in range(200)]
    page = await shown(Source(calls))
    assert len(nodes(page)) == MAX_SERVICES
    assert "leaf-148" in nodes(page)
    assert "leaf-149" not in nodes(page)
    assert f"The picture has the {MAX_SERVICES} services with the most calls; all 201 are in the table" in page
    assert f"With more than {MAX_LABELS} edges" in page
    assert page.count("<tr>") == 201


async def test_errors_that_are_not_counted_are_not_none() -> None:
    assert "not counted" in await shown(Source([Calls("a", "b", 1)]))
    assert "not counted" not in await shown(Source(SHOP))


async def test_without_spans_it_says_so_and_services_alone_are_drawn() -> None:
    assert "No spans have arrived yet." in await shown(Source([]))
    page = await shown(Source([], alone=("cron", "web")))
    assert nodes(page) == ["cron", "web"]
    assert "No calls between services yet." in page
