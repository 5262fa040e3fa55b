"""The JSON contract: schemas are kept as golden files; fields may be added, never renamed, removed or retyped.

``python tests/contract/test_documents.py`` writes the golden files again after fields were added.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devenv.model import agents, documents, down_document, listings, load_documents, metrics_document, scaffold
from devenv.model.analysis import check_document, map_document, report_document, trace_diff_document
from devenv.model.documents import Document
from devenv.model.extension import ServiceExtension, StackExtension

GOLDEN = Path(__file__).parent / "golden"
MODULES = (agents, documents, down_document, listings, load_documents, map_document, metrics_document)
MODULES += (check_document, report_document, scaffold, trace_diff_document)
DOCUMENTS = {
    cls.model_fields["schema_"].default.removeprefix("devenv.").replace("/", "-"): cls
    for module in MODULES
    for cls in vars(module).values()
    if isinstance(cls, type) and issubclass(cls, Document) and "schema_" in cls.model_fields
}
MODELS = {**DOCUMENTS, "x-devenv": StackExtension, "x-devenv-service": ServiceExtension}

# The contract of cli.md, by hand: what others build on, whatever the models say.
PROMISED = {
    "up-1": {"schema", "project", "stack", "engine", "engine_reason", "services", "trace_backend", "entrypoint_url"}
    | {"canary", "elapsed_ms"},
    "load-1": {"schema", "run_id", "valid", "target_rps", "achieved_rps", "sent", "completed", "errors", "dropped"}
    | {"response_ms", "service_ms", "generator_lag_ms", "traces", "slowest", "thresholds", "cpu_us_per_request"},
    "down-1": {"schema", "removed", "kept", "left"},
    "status-1": {"schema", "project", "stack", "engine", "services"},
    "map-1": {"schema", "source", "nodes", "edges"},
    "report-1": {"schema", "source", "since", "until", "services", "bottlenecks", "slo", "incident", "thresholds"},
    "check-1": {"schema", "services", "findings"},
    "error-1": {"schema", "error"},
}
PROMISED_PARTS = {
    "ServiceDocument": {"name", "state", "health", "ready_ms", "ports", "instances"},
    "PortDocument": {"host", "container", "address", "url"},
    "InstanceDocument": {"id", "state", "health"},
    "TraceBackendDocument": {"kind", "ui_url", "query_url", "otlp_http_url"},
    "CanaryDocument": {"verdict", "trace_id", "spans", "services", "ui_url", "elapsed_ms"},
    "PercentilesDocument": {"p50", "p90", "p95", "p99", "p999", "max"},
    "LagDocument": {"p50", "p99", "max"},
    "TraceCountsDocument": {"complete", "partial", "split", "orphaned", "late", "evicted", "unsampled"}
    | {"unverified", "absent"},
    "SlowRequestDocument": {"trace_id", "response_ms", "ui_url"},
    "ThresholdDocument": {"expr", "value", "ok"},
    "RemovedDocument": {"containers", "networks", "volumes", "processes"},
    "ErrorPart": {"code", "kind", "message", "hint", "details"},
    "NodePart": {"name", "kind", "spans"},
    "EdgePart": {"caller", "callee", "declared", "observed", "calls", "errors", "p50_ms", "p99_ms"},
    "ServiceFiguresPart": {"name", "requests", "rate", "errors", "p50_ms", "p90_ms", "p99_ms", "operations"},
    "OperationPart": {"name", "kind", "requests", "errors", "p50_ms", "p90_ms", "p99_ms", "self_ms", "critical_share"},
    "BottleneckPart": {"service", "operation", "critical_share", "self_ms"},
    "ObjectivePart": {"name", "target", "value", "ok", "budget_left"},
    "IncidentPart": {"components", "changes"},
    "ComponentPart": {"service", "operation", "error", "since", "requests", "example_traces"},
    "ChangePart": {"time", "service", "what"},
    "ScorePart": {"name", "score", "rules", "not_judged"},
    "RulePart": {"id", "ok", "impact", "affected"},
    "FindingPart": {"kind", "service", "evidence", "example_traces", "advice"},
}


def properties(schema: dict[str, Any]) -> dict[str, Any]:
    """Type of every field by ``Model.field``, without descriptions and titles."""
    found = {}
    for owner, part in [("", schema), *schema.get("$defs", {}).items()]:
        for name, field in part.get("properties", {}).items():
            shape = {k: v for k, v in field.items() if k not in {"title", "description", "default"}}
            found[f"{owner}.{name}"] = shape
    return found


def render(name: str) -> str:
    return json.dumps(MODELS[name].model_json_schema(), indent=1, sort_keys=True) + "\n"


@pytest.mark.parametrize("name", sorted(MODELS))
def test_schema_equals_its_golden_file(name: str) -> None:
    expected = json.loads((GOLDEN / f"{name}.schema.json").read_text())
    found = json.loads(render(name))
    lost = {key for key, shape in properties(expected).items() if properties(found).get(key) != shape}
    assert not lost, f"fields renamed, removed or retyped: {sorted(lost)}"
    assert found == expected, "fields were added: run this file as a script to write the golden files again"


def test_golden_files_have_models() -> None:
    assert {path.name.removesuffix(".schema.json") for path in GOLDEN.glob("*.schema.json")} == set(MODELS)


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_promised_fields_are_there(name: str) -> None:
    found = MODELS[name].model_json_schema(by_alias=True)["properties"]
    assert PROMISED[name] <= set(found)


@pytest.mark.parametrize("part", sorted(PROMISED_PARTS))
def test_promised_fields_of_parts_are_there(part: str) -> None:
    model = next(vars(module)[part] for module in MODULES if part in vars(module))
    assert set(model.model_fields) >= PROMISED_PARTS[part]


def test_documents_print_their_schema_first() -> None:
    printed = down_document.DownDocument().model_dump_json(by_alias=True)
    assert printed.startswith('{"schema":"devenv.down/1",')


if __name__ == "__main__":
    for model_name in MODELS:
        (GOLDEN / f"{model_name}.schema.json").write_text(render(model_name))
