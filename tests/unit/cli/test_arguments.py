"""Values of options, and what is said of wrong ones."""

from __future__ import annotations

import pytest

from devenv.cli.arguments import exclude, scale_of, url_path
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
