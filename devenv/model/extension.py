"""``x-devenv``: devenv's own keys in a stack file; unknown keys are errors.

Durations are Compose durations (``"250ms"``, ``"1m30s"``, a bare number is seconds), stored in seconds.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

_UNIT_SECONDS = {
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|µs|ms|s|m|h|d|w)")


def parse_duration(value: object) -> float:
    """Return the seconds of a Compose duration such as ``1h30m``, ``250ms`` or a bare number of seconds.

    Raises:
        ValueError: If the text is not a duration.
    """
    if isinstance(value, bool):
        raise ValueError("a duration such as 500ms or 1m30s")
    if isinstance(value, int | float):
        return float(value)
    text = str(value).strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("a duration such as 500ms or 1m30s")
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?", re.IGNORECASE)
_SIZE_UNITS = " kmgt"


def parse_size(value: object) -> int:
    """Return the bytes of a size as Compose writes it, such as ``512m``, ``1gb`` or a bare number; 1k is 1024.

    Raises:
        ValueError: If the text is not a size.
    """
    found = None if isinstance(value, bool) else _SIZE.fullmatch(str(value).strip())
    if found is None:
        raise ValueError("a size such as 512m or 1gb")
    return int(float(found[1]) * 1024 ** _SIZE_UNITS.index(found[2].lower() or " "))


Seconds = Annotated[float, BeforeValidator(parse_duration), Field(ge=0)]
Size = Annotated[int, BeforeValidator(parse_size)]
HttpMethod = Annotated[str, StringConstraints(pattern=r"^[A-Z]+$")]
Ratio = Annotated[float, Field(ge=0, le=1)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]


def _text(value: object) -> object:
    """Numbers and booleans of YAML as the text that Compose makes of them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_text)]


class Strict(BaseModel):
    """Base of the models of user input: frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Request(Strict):
    """One HTTP request to the entry point, with its expected result.

    Attributes:
        path: path and query, starting with ``/``.
        body: sent unchanged if a string, else as JSON.
        expect_status: the status that counts as success; if ``None``, any status below 400.
        services: services that must be in the trace; if empty, those of the canary's trace.
    """

    method: HttpMethod = "GET"
    path: Annotated[str, StringConstraints(pattern=r"^/")] = "/"
    headers: dict[str, Text] = Field(default_factory=dict)
    body: str | dict[str, Any] | list[Any] | None = None
    expect_status: Annotated[int, Field(ge=100, le=599)] | None = None
    services: tuple[Text, ...] = ()


class Scenario(Request):
    """The request of a load scenario."""

    description: str = ""


class Load(Strict):
    """Load scenarios by name; ``default`` is the one that ``devenv load`` uses (the first one if unset)."""

    default: str | None = None
    scenarios: dict[str, Scenario] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _default_exists(self) -> Load:
        if self.default is not None and self.default not in self.scenarios:
            raise ValueError(f"default is not a scenario; available: {', '.join(self.scenarios) or 'none'}")
        return self


# A name or an address in brackets, and a port; at most one `*`, as the OpenTelemetry Collector wants it.
_NAME = r"([a-z0-9_-]+\.)*[a-z0-9_-]+"
_ORIGIN = re.compile(rf"\*|https?://(\*\.{_NAME}(:\d{{1,5}})?|({_NAME}|\[[0-9a-f:.]+\])(:\d{{1,5}}|:\*)?)")


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise ValueError(
            "an origin without a path, such as https://shop.test, https://*.shop.test, http://shop.test:*, *"
        )
    return text


BrowserOrigin = Annotated[str, AfterValidator(_origin)]


class Jaeger(Strict):
    """Storage and receiver of the trace backend that devenv adds.

    Attributes:
        storage: ``memory``, or ``badger``: on disk, where the traces stay after ``down``. That is a named volume for
            Jaeger, and a folder in ``.devenv/volumes/`` for the embedded backend.
        max_traces: limit of the memory store; the oldest traces are evicted first.
        max_age: seconds after which traces on disk are removed.
        max_bytes: size of the embedded backend's folder; above it, the oldest traces are removed.
        cors_origins: whose pages may send spans over HTTP, in addition to those of this machine: origins with at most
            one ``*``, for a port, for the first labels of a host, or for everything.
        version: tag of the ``jaegertracing/jaeger`` image that devenv adds to stacks without a trace backend.
    """

    storage: Literal["memory", "badger"] = "memory"
    max_traces: Annotated[int, Field(ge=1)] = 100_000
    max_age: Annotated[Seconds, Field(gt=0)] = 30 * 86400
    max_bytes: Annotated[Size, Field(ge=16 * 1024 * 1024)] = 512 * 1024 * 1024
    cors_origins: tuple[BrowserOrigin, ...] = ()
    version: str = "2.13.0"


class BackendSettings(Strict):
    """How the trace backend is reached.

    Attributes:
        access: ``open``: every user of this machine can read the traces; ``token``: only who has the backend's token,
            which only the embedded backend can ask for.
    """

    access: Literal["open", "token"] = "open"


class ServiceSampling(Strict):
    """Sampling ratios of one service: of its ``operations`` by span name, and of the others.

    Attributes:
        default: if it is not given, that of the stack.
    """

    default: Ratio | None = None
    operations: dict[str, Ratio] = Field(default_factory=dict)


class Sampling(Strict):
    """Sampling ratios of new traces: by service, and of the services that are not listed."""

    default: Ratio = 1.0
    services: dict[str, Ratio | ServiceSampling] = Field(default_factory=dict)

    def ratio(self, service: str) -> float:
        """Return the ratio of a service's operations that are not listed."""
        found = self.services.get(service)
        if isinstance(found, ServiceSampling):
            found = found.default
        return self.default if found is None else found

    def operations(self, service: str) -> dict[str, float]:
        """Return the ratios of a service's operations by span name."""
        found = self.services.get(service)
        return found.operations if isinstance(found, ServiceSampling) else {}


