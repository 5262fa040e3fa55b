"""W3C Trace Context Level 2 and W3C Baggage from their grammars."""

from __future__ import annotations

import string

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.context import Context

from devenv.tracing.context import baggage_header, traceparent, tracestate
from devenv.tracing.propagation import W3CPropagator, put

few = settings(max_examples=150, deadline=None)

HEX = "0123456789abcdef"
hex_text = lambda size: st.text(HEX, min_size=size, max_size=size)  # noqa: E731 - one expression
trace_ids = hex_text(32).filter(lambda text: text.strip("0"))
parent_ids = hex_text(16).filter(lambda text: text.strip("0"))
flags = hex_text(2)
versions = hex_text(2).filter(lambda text: text != "ff")

KEY_FIRST = string.ascii_lowercase + string.digits
KEY_REST = KEY_FIRST + "_-*/@"
NBLK = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in ",=")
keys = st.builds(lambda a, b: a + b, st.sampled_from(KEY_FIRST), st.text(KEY_REST, max_size=255))
values = st.builds(lambda a, b: a + b, st.text(NBLK + " ", max_size=255), st.sampled_from(NBLK))
short_keys = st.builds(lambda a, b: a + b, st.sampled_from(KEY_FIRST), st.text(KEY_REST, max_size=6))
short_values = st.builds(lambda a, b: a + b, st.text(NBLK + " ", max_size=6), st.sampled_from(NBLK))
ows = st.text(" \t", max_size=3)


@few
@given(trace_ids, parent_ids, flags, ows, ows)
def test_valid_parent_of_version_00(trace_id, parent_id, flag, before, after):
    parsed = traceparent.parse(f"{before}00-{trace_id}-{parent_id}-{flag}{after}")
    assert parsed == (trace_id, parent_id, int(flag, 16) & 3)


@few
@given(
    versions.filter(lambda v: v != "00"), trace_ids, parent_ids, flags, st.text(string.printable.strip(), max_size=20)
)
def test_higher_versions_are_read_as_far_as_known(version, trace_id, parent_id, flag, rest):
    known = f"{version}-{trace_id}-{parent_id}-{flag}"
    expected = (trace_id, parent_id, int(flag, 16) & 3)
    assert traceparent.parse(known) == expected
    assert traceparent.parse(f"{known}-{rest}") == expected
    assert traceparent.parse(f"{known}.{rest}") is None


@few
@given(trace_ids, parent_ids, flags, st.data())
def test_one_wrong_character_anywhere_makes_it_invalid(trace_id, parent_id, flag, data):
    header = f"00-{trace_id}-{parent_id}-{flag}"
    at = data.draw(st.integers(0, len(header) - 1))
    wrong = data.draw(st.sampled_from("ABCDEFGg.=_ é-" if header[at] != "-" else HEX + "_. "))
    assert traceparent.parse(header[:at] + wrong + header[at + 1 :]) is None
    assert traceparent.parse(header[:at] + header[at + 1 :]) is None
    assert traceparent.parse(header[:at] + "0" + header[at:]) is None


@few
@given(st.text(max_size=80))
def test_arbitrary_text_never_raises(text):
    traceparent.parse(text)
    tracestate.parse([text])
    baggage_header.parse([text])


@few
@given(st.lists(st.tuples(short_keys, short_values), max_size=32, unique_by=lambda member: member[0]), st.data())
def test_state_keeps_members_and_order_over_several_headers_with_blanks_between(members, data):
    parts = []
    for key, value in members:
        parts += [data.draw(ows) + f"{key}={value}" + data.draw(ows)]
        if data.draw(st.booleans()):
            parts.append(data.draw(ows))  # an empty member is allowed
    cut = data.draw(st.integers(0, len(parts)))
    parsed = tracestate.parse([",".join(parts[:cut]), ",".join(parts[cut:])])
    if not members:
        assert parsed is None
        return
    assert list(parsed.items()) == members
    assert parsed.to_header() == ",".join(f"{key}={value}" for key, value in members)


@settings(max_examples=40, deadline=None)
@given(keys, values)
def test_longest_keys_and_values(key, value):
    assert dict(tracestate.parse([f"{key}={value}"])) == {key: value}
    assert tracestate.parse([f"{key}{'a' * (257 - len(key))}={value}"]) is None
    assert tracestate.parse([f"{key}={'b' * (257 - len(value))}{value}"]) is None


@few
@given(short_keys, short_values, st.sampled_from(["=", "A", "é", "\x00", "\x7f", "\n", "."]))
def test_a_wrong_character_discards_the_whole_state(key, value, wrong):
    assert tracestate.parse([f"good=1,{key}{wrong}x={value}"]) is None
    if wrong not in ".A":
        assert tracestate.parse([f"good=1,{key}={wrong}{value}x{wrong}y"]) is None


@few
@given(
    st.lists(st.tuples(short_keys, short_values), min_size=1, max_size=32, unique_by=lambda m: m[0]),
    short_keys,
    short_values,
)
def test_mutation_moves_to_the_front_and_keeps_the_order_of_the_others(members, key, value):
    state = tracestate.LevelTwoState(members)
    changed = list(state.update(key, value).items())
    others = [member for member in members if member[0] != key]
    assert changed[0] == (key, value)
    assert changed[1:] == others[:31]
    assert dict(state) == dict(members)
    assert list(state.update(key, value).delete(key).items()) == others[:31]


