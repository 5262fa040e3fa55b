"""The sample's user service, in process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from asgi_client import AsgiClient
from sample_processes import SAMPLE

from chassis.config import Config
from user.accounts import NewAccount
from user.app import create


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "user.db"


@pytest.fixture
def client(database: Path) -> Iterator[AsgiClient]:
    with serving(database) as client:
        yield client


def serving(database: Path | str) -> AsgiClient:
    return AsgiClient(create(Config.read(SAMPLE / "user" / "config.yaml", {"USER_DB": str(database)})))


NEW = {"username": "Ada", "email": "ada@example.test", "password": "a long password"}


def test_the_demo_account_is_there_once_however_often_the_service_starts(database: Path) -> None:
    for _ in range(2):
        with serving(database) as client:
            users = client.get("/users").json()["users"]
            assert [(user["id"], user["username"], user["active"]) for user in users] == [(1, "demo", True)]


def test_without_a_file_the_database_goes_with_the_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with serving("") as client:
        assert client.get("/users/1").status_code == 200
        assert len(list(tmp_path.iterdir())) == 1
    assert not list(tmp_path.iterdir())


def test_an_account_is_made_read_changed_and_removed(client: AsgiClient) -> None:
    made = client.post("/users", json=NEW)
    assert made.status_code == 201
    path = made.headers["location"]
    assert client.get(path).json() == made.json()
    assert made.json()["username"] == "ada"
    changed = client.patch(path, json={"display_name": "Ada L.", "active": False})
    assert (changed.json()["display_name"], changed.json()["active"]) == ("Ada L.", False)
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == client.delete(path).status_code == 404
    assert client.patch(path, json={"active": True}).status_code == 404


def test_passwords_and_their_hashes_stay_inside(client: AsgiClient) -> None:
    made = client.post("/users", json=NEW)
    assert "password" not in made.text
    assert "password" not in client.get("/users").text
    stored = client.get("/internal/accounts/ADA").json()
    assert stored["password_hash"].startswith("scrypt$")
    assert "a long password" not in repr(NewAccount.of(dict(NEW)))


def test_a_name_is_taken_once(client: AsgiClient) -> None:
    assert client.post("/users", json=NEW).status_code == 201
    again = client.post("/users", json=NEW)
    assert again.status_code == 409
    assert again.headers["content-type"] == "application/problem+json"
    assert again.json()["title"] == "Conflict"


@pytest.mark.parametrize(
    "change",
    [
        {"username": "a b"},
        {"username": "x"},
        {"email": "nowhere"},
        {"password": "short"},
        {"password": None},
        {"display_name": 7},
    ],
)
def test_an_account_that_cannot_be_is_refused(client: AsgiClient, change: dict[str, object]) -> None:
    answer = client.post("/users", json={**NEW, **change})
    assert answer.status_code == 422
    assert next(iter(change)) in answer.json()["detail"]


@pytest.mark.parametrize("change", [{}, {"id": 2}, {"password_hash": "x"}, {"active": "no"}, {"email": "x"}])
def test_a_change_that_cannot_be_is_refused(client: AsgiClient, change: dict[str, object]) -> None:
    assert client.patch("/users/1", json=change).status_code == 422
    assert client.get("/users/1").json()["email"] == "demo@example.test"


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[1]", 400), (b"\xff", 400), (b"x" * 70_000, 413)])
def test_a_body_that_is_no_object_is_refused(client: AsgiClient, body: bytes, status: int) -> None:
    assert client.post("/users", content=body).status_code == status


@pytest.mark.parametrize("path", ["/users/x", "/users/-1", f"/users/{2**63}", "/users/" + "9" * 5000, "/no"])
def test_what_is_not_there_is_a_404_with_a_problem(client: AsgiClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["status"]) == (404, 404)


@pytest.mark.parametrize("query", ["limit=x", "limit=101", "after=-1", f"after={2**63}", "limit=" + "9" * 5000])
def test_a_query_that_cannot_be_is_refused(client: AsgiClient, query: str) -> None:
    assert client.get(f"/users?{query}").status_code == 422


def test_accounts_come_in_pages(client: AsgiClient) -> None:
    for name in ("b1", "b2"):
        client.post("/users", json={**NEW, "username": name})
    first = client.get("/users?limit=2").json()["users"]
    rest = client.get(f"/users?after={first[-1]['id']}").json()["users"]
    assert [user["username"] for user in first + rest] == ["demo", "b1", "b2"]
    assert [user["username"] for user in client.get("/users?order=newest&limit=2").json()["users"]] == ["b2", "b1"]


def test_events_are_written_by_the_time_the_service_has_stopped(database: Path) -> None:
    with serving(database) as client:
        client.patch("/users/1", json={"email": "new@example.test"}, headers={"x-request-id": "r-1"})
    with serving(database) as client:
        events = client.get("/users/1/events").json()["events"]
    assert [(event["action"], event["detail"], event["request_id"]) for event in events] == [
        ("account.changed", "email", "r-1")
    ]


def test_health_is_its_own(client: AsgiClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}


@pytest.mark.parametrize(("sent", "kept"), [("abc.DEF_1-2", True), ("", False), ("a b", False), ("x" * 129, False)])
def test_a_request_id_is_taken_where_it_is_plain_and_made_otherwise(client: AsgiClient, sent: str, kept: bool) -> None:
    answered = client.get("/users/1", headers={"x-request-id": sent}).headers.get_list("x-request-id")
    assert len(answered) == 1
    assert (answered[0] == sent) is kept
    assert answered[0]


def test_the_index_names_the_service_and_its_routes(client: AsgiClient) -> None:
    index = client.get("/").json()
    assert index["service"] == "user"
    assert {"GET /users/{id}", "POST /users", "DELETE /users/{id}"} <= set(index["routes"])
    assert client.post("/").status_code == 405
