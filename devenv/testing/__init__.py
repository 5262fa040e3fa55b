"""Fakes and builders for tests: shipped with the product, imported by nothing of it."""

from devenv.testing.builders import make_project, make_service
from devenv.testing.fake_clock import FakeClock
from devenv.testing.fake_engine import Crashed, FakeEngine
from devenv.testing.script import FakeImage, Script

__all__ = ["Crashed", "FakeClock", "FakeEngine", "FakeImage", "Script", "make_project", "make_service"]
