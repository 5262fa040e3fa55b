"""The number of series: its limit, the shares of services, and the count of what is not stored."""

from __future__ import annotations

from embedded.metric_build import NOW, SECOND, Recorded, counter, gauge, number

from devenv.backend.metrics.history import WINDOW


def many(first: int, last: int, at: int = NOW) -> list[object]:
    return [number(1, at, k=n) for n in range(first, last)]


def test_a_series_is_told_by_its_attributes_in_any_order_its_process_and_its_kind() -> None:
    recorded = Recorded()
    recorded.send(gauge(number(1, NOW, a="1", b="2")), gauge(number(1, NOW + 1, b="2", a="1")))
    assert recorded.store.series == 1
    recorded.send(gauge(number(1, NOW, a="1", b="2")), **{"service.instance.id": "other"})
    recorded.send(counter(number(1, NOW, a="1", b="2"), name="gauge"))
    recorded.send(gauge(number(1, NOW, a="1", b="2")), service="api")
    assert recorded.store.series == 4
    assert recorded.store.services() == ["api", "web"]


def test_processes_without_an_instance_id_are_told_apart_by_their_pid() -> None:
    recorded = Recorded()
    for pid in (1, 2):
        recorded.send(gauge(number(1, NOW)), **{"process.pid": pid, "telemetry.sdk.name": str(pid)})
    assert [series.origin.instance for series in recorded.store.of("web")] == ["1", "2"]


def test_the_surplus_is_counted() -> None:
    recorded = Recorded(most=10)
    assert recorded.send(gauge(*many(0, 15))) == 5
    recorded.now += SECOND
    assert recorded.send(gauge(*many(0, 15, NOW + SECOND))) == 5
    assert recorded.store.series == 10
    assert recorded.store.surplus_series == (5, False)
    assert recorded.store.surplus_points == {"web": 10}
    assert recorded.store.refused == {"more series than the backend keeps": 10}


def test_a_service_with_few_series_takes_the_place_of_one_with_many() -> None:
    recorded = Recorded(most=10)
    recorded.send(gauge(*many(0, 10)), service="loud")
    assert recorded.send(gauge(*many(0, 20)), service="quiet") == 15
    assert len(recorded.store.of("quiet")) == len(recorded.store.of("loud")) == 5
    assert recorded.store.evicted == 5
    # The other one does not take them back.
    recorded.send(gauge(*many(0, 10, NOW + 1)), service="loud")
    assert len(recorded.store.of("quiet")) == 5


def test_the_series_that_was_not_written_to_gives_way_first() -> None:
    recorded = Recorded(most=4)
    recorded.send(gauge(*many(0, 4)), service="loud")
    recorded.send(gauge(number(2, NOW + 1, k=0)), service="loud")
    recorded.send(gauge(number(1, NOW)), service="quiet")
    values = sorted(series.value or 0 for series in recorded.store.of("loud"))
    assert values == [1, 1, 2]
    assert recorded.store.series == 4


def test_series_without_a_value_in_15_minutes_give_way() -> None:
    recorded = Recorded(most=3)
    recorded.send(gauge(*many(0, 3)))
    recorded.now += WINDOW + 1
    assert recorded.send(gauge(*many(3, 6, recorded.now))) == 0
    assert recorded.store.series == 3
    assert recorded.store.surplus_series == (0, False)


def test_more_services_than_series() -> None:
    recorded = Recorded(most=3)
    for name in "abcdef":
        recorded.send(gauge(number(1, NOW)), service=name)
    assert recorded.store.services() == ["a", "b", "c"]
    assert recorded.store.surplus_series == (3, False)
