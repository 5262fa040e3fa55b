"""The target as it is requested, and as it is printed and saved."""

from __future__ import annotations

import pytest

from devenv.errors import UsageError
from devenv.load.options import LoadOptions
from devenv.load.workload import Workload, options_record, whole_url
from devenv.model.extension import Scenario


def test_user_information_is_sent_as_basic_authentication_and_not_shown() -> None:
    workload = Workload(scenario=Scenario(), target="http://me:s%40cret@127.0.0.1:81/base")
    assert workload.request.headers == {"authorization": "Basic bWU6c0BjcmV0"}
    assert workload.shown_target == "http://127.0.0.1:81/base"
    assert "cret" not in str(options_record(LoadOptions(), workload))


def test_a_scenario_with_its_own_credentials_keeps_them() -> None:
    scenario = Scenario(headers={"Authorization": "Bearer x"})
    assert Workload(scenario=scenario, target="http://me:pw@h").request is scenario


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/api/x?token=abc&page=2", "/api/x?token=[REDACTED]&page=2"),
        ("/x?API_KEY=abc", "/x?API_KEY=[REDACTED]"),
        ("/hook/T00000000/B0000/XXXX1234xxxx5678yyyy/send", "/hook/T00000000/B0000/[REDACTED]/send"),
        ("/api/products-and-categories/42", "/api/products-and-categories/42"),
    ],
)
def test_tokens_in_a_path_are_not_saved(path: str, kept: str) -> None:
    scenario = Scenario(path=path, headers={"x-api-key": "hidden1"}, body="hidden2")
    record = options_record(LoadOptions(), Workload(scenario=scenario, target="http://h"))
    assert record["path"] == kept
    assert "hidden" not in str(record)


@pytest.mark.parametrize("target", ["ftp://me:secret@h", "http://me:sec/ret@h", "me:secret@h", "http://me:secret@h:x"])
def test_the_message_about_a_target_does_not_repeat_its_secrets(target: str) -> None:
    with pytest.raises(UsageError) as caught:
        whole_url(target)
    assert "sec" not in caught.value.message
    assert "@" not in caught.value.message


def test_a_query_in_a_base_url_is_an_error_instead_of_being_ignored() -> None:
    with pytest.raises(UsageError, match="found a query, expected a base URL"):
        Workload(scenario=Scenario(), target="http://h/?token=secret")


@pytest.mark.parametrize(
    ("url", "target", "path"),
    [
        ("http://h:9000/", "http://h:9000", "/"),
        ("http://h:9000", "http://h:9000", "/"),
        ("http://h:9000/a/b?c=d", "http://h:9000", "/a/b?c=d"),
        ("https://me:pw@[::1]/a", "https://me:pw@[::1]", "/a"),
    ],
)
def test_a_url_without_scenario_is_requested_itself(url: str, target: str, path: str) -> None:
    workload = whole_url(url)
    assert (workload.target, workload.scenario.path) == (target, path)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_a_rate_that_is_no_rate_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match=r"^rate: found .*, expected a finite number of requests per second above 0$"):
        LoadOptions(rps=rate)
