"""kafka-python and confluent-kafka with their real libraries, at the broker that librdkafka has for tests."""

from __future__ import annotations

import itertools

import confluent_kafka
import kafka
import pytest
from kafka import KafkaProducer
from servers import kafka_broker

from devenv import tracing
from devenv.tracing import automatic
from devenv.tracing.integrations.messaging import confluent_kafka as confluent_integration
from devenv.tracing.integrations.messaging import kafka_python as kafka_python_integration
from devenv.tracing.integrations.messaging.kafka_records import carrying
from devenv.tracing.testing import recording

_topics = itertools.count()


@pytest.fixture(autouse=True)
def _instrumented(patched):
    confluent_integration.instrument()
    kafka_python_integration.instrument()


@pytest.fixture(scope="module")
def broker():
    """The address of the broker."""
    owner, address = kafka_broker.broker()
    yield address
    del owner


@pytest.fixture
def topic():
    return f"orders-{next(_topics)}"


def consumer(broker, topic, kind="Consumer"):
    made = getattr(confluent_kafka, kind)(
        {"bootstrap.servers": broker, "group.id": topic, "auto.offset.reset": "earliest"}
    )
    made.subscribe([topic])
    return made


def next_of(found):
    for _ in range(100):
        message = found.poll(0.2)
        if message is not None and message.error() is None:
            return message
    raise AssertionError("there is no message")


def check(rec, topic, **more):
    request, sent, processed, inner = (
        rec.span(name) for name in ("request", f"send {topic}", f"process {topic}", "inner")
    )
    assert [span.parent_id for span in (sent, processed, inner)] == [
        request.span_id,
        sent.span_id,
        processed.span_id,
    ]
    common = {"messaging.system": "kafka", "messaging.destination.name": topic}
    sending = {"messaging.operation.name": "send", "messaging.operation.type": "send"}
    assert sent.kind == "producer"
    assert {**common, **sending}.items() <= sent.attributes.items()
    processing = {"messaging.operation.name": "process", "messaging.operation.type": "process"}
    where = {"messaging.destination.partition.id": "0", "messaging.kafka.offset": 0}
    assert processed.kind == "consumer"
    assert {**common, **processing, **where, **more}.items() <= processed.attributes.items()
    assert "SECRET" not in str([span.attributes for span in rec.spans()])


def test_confluent_kafka(rec, broker, topic):
    producer = confluent_kafka.Producer({"bootstrap.servers": broker})
    with tracing.span("request"):
        producer.produce(topic, b"body", "SECRET", 0, headers={"own": b"1"})
    assert producer.flush(10) == 0
    found = consumer(broker, topic)
    message = next_of(found)
    with tracing.span("inner"):
        assert (message.value(), dict(message.headers())["own"]) == (b"body", b"1")
    found.close()
    check(rec, topic)
    assert tracing.current_ids() == ("", "")


def test_confluent_kafka_with_its_other_classes(rec, broker, topic):
    producer = confluent_kafka.SerializingProducer({"bootstrap.servers": broker})
    with tracing.span("request"):
        producer.produce(topic, key=b"SECRET", value=b"body", headers=[("own", b"1")], partition=0)
    assert producer.flush(10) == 0
    found = consumer(broker, topic, "DeserializingConsumer")
    assert next_of(found).value() == b"body"
    with tracing.span("inner"):
        pass
    assert found.poll(0) is None
    check(rec, topic)
    found.close()


def test_confluent_kafka_with_a_record_that_cannot_be_sent(rec, broker, topic):
    producer = confluent_kafka.Producer({"bootstrap.servers": broker, "message.max.bytes": 1000})
    with pytest.raises(confluent_kafka.KafkaException):
        producer.produce(topic, b"x" * 100000)
    span = rec.span(f"send {topic}")
    assert (span.status, span.attributes["error.type"]) == ("error", "cimpl.KafkaException")


def test_kafka_python(rec, broker, topic):
    producer = KafkaProducer(bootstrap_servers=broker, api_version=(2, 0), client_id="till")
    with tracing.span("request"):
        sent = producer.send(topic, b"body", b"SECRET", headers=[("own", b"1")], partition=0)
    sent.get(20)
    producer.close()
    found = kafka_broker.reader(broker, topic)
    for record in found:
        with tracing.span("inner"):
            assert (record.value, dict(record.headers)["own"]) == (b"body", b"1")
        break
    assert tracing.current_ids() == ("", "")
    found.close()
    check(rec, topic, **{"messaging.client.id": "cook"})


