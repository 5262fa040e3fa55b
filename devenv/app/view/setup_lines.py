"""What to paste so that a program sends its spans to a receiver, by language."""

from __future__ import annotations

from collections.abc import Mapping


def setup_lines(otlp_http_url: str) -> Mapping[str, tuple[str, ...]]:
    """Lines by title, the settings for every SDK first; ``otlp_http_url`` is the receiver's base URL.

    Names of variables: https://opentelemetry.io/docs/specs/otel/protocol/exporter/.
    """
    return {
        "Any SDK, in the shell": (
            f"export OTEL_EXPORTER_OTLP_ENDPOINT={otlp_http_url}",
            "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
        ),
        "Python": ("devenv run -- python app.py",),
        "Node.js": ("NODE_OPTIONS='--require @opentelemetry/auto-instrumentations-node/register' node app.js",),
        "Java": ("java -javaagent:opentelemetry-javaagent.jar -jar app.jar",),
        "Go": ("exporter, err := otlptracehttp.New(ctx)",),
        ".NET": ("builder.Services.AddOpenTelemetry().WithTracing().UseOtlpExporter();",),
    }
