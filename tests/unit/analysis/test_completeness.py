"""Classes and causes of traces that are and are not whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from devenv.analysis.causes import Setup, callee, fault_of
from devenv.analysis.completeness import COMPLETE, Expectation, Finding, classify, is_complete, request_of
from devenv.model.span import Span, SpanKind, SpanLink
from devenv.model.trace import Trace, collect

TRACE = "a" * 32
OTHER = "b" * 32
START = 1_700_000_000 * 10**9
EXPECTED = Expectation(services=frozenset({"gateway", "auth", "user"}))
BROKEN = "propagation broken between gateway and auth: auth has spans in other traces (split suspected)"


def span(identity: str, parent: str | None, service: str, **fields: Any) -> Span:
    start = int(identity, 16) * 10
    values: dict[str, Any] = {"trace_id": TRACE, "name": f"op {identity}", "start_ns": start, "end_ns": 1000 - start}
    return Span(span_id=identity.zfill(16), parent_id=parent and parent.zfill(16), service=service, **values | fields)


def call(identity: str, parent: str, service: str, to: str, **fields: Any) -> Span:
    return span(identity, parent, service, kind=SpanKind.CLIENT, attributes={"server.address": to}, **fields)


WHOLE = (
    span("1", None, "devenv", kind=SpanKind.INTERNAL),
    span("2", "1", "gateway", kind=SpanKind.SERVER),
    call("3", "2", "gateway", "auth"),
    span("4", "3", "auth", kind=SpanKind.SERVER),
    call("5", "4", "auth", "user"),
    span("6", "5", "user", kind=SpanKind.SERVER),
    span("7", "6", "user", kind=SpanKind.INTERNAL),
)


def trace(*spans: Span) -> Trace:
    (found,) = collect(spans)
    return found


def without(*identities: str) -> Trace:
    gone = {identity.zfill(16) for identity in identities}
    return trace(*(each for each in WHOLE if each.span_id not in gone))


def elsewhere(*spans: Span) -> Trace:
    return trace(*(replace(each, trace_id=OTHER) for each in spans))


def test_a_whole_trace_is_complete() -> None:
    assert classify(trace(*WHOLE), EXPECTED) == COMPLETE
    assert is_complete(trace(*WHOLE), EXPECTED.services)


def test_services_beyond_the_expected_do_no_harm() -> None:
    assert classify(trace(*WHOLE), Expectation(services=frozenset({"gateway"}))) == COMPLETE


def test_nothing_is_absent() -> None:
    found = classify(None, EXPECTED)
    assert (found.trace_class, found.missing) == ("absent", ("auth", "gateway", "user"))
    assert "no span arrived, not even devenv's own" in found.cause


def test_the_own_root_alone_is_absent_with_another_cause() -> None:
    found = classify(trace(WHOLE[0]), EXPECTED)
    assert found.trace_class == "absent"
    assert "only devenv's root span" in found.cause


def test_a_backend_without_any_service_points_at_their_exporters() -> None:
    found = classify(trace(WHOLE[0]), replace(EXPECTED, known_services=frozenset({"devenv"})))
    assert "no service exports to this backend" in found.cause


@pytest.mark.parametrize(
    ("known", "cause"),
    [
        (
            frozenset({"gateway", "auth", "user"}),
            BROKEN,
        ),
        (frozenset({"gateway"}), "gateway called auth, but no span from auth ever arrived: not traced"),
        (None, "propagation broken between gateway and auth, or auth does not export"),
    ],
)
def test_a_call_with_nothing_below_it_names_both_ends(known: frozenset[str] | None, cause: str) -> None:
    found = classify(without("4", "5", "6", "7"), replace(EXPECTED, known_services=known))
    assert (found.trace_class, found.missing) == ("partial", ("auth", "user"))
    assert found.cause.startswith(cause)


@pytest.mark.parametrize(
    ("newest", "cause"),
    [
        ({}, "gateway called auth, but auth has only spans from before this request: its exporter fails"),
        ({"auth": START - 2 * 10**9}, "gateway called auth, but auth has only spans from before this request"),
        ({"user": START + 1}, "gateway called auth, but auth has only spans from before this request"),
        (
            {"auth": START + 1},
            BROKEN,
        ),
        (
            {"auth": START - 10**8},
            BROKEN,
        ),  # clocks differ
        (None, BROKEN),
    ],
)
def test_older_spans_of_a_service_are_no_sign_of_broken_propagation(newest: dict[str, int] | None, cause: str) -> None:
    known = frozenset({"gateway", "auth", "user"})
    moved = trace(*(replace(each, start_ns=START + each.start_ns, end_ns=START + each.end_ns) for each in WHOLE[:3]))
    found = classify(moved, replace(EXPECTED, known_services=known, newest_ns=newest))
    assert found.cause.startswith(cause)


def test_only_old_spans_are_the_exporters_fault_also_if_no_service_has_a_span() -> None:
    moved = trace(replace(WHOLE[0], start_ns=START, end_ns=START + 10))
    known = replace(EXPECTED, known_services=frozenset({"devenv", "gateway", "auth"}))
    old = classify(moved, replace(known, newest_ns={"gateway": START - 60 * 10**9}))
    assert old.cause.startswith("the backend has only spans from before this request: the exporters fail")
    assert "only devenv's root span" in classify(moved, replace(known, newest_ns={"gateway": START + 5})).cause


def test_one_lost_batch_is_no_sign_of_broken_propagation() -> None:
    known = replace(EXPECTED, known_services=frozenset({"gateway", "auth", "user"}), joined=frozenset({"auth"}))
    found = classify(without("4", "5", "6", "7"), known)
    assert found.cause.startswith("gateway called auth, and auth continues the traces of other requests: its spans of")


def test_an_orphan_of_another_branch_is_not_below_the_missing_service() -> None:
    """gateway called auth, which is silent, and later lost the client span of its call to user."""
    call_of_auth = call("3", "2", "gateway", "auth", end_ns=40)
    later = span("6", "5", "user", kind=SpanKind.SERVER, start_ns=3 * 10**9, end_ns=4 * 10**9)
    found = classify(trace(*WHOLE[:2], call_of_auth, later), replace(EXPECTED, known_services=frozenset({"user"})))
    assert found.missing == ("auth",)
    assert found.cause == "gateway called auth, but no span from auth ever arrived: not traced, or wrong endpoint"


def test_a_gap_with_spans_below_it_is_a_dropping_exporter() -> None:
    found = classify(without("4", "5"), EXPECTED)
    assert (found.trace_class, found.missing) == ("partial", ("auth",))
    assert found.cause.startswith(
        "no span from auth, but user received its context: auth's exporter probably dropped spans"
    )


def test_a_request_that_did_not_get_that_far() -> None:
    found = classify(without("3", "4", "5", "6", "7"), EXPECTED)
    assert found.trace_class == "partial"
    assert "did not reach it" in found.cause


def test_a_missing_parent_is_orphaned_and_names_whose_span_is_gone() -> None:
    found = classify(without("5"), EXPECTED)
    assert found.trace_class == "orphaned"
    assert found.cause == "the parent of user's 'op 6' did not arrive: probably dropped by auth's exporter"
    assert not is_complete(without("5"), EXPECTED.services)


def test_a_missing_own_root_is_orphaned_by_our_own_fault() -> None:
    found = classify(without("1"), EXPECTED)
    assert found.trace_class == "orphaned"
    assert found.cause.startswith("devenv's root span, the parent of gateway's 'op 2', did not arrive")


def test_two_roots_are_not_complete() -> None:
    two = trace(*WHOLE[:-1], span("7", None, "user"))
    assert classify(two, EXPECTED).trace_class == "orphaned"
    assert "2 root spans instead of 1 (devenv and user)" in classify(two, EXPECTED).cause
    assert not is_complete(two, EXPECTED.services)


def test_a_span_that_is_its_own_parent_is_not_complete() -> None:
    circle = trace(*WHOLE, span("8", "8", "user"))
    assert classify(circle, EXPECTED).trace_class == "orphaned"
    assert not is_complete(circle, EXPECTED.services)


def test_parts_in_another_trace_are_split_between_caller_and_torn() -> None:
    torn = elsewhere(span("4", None, "auth", attributes={"devenv.request": TRACE}))
    found = classify(without("4", "5", "6", "7"), EXPECTED, others=[torn])
    assert found == Finding(
        trace_class="split",
        missing=("auth", "user"),
        cause="propagation broken between gateway and auth: auth's spans are in a separate trace",
        elsewhere=(OTHER,),
    )
    assert request_of(torn) == TRACE


def test_a_torn_off_part_splits_a_trace_that_has_every_service() -> None:
    assert classify(trace(*WHOLE), EXPECTED, others=[elsewhere(span("9", None, "user"))]).trace_class == "split"


def test_a_part_where_nothing_is_under_the_own_id_is_split() -> None:
    assert classify(None, EXPECTED, others=[elsewhere(span("4", None, "auth"))]).trace_class == "split"


def test_a_batch_joined_by_links_is_not_split() -> None:
    batch = elsewhere(span("9", None, "user", links=(SpanLink(TRACE, "7".zfill(16)),)))
    assert classify(trace(*WHOLE), EXPECTED, others=[batch]) == COMPLETE
    back = trace(*WHOLE, span("8", "7", "user", links=(SpanLink(OTHER, "9".zfill(16)),)))
    assert classify(back, EXPECTED, others=[elsewhere(span("9", None, "user"))]) == COMPLETE


@pytest.mark.parametrize(
    ("setup", "cause"),
    [
        (Setup(instrumented=False), "auth is not traced (x-devenv.instrument: false)"),
        (Setup(exporter="console"), "OTEL_TRACES_EXPORTER=console"),
        (Setup(sampler="always_off"), "does not sample any trace"),
        (Setup(sampler="parentbased_always_off"), "does not sample any trace"),
        (Setup(disabled=True), "OTEL_SDK_DISABLED"),
        (Setup(sampler="traceidratio", sampler_argument="0.1"), "ignores the caller's sampling decision"),
        (Setup(endpoint="http://localhost:4318", isolated=True), "loopback endpoint"),
        (Setup(endpoint="http://jaeger:4317", protocol="http/protobuf"), "the gRPC port"),
        (Setup(endpoint="jaeger:4318", protocol="grpc"), "the HTTP port"),
        (Setup(endpoint="http://collector:4318", refused=True, isolated=True), "bound to its own 127.0.0.1"),
        (Setup(endpoint="http://127.0.0.1:9", refused=True), "but nothing listens there"),
    ],
)
def test_settings_that_explain_a_missing_service(setup: Setup, cause: str) -> None:
    found = classify(without("4", "5", "6", "7"), replace(EXPECTED, setups={"auth": setup}))
    assert found.cause.startswith("auth ")
    assert cause in found.cause
    assert cause in classify(None, replace(EXPECTED, setups={"auth": setup})).cause


@pytest.mark.parametrize(
    "setup",
    [
        None,
        Setup(),
        Setup(endpoint="http://localhost:4318", protocol="http/protobuf"),
        Setup(endpoint="http://jaeger:4317", protocol="grpc", isolated=True),
        Setup(exporter="otlp", sampler="parentbased_traceidratio"),
        Setup(sampler="traceidratio"),
        Setup(sampler="traceidratio", sampler_argument="1.0"),
        Setup(sampler="traceidratio", sampler_argument="all"),
    ],
)
def test_good_settings_are_not_blamed(setup: Setup | None) -> None:
    assert fault_of(setup) == ""


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"peer.service": "auth"}, "auth"),
        ({"server.address": "auth.internal"}, "auth"),
        ({"net.peer.name": "auth:8000"}, "auth"),
        ({"url.full": "http://auth:8000/x"}, "auth"),
        ({"http.url": "http://auth/x"}, "auth"),
        ({}, None),
        ({"server.address": 7}, None),
    ],
)
def test_whom_a_client_span_called(attributes: dict[str, Any], name: str | None) -> None:
    assert callee(span("1", None, "gateway", kind=SpanKind.CLIENT, attributes=attributes)) == name
    assert callee(span("1", None, "gateway", kind=SpanKind.SERVER, attributes=attributes)) is None


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("unknown_service:node", "user sends its spans as unknown_service:node: it has no service name"),
        ("members", "user sends its spans as members: its code sets that name"),
    ],
)
def test_a_service_whose_spans_have_another_name(name: str, cause: str) -> None:
    renamed = trace(*(replace(each, service=name) if each.service == "user" else each for each in WHOLE))
    found = classify(renamed, replace(EXPECTED, known_services=frozenset({"gateway", "auth", name})))
    assert (found.trace_class, found.missing) == ("partial", ("user",))
    assert found.cause.startswith(cause)


def test_the_entry_point_whose_spans_have_another_name() -> None:
    renamed = trace(*(replace(each, service="edge") if each.service == "gateway" else each for each in WHOLE))
    found = classify(renamed, replace(EXPECTED, entrypoint="gateway"))
    assert found.cause.startswith("gateway sends its spans as edge")


def test_the_name_of_another_service_of_the_stack_is_not_the_missing_one() -> None:
    """A reverse proxy answered in place of `user`: what is below the call belongs to another service."""
    answered = trace(*without("6", "7").spans, span("8", "5", "web", kind=SpanKind.SERVER))
    found = classify(answered, replace(EXPECTED, setups={"web": Setup()}))
    assert "sends its spans as" not in found.cause
