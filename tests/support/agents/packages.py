"""Small stand-ins for the packages of the agents: a tree of node_modules, and a jar."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from devenv.orchestrate.agents.catalogue import NODE

INSTRUMENTATION = "@opentelemetry/instrumentation-http"


def node_tree(folder: Path, version: str = NODE.version) -> Path:
    """Write a `node_modules` with the agent, whose SDK prints `started` when it starts."""
    package(folder, NODE.package, {"index.js": ""}, version=version, dependencies={INSTRUMENTATION: "1"})
    package(folder, "@opentelemetry/api", {"index.js": "exports.trace = {getTracerProvider: () => ({})};"})
    sdk = (
        '"use strict";\nconst base = require("@opentelemetry/base");\nconst data = require("./data");\n'
        "exports.NodeSDK = class { start() { console.error(`started ${base.word} ${data.number}`); } };\n"
        "//# sourceMappingURL=index.js.map"
    )
    package(
        folder, "@opentelemetry/sdk-node", {"build/index.js": sdk, "build/data.json": '{"number": 7}'}, main="build"
    )
    package(folder, "@opentelemetry/base", {"a.cjs": "exports.word = 'well';"}, exports={".": {"node": "./a.cjs"}})
    package(folder, INSTRUMENTATION, {"index.js": "exports.HttpInstrumentation = class {};"})
    package(folder, "unused", {"index.js": ""})
    return folder


def package(folder: Path, name: str, texts: dict[str, str], **keys: object) -> None:
    """Write one package with its description."""
    for file, text in {**texts, "package.json": json.dumps({"name": name, **keys})}.items():
        path = folder / "node_modules" / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def agent_jar(
    path: Path, version: str = "2.0.0", premain: str = "io.opentelemetry.javaagent.OpenTelemetryAgent"
) -> Path:
    """Write a jar with the manifest of the Java agent."""
    with zipfile.ZipFile(path, "w") as jar:
        jar.writestr(
            "META-INF/MANIFEST.MF",
            f"Manifest-Version: 1.0\r\nPremain-Class: {premain}\r\nImplementation-Version: {version}\r\n\r\n",
        )
        jar.writestr("content", "x" * 1000)
    return path
