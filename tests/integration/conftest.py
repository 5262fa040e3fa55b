"""What many integration tests need: somewhere for spans to go, and the sample's services as processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from otlp_receiver import OtlpReceiver
from sample_processes import SampleProcesses
from tracing_collector import Collector


@pytest.fixture
def collector() -> Iterator[Collector]:
    """An OTLP receiver that answers by a script, and keeps what it was sent."""
    made = Collector().start()
    yield made
    made.stop()


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """An OTLP receiver that can be asked for whole traces."""
    receiver = OtlpReceiver().start()
    yield receiver
    receiver.stop()


@pytest.fixture
def sample(receiver: OtlpReceiver, tmp_path: Path) -> Iterator[SampleProcesses]:
    """Starts the sample's services; they end with the test."""
    sample = SampleProcesses(receiver.endpoint, tmp_path)
    yield sample
    sample.kill_all()