def test_members_beyond_32_and_duplicates():
    many = ",".join(f"k{number}=v" for number in range(33))
    assert tracestate.parse([many]) is None
    assert len(tracestate.parse([many.rpartition(",")[0]])) == 32
    assert dict(tracestate.parse(["a=1,b=2,a=3"])) == {"a": "1", "b": "2"}


def test_keys_of_level_two():
    for key in ("1rojo", "a@b@c", "rojo@", "0"):
        assert dict(tracestate.parse([f"{key}=x"])) == {key: "x"}
        assert tracestate.LevelTwoState().add(key, "x").to_header() == f"{key}=x"
    for key in ("@a", "_a", "Rojo", "-a", ""):
        assert tracestate.parse([f"{key}=x"]) is None
        assert not tracestate.LevelTwoState().add(key, "x")


def carry(context):
    headers: dict[str, str] = {}
    put(headers, context)
    return headers


class Getter:
    def get(self, carrier, key):
        return carrier.get(key)

    def keys(self, carrier):
        return list(carrier)


@few
@given(
    trace_ids, parent_ids, flags, st.lists(st.tuples(short_keys, short_values), max_size=5, unique_by=lambda m: m[0])
)
def test_extract_and_inject_through_the_propagator(trace_id, parent_id, flag, members):
    carrier = {"traceparent": [f"00-{trace_id}-{parent_id}-{flag}"]}
    if members:
        carrier["tracestate"] = [",".join(f"{k}={v}" for k, v in members)]
    context = W3CPropagator().extract(carrier, Context(), Getter())
    found = trace.get_current_span(context).get_span_context()
    assert (f"{found.trace_id:032x}", f"{found.span_id:016x}", found.is_remote) == (trace_id, parent_id, True)
    sent = carry(context)
    version, sent_trace, sent_parent, sent_flags = sent["traceparent"].split("-")
    assert (version, sent_trace, int(sent_flags, 16)) == ("00", trace_id, int(flag, 16) & 3)
    # In a trace that is not sampled, each call has its own parent ID.
    assert (sent_parent == parent_id) is bool(int(flag, 16) & 1)
    assert sent.get("tracestate", "") == ",".join(f"{k}={v}" for k, v in members)


@few
@given(st.integers(2, 4), trace_ids, parent_ids)
def test_several_parents_are_none(count, trace_id, parent_id):
    parents = [f"00-{trace_id}-{parent_id}-01"] * count
    context = W3CPropagator().extract({"traceparent": parents, "tracestate": ["a=1"]}, Context(), Getter())
    assert not trace.get_current_span(context).get_span_context().is_valid
    assert not carry(context)


TOKEN = "!#$%&'*+-.^_`|~" + string.ascii_letters + string.digits
tokens = st.text(TOKEN, min_size=1, max_size=8)
octets = st.text("".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '",;\\%'), max_size=8)


@few
@given(st.dictionaries(tokens, octets, min_size=1, max_size=6), st.data())
def test_baggage_is_passed_on_as_it_came(entries, data):
    members = []
    for key, value in entries.items():
        prop = data.draw(st.sampled_from(["", ";p=1", " ; p", ";p=1;q"]))
        members.append(f"{key}{data.draw(st.sampled_from(['=', ' = ']))}{value}{prop}".strip())
    received = baggage_header.parse([",".join(members)])
    assert dict(received) == entries
    assert baggage_header.format_header(received) == ",".join(members)


@few
@given(st.dictionaries(tokens, st.text(max_size=10), min_size=1, max_size=6))
def test_own_baggage_survives_the_wire(entries):
    context = Context()
    for key, value in entries.items():
        context = baggage.set_baggage(key, value, context)
    header = carry(context)["baggage"]
    assert header.isascii()
    again = W3CPropagator().extract({"baggage": header})
    clean = {key: value.encode("utf-8", "replace").decode("utf-8", "replace") for key, value in entries.items()}
    assert dict(baggage.get_all(again)) == clean


def test_baggage_changed_after_receipt_is_written_anew():
    context = W3CPropagator().extract({"baggage": "a=1;p=x,b=2"})
    assert carry(context)["baggage"] == "a=1;p=x,b=2"
    changed = baggage.set_baggage("c", "3 4", context)
    assert carry(changed)["baggage"] == "a=1,b=2,c=3%204"


def test_baggage_limits_and_broken_members():
    assert baggage_header.parse(["=1, ,x,a b=2,é=1"]) is None
    assert dict(baggage_header.parse(["bad key=1,good=2"])) == {"good": "2"}
    assert len(baggage_header.parse([",".join(f"k{n}=v" for n in range(200))])) == 180
    assert dict(baggage_header.parse(["a=1,b=" + "x" * 8192])) == {"a": "1"}
    assert len(baggage_header.format_header({f"k{n}": "v" * 100 for n in range(100)})) <= 8192
