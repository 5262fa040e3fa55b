"""Every rule of W3C Trace Context Level 2 (and of Baggage) against the running gateway, over raw sockets.

The gateway's upstream says which headers it got; rules are quoted with their section.
"""

from __future__ import annotations

import json
import re
import socket

import pytest
from otlp_receiver import OtlpReceiver
from sample_processes import SampleProcesses, free_port
from stub_upstream import StubUpstream

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
VALID = f"00-{TRACE}-{PARENT}-01"
FORMAT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0([0-3])")


@pytest.fixture(scope="module")
def send(tmp_path_factory):
    """Sends header lines exactly as they are; the trace headers that the upstream got, as lists by name."""
    receiver, stub = OtlpReceiver().start(), StubUpstream().start()
    sample = SampleProcesses(receiver.endpoint, tmp_path_factory.mktemp("w3c"))
    connections = []

    def exchange(*lines: str) -> dict[str, list[str]]:
        if not connections:
            connection = socket.create_connection(("127.0.0.1", sample.ports["gateway"]), timeout=10)
            connections.append((connection, connection.makefile("rb")))
        connection, reader = connections[0]
        head = ["GET /api/auth/echo HTTP/1.1", "Host: gateway", *lines, "", ""]
        connection.sendall("\r\n".join(head).encode("latin-1"))
        status = reader.readline()
        size = 0
        while (line := reader.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        body = reader.read(size)
        assert b" 200 " in status, (status, body)
        found: dict[str, list[str]] = {"traceparent": [], "tracestate": [], "baggage": []}
        for name, value in json.loads(body)["headers"]:
            if name in found:
                found[name].append(value)
        return found

    try:
        sample.start("gateway", AUTH_URL=stub.url, USER_URL=f"http://127.0.0.1:{free_port()}")
        yield exchange
    finally:
        for connection, reader in connections:
            reader.close()
            connection.close()
        sample.kill_all()
        stub.stop()
        receiver.stop()


def sent_parent(got) -> tuple[str, str, int]:
    """Trace id, parent id and flags of the one traceparent that the upstream got, which must be well-formed."""
    assert len(got["traceparent"]) == 1
    match = FORMAT.fullmatch(got["traceparent"][0])
    assert match is not None, got
    trace_id, parent_id, flags = match.groups()
    assert trace_id.strip("0")
    assert parent_id.strip("0")
    return trace_id, parent_id, int(flags)


def assert_continued(got, flags=1):
    trace_id, parent_id, sent_flags = sent_parent(got)
    assert trace_id == TRACE
    assert parent_id != PARENT  # "update parent-id … is the most typical mutation": the call has its own
    assert sent_flags == flags


def assert_restarted(got):
    trace_id, parent_id, flags = sent_parent(got)
    assert trace_id != TRACE
    assert parent_id != PARENT
    assert flags == 3  # sampled, and the id that was made is random
    assert got["tracestate"] == []


# --- traceparent ------------------------------------------------------------------------------------------------------


def test_without_a_header_a_trace_begins(send):
    first, second = sent_parent(send()), sent_parent(send())
    assert first[0] != second[0]
    assert first[2] == second[2] == 3


@pytest.mark.parametrize("name", ["traceparent", "Traceparent", "TRACEPARENT", "TraceParent", "tRACEPARENT"])
def test_header_name_in_any_case(send, name):
    got = send(f"{name}: {VALID}")
    assert_continued(got)


@pytest.mark.parametrize("value", [f"  {VALID}", f"{VALID}  ", f"\t{VALID}\t"])
def test_whitespace_around_the_value_is_not_part_of_it(send, value):
    assert_continued(send(f"traceparent:{value}"))


def test_each_outgoing_call_has_its_own_parent_id(send):
    calls = {sent_parent(send(f"traceparent: {VALID}"))[1] for _ in range(5)}
    assert len(calls) == 5
    unsampled = {sent_parent(send(f"traceparent: 00-{TRACE}-{PARENT}-00"))[1] for _ in range(5)}
    assert len(unsampled) == 5
    assert PARENT not in calls | unsampled


@pytest.mark.parametrize(
    "lines",
    [
        [f"traceparent: {VALID}", f"traceparent: {VALID}"],
        [f"traceparent: {VALID}", f"traceparent: 00-{'1' * 32}-{PARENT}-01"],
        [f"traceparent: {VALID}", f"Traceparent: {VALID}"],
        [f"traceparent: {VALID},{VALID}"],
        [f"traceparent: {VALID}", "traceparent: "],
    ],
)
def test_more_than_one_header_is_none(send, lines):
    assert_restarted(send(*lines, "tracestate: a=1"))


@pytest.mark.parametrize(
    "value",
    [
        f"ff-{TRACE}-{PARENT}-01",  # version ff is forbidden
        f"FF-{TRACE}-{PARENT}-01",
        f"0-{TRACE}-{PARENT}-01",
        f"000-{TRACE}-{PARENT}-01",
        f"zz-{TRACE}-{PARENT}-01",
        f".0-{TRACE}-{PARENT}-01",
        f"CC-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-",  # version 00 has four fields
        f"00-{TRACE}-{PARENT}-01-what-the-future-will-be-like",
        f"00-{TRACE}-{PARENT}-01.",
        f"00-{'0' * 32}-{PARENT}-01",  # trace-id: all zeros, upper case, other characters, wrong length
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-.{TRACE[1:]}-{PARENT}-01",
        f"00-{TRACE[:-1]}g-{PARENT}-01",
        f"00-{TRACE[1:]}-{PARENT}-01",
        f"00-{TRACE}0-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",  # parent-id likewise
        f"00-{TRACE}-{PARENT.upper()}-01",
        f"00-{TRACE}-{PARENT[:-1]}.-01",
        f"00-{TRACE}-{PARENT[1:]}-01",
        f"00-{TRACE}-{PARENT}0-01",
        f"00-{TRACE}-{PARENT}-.0",  # trace-flags likewise
        f"00-{TRACE}-{PARENT}-0",
        f"00-{TRACE}-{PARENT}-001",
        f"00-{TRACE}-{PARENT}-0G",
        f"00-{TRACE}-{PARENT}-0A",
        f"00_{TRACE}_{PARENT}_01",  # dashes are the delimiters
        f"00-{TRACE}-{PARENT}",
        "00",
        "-",
        "",
    ],
)
def test_an_invalid_header_begins_a_new_trace_without_its_state(send, value):
    assert_restarted(send(f"traceparent: {value}", "tracestate: congo=t61rcWkgMzE"))


@pytest.mark.parametrize(
    "value",
    [
        f"cc-{TRACE}-{PARENT}-01",
        f"01-{TRACE}-{PARENT}-01",
        f"fe-{TRACE}-{PARENT}-01-what-the-future-will-be-like",
        f"cc-{TRACE}-{PARENT}-01-",
    ],
)
def test_a_higher_version_is_read_as_far_as_known_and_sent_on_as_00(send, value):
    got = send(f"traceparent: {value}", "tracestate: congo=t61rcWkgMzE")
    assert_continued(got)
    assert got["tracestate"] == ["congo=t61rcWkgMzE"]


@pytest.mark.parametrize(
    "value",
    [
        f"cc-{TRACE}-{PARENT}-01.what-the-future-will-not-be-like",
        f"cc-{TRACE}-{PARENT}-1",
        f"cc-{TRACE}-{PARENT}",
        f"cc-{'0' * 32}-{PARENT}-01",
    ],
)
def test_a_higher_version_that_cannot_be_read_begins_a_new_trace(send, value):
    assert_restarted(send(f"traceparent: {value}"))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("00", 0), ("01", 1), ("02", 2), ("03", 3), ("ff", 3), ("fe", 2), ("fd", 1), ("08", 0), ("09", 1)],
)
def test_sampled_and_random_are_kept_and_unknown_flags_cleared(send, flags, expected):
    assert_continued(send(f"traceparent: 00-{TRACE}-{PARENT}-{flags}"), expected)


