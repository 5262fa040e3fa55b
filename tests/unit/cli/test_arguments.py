"""Values of options, and what is said of wrong ones."""

from __future__ import annotations

import pytest

from devenv.cli.arguments import exclude, scale_of, trace_filter, url_path
from devenv.errors import UsageError


def test_numbers_of_instances_by_service() -> None:
    assert scale_of(["web=3", "db=0"]) == {"web": 3, "db": 0}
    assert scale_of([]) == {}


@pytest.mark.parametrize("text", ["web", "web=", "=3", "web=x", "web=-1", "web=1.5", "web=³", ""])
def test_what_is_no_number_of_instances(text: str) -> None:
    with pytest.raises(UsageError, match="expected SERVICE=N such as user=3"):
        scale_of([text])


def test_a_path_begins_with_a_slash() -> None:
    assert url_path("/a?b=c", "--canary") == "/a?b=c"
    assert url_path(None, "--canary") is None
    with pytest.raises(UsageError, match="--canary: found 'a', expected a path such as /health"):
        url_path("a", "--canary")


def test_options_that_contradict_each_other() -> None:
    exclude("--build", True, "--no-build", False)
    with pytest.raises(UsageError, match="--build and --no-build cannot be used together"):
        exclude("--build", True, "--no-build", True)


def test_an_error_of_a_filter_points_at_its_column() -> None:
    assert trace_filter("service = web", "--where").op == "eq"
    with pytest.raises(UsageError) as error:
        trace_filter("service = web\nand status = eror", "--where")
    assert error.value.message == "--where: column 28: found 'eror', expected one of unset, ok, error"
    assert error.value.hint == "did you mean 'error'?"
    assert error.value.details == {
        "column": 28,
        "output": ["service = web and status = eror", " " * 27 + "^"],
    }


def test_a_long_filter_is_shown_around_the_column() -> None:
    with pytest.raises(UsageError) as error:
        trace_filter("a = 1 and " * 40 + "b ! c", "--where")
    excerpt, caret = error.value.details["output"]
    assert excerpt[caret.index("^")] == "!"
    assert len(excerpt) <= 70


def test_an_empty_filter_has_nothing_to_point_at() -> None:
    with pytest.raises(UsageError, match="column 1: the filter is empty") as error:
        trace_filter(" ", "--where")
    assert error.value.details["output"] == []