def parse_share(value: object) -> float:
    """Return a share between 0 and 1, written as a percentage such as ``99.9%`` or as a number such as 0.999.

    Raises:
        ValueError: If it is not a share, or is 0 or 100%: no system keeps the latter.
    """
    text = str(value).strip()
    found = None if isinstance(value, bool) else re.fullmatch(r"(\d*\.?\d+)\s*(%?)", text)
    share = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    if not 0 < share < 1:
        raise ValueError("a share above 0% and below 100%, such as 99.9% or 0.999")
    return round(share, 9)


Share = Annotated[float, BeforeValidator(parse_share)]


class LatencyObjective(Strict):
    """The share of requests that must take less than ``under`` seconds."""

    under: Annotated[Seconds, Field(gt=0)]
    share: Share


class Objective(Strict):
    """Service level objectives of a service or of one of its operations.

    Attributes:
        service: its name in traces; the objective's own name if it is not given.
        operation: span name; all requests of the service if it is not given.
        availability: share of requests without an error.
        latency: of the requests without an error.
        p50, p90, p95, p99: seconds; short for ``latency`` with a share of 50, 90, 95 or 99%.
        errors: ratio of requests with an error; short for the ``availability`` that is left.
        window: seconds up to now that count; the time of the report if it is not given.
    """

    service: str | None = None
    operation: str | None = None
    availability: Share | None = None
    latency: LatencyObjective | None = None
    p50: Seconds | None = None
    p90: Seconds | None = None
    p95: Seconds | None = None
    p99: Seconds | None = None
    errors: Ratio | None = None
    window: Annotated[Seconds, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_target(self) -> Objective:
        targets = ("availability", "latency", "p50", "p90", "p95", "p99", "errors")
        if all(getattr(self, name) is None for name in targets):
            raise ValueError(f"at least one of {', '.join(targets)}")
        return self


class StackExtension(Strict):
    """``x-devenv`` at the top level of a stack file."""

    entrypoint: str | None = None
    canary: Request | None = None
    sampling: Ratio | Sampling | None = None
    load: Load = Field(default_factory=Load)
    slo: dict[str, Objective] = Field(default_factory=dict)
    jaeger: Jaeger = Field(default_factory=Jaeger)
    backend: BackendSettings = Field(default_factory=BackendSettings)
    collector: Literal["tee", "leave"] = "tee"

    @property
    def sampling_ratio(self) -> float:
        """The ratio of traces that begin in a service that is not listed, such as devenv's own."""
        if self.sampling is None:
            return 1.0
        return self.sampling.default if isinstance(self.sampling, Sampling) else self.sampling


class HttpReady(Strict):
    """``ready.http``: ready means any status below 400, or exactly ``status`` if given."""

    path: Annotated[str, StringConstraints(pattern=r"^/")] = "/"
    port: PortNumber | None = None
    status: Annotated[int, Field(ge=100, le=599)] | None = None


def _short_http(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


def _short_exec(value: object) -> object:
    return ("CMD-SHELL", value) if isinstance(value, str) else value


class Ready(Strict):
    """``x-devenv.ready``: at most one of http, tcp, log and exec; ``timeout`` limits the wait for the service.

    Attributes:
        http: ``/path``, or ``{path, port, status}``; the default ``port`` is the service's first one.
        tcp: container port that must accept and keep a connection; ``true``: the service's first port.
        log: regular expression that a line of output must match.
        exec: command that must exit with 0, as a list or as a shell command line.
        timeout: seconds.
    """

    http: Annotated[HttpReady, BeforeValidator(_short_http)] | None = None
    port: PortNumber | None = None
    tcp: PortNumber | Literal[True] | None = None
    log: str | None = None
    exec: Annotated[tuple[Text, ...], BeforeValidator(_short_exec)] | None = None
    timeout: Seconds | None = None

    @model_validator(mode="after")
    def _one_probe(self) -> Ready:
        given = [name for name in ("http", "tcp", "log", "exec") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"one of http, tcp, log, exec (found {' and '.join(given)})")
        return self

    @property
    def has_probe(self) -> bool:
        """Whether it declares a probe, rather than only a timeout or a port."""
        return any(kind is not None for kind in (self.http, self.tcp, self.log, self.exec))


class Process(Strict):
    """Settings of a service for the process engine.

    Attributes:
        command: argument list, or a line that is split by the rules of a shell (no shell runs).
        cwd: working directory, relative to that of the stack file.
        env: variables added to the service's environment.
        port_env: variable with the port on which the service must listen.
        port: the port of the container of which ``port_env`` has the counterpart; the first one if it is not given.
        same_port: a port that is not published is the container's on this machine too, if it is free.
    """

    command: str | tuple[Text, ...]
    cwd: str = "."
    env: dict[str, Text] = Field(default_factory=dict)
    port_env: str = "PORT"
    port: PortNumber | None = None
    same_port: bool = False


class ServiceExtension(Strict):
    """``x-devenv`` of a service."""

    role: Literal["trace-backend"] | None = None
    ready: Ready | None = None
    process: Process | None = None
    instrument: bool = True