# --- tracestate -------------------------------------------------------------------------------------------------------


def state_of(send, *lines: str, parent: str = VALID) -> list[str]:
    got = send(f"traceparent: {parent}", *lines)
    assert_continued(got, int(parent[-1]))  # "failure to parse tracestate MUST NOT affect the parsing of traceparent"
    return got["tracestate"]


def test_state_without_a_parent_is_dropped(send):
    got = send("tracestate: congo=t61rcWkgMzE")
    assert_restarted(got)


@pytest.mark.parametrize("name", ["tracestate", "Tracestate", "TRACESTATE", "TraceState"])
@pytest.mark.parametrize("parent", [VALID, f"00-{TRACE}-{PARENT}-00"])
def test_state_is_passed_on_whatever_the_case_of_its_name(send, name, parent):
    assert state_of(send, f"{name}: rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", parent=parent) == [
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a=1", "b=2"], "a=1,b=2"),
        (["a=1,b=2", "c=3", "d=4"], "a=1,b=2,c=3,d=4"),
        (["a=1", "", "b=2"], "a=1,b=2"),
        (["", "a=1"], "a=1"),
        (["a=1", "   ", "b=2,"], "a=1,b=2"),
    ],
)
def test_several_headers_are_combined_in_order(send, lines, expected):
    assert state_of(send, *(f"tracestate: {line}" for line in lines)) == [expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a=1 , b=2", "a=1,b=2"),
        ("a=1\t,\t b=2 ", "a=1,b=2"),
        (",,a=1,, ,b=2,", "a=1,b=2"),
        ("a= leading blanks are the value's,b=x y", "a= leading blanks are the value's,b=x y"),
    ],
)
def test_blanks_and_empty_members(send, value, expected):
    assert state_of(send, f"tracestate: {value}") == [expected]


