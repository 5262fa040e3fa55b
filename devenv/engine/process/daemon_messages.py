"""What the process engine asks its daemon, and what the daemon answers: the same values on both ends of the socket.

One request per connection: a line of JSON ``{"op": name, "data": question}``. The reply is one line,
``{"ok": answer}`` or ``{"error": …}`` with the fields of :class:`ErrorReport`; for :data:`EVENTS` one such line first,
then one line per event until the client closes the connection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from devenv import errors
from devenv.contract.answers import EngineEvent, ExitStatus
from devenv.engine.process.json_values import MalformedMessage, decode, encode
from devenv.engine.process.launch import Kind, Launch
from devenv.errors import DevenvError
from devenv.immutable import immutable
from devenv.model.state import State, Usage

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Question = TypeVar("Question", bound="DataclassInstance")
Answer = TypeVar("Answer", bound="DataclassInstance")


@immutable(kw_only=True)
class Nothing:
    """A question without details, or an answer that only confirms."""


@immutable(kw_only=True)
class DaemonFacts:
    """Version of the devenv that the daemon runs."""

    version: str


@immutable(kw_only=True)
class OneInstance:
    """A question about one instance."""

    id: str


@immutable(kw_only=True)
class StopRequest:
    """Seconds between the stop signal and SIGKILL; ``None``: as the instance was created with."""

    id: str
    grace: float | None = None


@immutable(kw_only=True)
class SignalRequest:
    """A signal by name, such as ``SIGHUP``."""

    id: str
    signal: str


@immutable(kw_only=True)
class EventsSince:
    """Seconds since the epoch; events from before are left out."""

    since: float


@immutable(kw_only=True)
class HostPort:
    """Port ``host`` of this machine leads to ``container`` of the stack file; ``shown``: as a published one."""

    host: int
    container: int
    shown: bool


@immutable(kw_only=True)
class InstanceReport:
    """One instance: what the engine observes, how to run a command beside it, and what only the backend has.

    Attributes:
        token: what its readers must send, if anything.
        storage: the folder with its traces, if they are on disk.
        storage_notices: what is wrong with it.
    """

    id: str
    name: str
    service: str
    index: int
    labels: Mapping[str, str]
    kind: Kind
    state: State
    exit_code: int | None
    error: str
    restarts: int
    started_at: float | None
    finished_at: float | None
    ports: tuple[HostPort, ...]
    cwd: str
    environment: Mapping[str, str]
    token: str = field(default="", repr=False)
    storage: str = ""
    storage_notices: tuple[str, ...] = ()


@immutable(kw_only=True)
class InstanceReports:
    """All instances of the project."""

    instances: tuple[InstanceReport, ...]


@immutable(kw_only=True)
class StartReport:
    """Why an instance did not start; empty if it runs."""

    error: str


@immutable(kw_only=True)
class UsageReport:
    """Resource use of an instance; ``None`` if it does not run as a separate process."""

    usage: Usage | None


@immutable(kw_only=True)
class ProjectEvent:
    """A change of an instance of ``project`` (its ID)."""

    project: str
    event: EngineEvent


@immutable(kw_only=True)
class ProjectEvents:
    """Past events, oldest first."""

    events: tuple[ProjectEvent, ...]


@immutable(kw_only=True)
class ErrorReport:
    """An error of :mod:`devenv.errors`, by the name of its class."""

    kind: str
    message: str
    hint: str
    details: Mapping[str, Any]

    @classmethod
    def of(cls, error: DevenvError) -> ErrorReport:
        """Describe an error."""
        return cls(kind=error.kind, message=error.message, hint=error.hint, details=error.details)

    def error(self) -> DevenvError:
        """Return the error as the class that it was."""
        known = getattr(errors, self.kind, None)
        cls = known if isinstance(known, type) and issubclass(known, DevenvError) else DevenvError
        return cls(self.message, hint=self.hint, details=self.details)


@immutable()
class DaemonOperation(Generic[Question, Answer]):
    """One thing that the daemon does, with the types of its question and of its answer."""

    name: str
    question: type[Question]
    answer: type[Answer]

    def request(self, question: Question) -> bytes:
        """Return the line that asks for it."""
        return line({"op": self.name, "data": encode(question)})

    def result(self, text: bytes) -> Answer:
        """Return the answer of a reply.

        Raises:
            DevenvError: If the daemon raised one.
            MalformedMessage: If the line is not a reply to this operation.
        """
        reply = parsed(text)
        if "error" in reply:
            raise decode(ErrorReport, reply["error"], "error").error()
        return decode(self.answer, reply.get("ok"), self.name)


FACTS = DaemonOperation("info", Nothing, DaemonFacts)
OBSERVE = DaemonOperation("observe", Nothing, InstanceReports)
RETIRE = DaemonOperation("retire", Nothing, Nothing)
CREATE = DaemonOperation("create", Launch, Nothing)
DESCRIBE = DaemonOperation("describe", OneInstance, InstanceReport)
START = DaemonOperation("start", OneInstance, StartReport)
STOP = DaemonOperation("stop", StopRequest, Nothing)
KILL = DaemonOperation("kill", SignalRequest, Nothing)
REMOVE = DaemonOperation("remove", OneInstance, Nothing)
WAIT = DaemonOperation("wait", OneInstance, ExitStatus)
USAGE = DaemonOperation("usage", OneInstance, UsageReport)
EVENTS = DaemonOperation("events", EventsSince, ProjectEvent)
HISTORY = DaemonOperation("history", EventsSince, ProjectEvents)
LISTENING = DaemonOperation("events", EventsSince, Nothing)
"""The first reply to :data:`EVENTS`: no event is missed from here on."""


def line(document: Mapping[str, Any]) -> bytes:
    """Return a JSON object as one line."""
    return json.dumps(document).encode() + b"\n"


def parsed(text: bytes) -> dict[str, Any]:
    """Return the JSON object of a line.

    Raises:
        MalformedMessage: If the line is not a JSON object.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise MalformedMessage(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise MalformedMessage(f"found {type(document).__name__}, expected an object")
    return document
