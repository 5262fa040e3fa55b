"""Which colour a service has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devenv.drawing.service_slots import slots

NAMES = st.sets(st.text(min_size=1, max_size=8), max_size=40)


@given(NAMES, NAMES)
def test_up_to_36_services_differ_in_colour_or_pattern(declared: set[str], seen: set[str]) -> None:
    found = slots(declared, seen)
    assert set(found) == declared | seen
    assert len(set(found.values())) == min(len(found), 36)


@given(NAMES, NAMES, NAMES)
def test_what_is_seen_later_does_not_recolour_the_stack_file(
    declared: set[str], seen: set[str], later: set[str]
) -> None:
    before, after = slots(declared, seen), slots(declared, seen | later)
    assert {name: before[name] for name in declared} == {name: after[name] for name in declared}


def test_the_thirteenth_service_has_stripes() -> None:
    found = slots([f"service-{number}" for number in range(13)])
    assert sorted(slot.number for slot in found.values() if slot.pattern == "plain") == list(range(12))
    assert [slot.pattern for slot in found.values()].count("stripes") == 1