@pytest.mark.parametrize("value", ["", " ", ",", " , ,\t,"])
def test_an_empty_state_is_accepted_and_not_sent_on(send, value):
    assert state_of(send, f"tracestate: {value}") == []


def members(count: int) -> str:
    return ",".join(f"bar{number:02}={number:02}" for number in range(count))


def test_32_members_are_passed_on_and_33_are_not(send):
    assert state_of(send, f"tracestate: {members(32)}") == [members(32)]
    assert state_of(send, f"tracestate: {members(33)}") == []
    assert state_of(send, f"tracestate: {members(16)}", f"tracestate: {members(33)[-17 * 9 + 1 :]}") == []


def test_at_least_512_characters_are_passed_on(send):
    value = ",".join(f"k{number}={'v' * 80}" for number in range(31))
    assert len(value) > 2500
    assert state_of(send, f"tracestate: {value}") == [value]


@pytest.mark.parametrize(
    "key",
    ["foo", "0", "1a", "foo-_*/bar", "a@b", "a@b@c", "@".join(["t", "v" * 14]), "a" * 256, "0123456789@", "z/@*-_"],
)
def test_keys_of_level_two(send, key):
    assert state_of(send, f"tracestate: {key}=1,bar=2") == [f"{key}=1,bar=2"]


@pytest.mark.parametrize(
    "member",
    ["foo =1", "FOO=1", "foo.bar=1", "@foo=1", "_foo=1", "-foo=1", "*foo=1", "/foo=1", "=1", "foo", "a" * 257 + "=1"],
)
def test_invalid_keys_discard_the_state_and_nothing_else(send, member):
    assert state_of(send, f"tracestate: bar=2,{member}") == []


def test_values(send):
    everything = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=") + "."
    assert state_of(send, f"tracestate: foo={everything}") == [f"foo={everything}"]
    assert state_of(send, f"tracestate: foo={'v' * 256}") == [f"foo={'v' * 256}"]


@pytest.mark.parametrize("member", ["foo=bar=baz", "foo=", "foo=" + "v" * 257, "foo=\x80", "foo=a\tb"])
def test_invalid_values_discard_the_state_and_nothing_else(send, member):
    assert state_of(send, f"tracestate: bar=2,{member}") == []


def test_of_a_key_that_stands_twice_the_first_is_kept(send):
    assert state_of(send, "tracestate: foo=1,bar=2,foo=3") == ["foo=1,bar=2"]
    assert state_of(send, "tracestate: foo=1", "tracestate: foo=2") == ["foo=1"]


# --- baggage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", ["00", "01"])
def test_baggage_is_passed_on_with_its_properties(send, flags):
    got = send(f"traceparent: 00-{TRACE}-{PARENT}-{flags}", "Baggage: k=v%20w;p=1;q , l=2", "baggage: m=3")
    assert got["baggage"] == ["k=v%20w;p=1;q,l=2,m=3"]


def test_baggage_travels_without_a_parent_and_without_its_broken_members(send):
    assert send("baggage: a=1,b c=2,=3,d")["baggage"] == ["a=1"]
    assert send("baggage: ,")["baggage"] == []
