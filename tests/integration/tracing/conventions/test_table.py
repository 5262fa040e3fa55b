"""The table of conventions beside the names that OpenTelemetry's package has, and beside our integrations."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from functools import cache
from pathlib import Path

import conventions.calls
import conventions.clients
import conventions.databases
import conventions.messaging
import conventions.servers  # noqa: F401 - the modules add their cases
import opentelemetry.semconv._incubating.attributes as incubating
import opentelemetry.semconv.attributes as stable
import pytest
from conventions.cases import CASES, integration_of
from conventions.check import FORMS, expected, violations
from conventions.table import document, read

from devenv.tracing import automatic
from devenv.tracing.active import SCHEMA_URL
from devenv.tracing.testing import RecordedSpan

GUIDE = Path(__file__).parents[4] / "docs" / "developer-guide.md"
# What makes the same spans as an integration, or none.
SAME = {
    "AsyncHTTPXTransport": "httpx_client",
    "HTTPXTransport": "httpx_client",
    "TracedExecutor": "threads",
    "wrap": "threads",
    "attached": "threads",
}
INTEGRATIONS = {integration_of(name) for name in CASES}


@cache
def names(package) -> dict[str, bool]:
    """The attributes of a package of names, and whether each is deprecated."""
    found = {}
    for module in pkgutil.iter_modules(package.__path__):
        tree = ast.parse(inspect.getsource(importlib.import_module(f"{package.__name__}.{module.name}")))
        for assigned, text in zip(tree.body, [*tree.body[1:], None], strict=True):
            if isinstance(assigned, ast.AnnAssign) and isinstance(assigned.value, ast.Constant):
                about = text.value.value if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) else ""
                found[assigned.value.value] = str(about).lstrip().startswith("Deprecated")
    return found


def attributes():
    return {(name, attribute.stability) for group in read().values() for name, attribute in group.attributes.items()}


@pytest.mark.parametrize(("name", "stability"), sorted(attributes()))
def test_every_name_is_one_of_the_package_and_as_stable_as_there(name, stability):
    assert (name in names(stable)) is (stability == "stable")
    package = stable if stability == "stable" else incubating  # which calls those deprecated that are in the other
    assert names(package)[name] is (stability == "deprecated")


def test_the_table_is_of_the_version_that_spans_name():
    assert SCHEMA_URL.rpartition("/")[2] == document()["version"]


def test_every_condition_and_form_is_used():
    used = {attribute.condition for group in read().values() for attribute in group.attributes.values()}
    assert used - {""} == set(document()["conditions"])
    assert {group.form for group in read().values()} == set(FORMS)


def test_every_exception_is_that_of_a_case_and_has_a_reason():
    for case, exceptions in document()["exceptions"].items():
        assert case in CASES
        assert set(exceptions) <= {"name", "added", "left out"}
        reasons = [*exceptions.get("added", {}).values(), *exceptions.get("left out", {}).values()]
        assert all(reason.endswith(".") for reason in [*reasons, exceptions.get("name", ".")])


def rows():
    table = GUIDE.read_text().partition("## Libraries")[2].partition("\n\nEach operation")[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_every_row_of_the_guide_has_a_case(row):
    """Its name for `leave_out` is a module of `auto`; what it sets up by hand is a module or a function."""
    manual = row[1]
    modules = set(re.findall(r"devenv\.tracing\.integrations\.([\w.]+?)`", manual))
    functions = set(re.findall(r"tracing\.(\w+)\(", manual)) | set(re.findall(r"`tracing\.(\w+)`", manual))
    left_out = re.findall(r"`(\w+)`", row[2]) if len(row) > 2 else []
    automatically = {module for name, _, module, _ in automatic.INTEGRATIONS if name in left_out}
    wanted = modules | automatically | {SAME.get(name, name) for name in functions}
    assert wanted, "a row from which no integration is known"
    assert wanted <= INTEGRATIONS


def test_every_integration_of_auto_has_a_case():
    assert {module for _, _, module, _ in automatic.INTEGRATIONS} <= INTEGRATIONS


def made(**attributes):
    usual = {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": "shop",
        "server.port": 80,
        "url.full": "http://shop/",
        "network.peer.address": "127.0.0.1",
        "network.peer.port": 80,
        "network.protocol.version": "1.1",
    }
    given = {key.replace("__", "."): value for key, value in attributes.items()}
    found = {key: value for key, value in {**usual, **given}.items() if value is not None}
    return RecordedSpan(name="GET", kind="client", trace_id="", span_id="", parent_id="", attributes=found)


@pytest.mark.parametrize(
    ("attributes", "line"),
    [
        ({}, ""),
        ({"server__address": None}, "lacks server.address: required"),
        ({"network__peer__address": None, "network__peer__port": None}, "lacks network.peer.address: recommended"),
        ({"network__peer__port": None}, "lacks network.peer.port: recommended, peer"),
        ({"server__port": "80"}, "which is not int"),
        ({"http__status_code": 200}, "which is not in the table"),
        ({"url__scheme": "http"}, "which nobody has asked for"),
        ({"error__type": "500"}, "though it is not failed"),
        ({"http__request__method": "PUT"}, "is called 'GET', not 'PUT'"),
    ],
)
def test_what_is_against_the_conventions_is_said(attributes, line):
    found = list(violations(made(**attributes), expected("http.client"), "a case"))
    assert [line in text for text in found] == ([True] if line else [])