def test_records_that_are_asked_for_together_are_linked(rec, broker, topic):
    """`consume` of confluent-kafka and `poll` of kafka-python return several records, and are spans themselves."""
    producer = confluent_kafka.Producer({"bootstrap.servers": broker})
    for number in range(3):
        with tracing.span("request"):
            producer.produce(topic, str(number).encode(), "SECRET", 0)
    assert producer.flush(10) == 0
    sent = rec.spans(f"send {topic}")
    rec.clear()
    found = consumer(broker, topic)
    got = []
    while len(got) < 3:
        got += found.consume(3 - len(got), 20)
    assert found.consume(3, 0) == []
    found.close()
    check_asked(rec, f"consume {topic}", sent)
    other = kafka_broker.reader(broker, topic)
    got = []
    while len(got) < 3:
        got += [record.value for records in other.poll(20000).values() for record in records]
    assert other.poll(0) == {}
    other.close()
    assert got == [b"0", b"1", b"2"]
    check_asked(rec, f"poll {topic}", sent)
    assert rec.spans(f"poll {topic}")[0].attributes["messaging.client.id"] == "cook"
    assert tracing.current_ids() == ("", "")


def check_asked(rec, name, sent):
    spans = rec.spans(name)
    assert {(span.kind, span.parent_id, span.status) for span in spans} == {("client", "", "unset")}
    assert [link for span in spans for link in span.links] == [(span.trace_id, span.span_id) for span in sent]
    assert sum(span.attributes["messaging.batch.message_count"] for span in spans) == 3
    assert {span.attributes["messaging.operation.type"] for span in spans} == {"receive"}
    assert {span.attributes["messaging.destination.partition.id"] for span in spans} == {"0"}
    assert all(0 < span.end_ns - span.start_ns < 30e9 for span in spans)
    assert "SECRET" not in str([span.attributes for span in spans])


def test_records_that_no_span_has_sent_or_only_unsampled_ones(rec):
    from devenv.tracing.integrations.messaging.receive import receiving

    unsampled = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-00"}

    def receive(*headers):
        receiving("kafka", 1, "poll", lambda: headers, lambda: ("orders", {}))

    receive(unsampled)
    assert rec.spans() == []
    receive(None)
    receive(unsampled, [("traceparent", f"00-{'a' * 32}-{'c' * 16}-01".encode())])
    with tracing.span("request"):
        receive(unsampled)
    none, one, _, below = rec.spans()[:2] + rec.spans("request") + rec.spans("poll orders")[2:]
    assert (none.links, one.links) == ((), (("a" * 32, "c" * 16),))
    assert below.parent_id == rec.span("request").span_id


def test_kafka_python_with_a_record_that_cannot_be_sent(rec, broker, topic):
    producer = KafkaProducer(bootstrap_servers=broker, api_version=(2, 0))
    for wrong in ({"key": None}, {"value": b"x", "headers": "own"}):
        with pytest.raises((TypeError, ValueError)):
            producer.send(topic, **wrong)
    producer.close()
    assert [span.status for span in rec.spans(f"send {topic}")] == ["error", "error"]


def test_the_headers_of_a_record(rec):
    with tracing.span("request"):
        passed_on = carrying([("own", b"1"), ("traceparent", b"old")])
        assert [name for name, _ in passed_on] == ["own", "traceparent"]
        assert passed_on[1][1] != b"old"
        assert carrying("wrong") == "wrong"
        assert list(carrying(None)) == list(carrying([]))
    with recording({"enabled": False}):
        assert carrying(None) is None


def test_an_old_broker_keeps_no_headers(rec):
    class Old:
        config = {"api_version": (0, 10)}  # noqa: RUF012 - as in the library

    with tracing.span("request"):
        assert kafka_python_integration._carrying(Old(), None) is None
    assert kafka.__version__


def test_each_name_can_be_disabled_as_stock_writes_it():
    written = {(name, module) for name, _, module, _ in automatic.INTEGRATIONS if "_" in name}
    for name, module in written:
        assert name.replace("_", "-") in automatic.STOCK_NAMES[name, module]
