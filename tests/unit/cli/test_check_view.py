"""What `devenv check` prints: the answer first, findings with what to change, and the score apart from them."""

from __future__ import annotations

import io
from typing import Any

from devenv.cli.output import Output, Style
from devenv.cli.views.checks import show_checks
from devenv.model.analysis.check_document import CheckDocument, FindingPart, RulePart, ScorePart
from devenv.model.load_documents import ThresholdDocument

TIME = "2026-11-27T14:02:{:02d}.000000000Z"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError  # a terminal that does not know its size has 80 columns


def rule(rule_id: str, ok: bool | None = True, reason: str = "", **changes: Any) -> RulePart:
    return RulePart(id=rule_id, ok=ok, impact="normal", affected=0, title="it holds", reason=reason, **changes)


def score(name: str, value: int | None = 100, *rules: RulePart) -> ScorePart:
    found = rules or (rule("RES-001"), rule("MET-001", None, "needs metrics"))
    return ScorePart(name=name, score=value, rules=list(found), not_judged=[each.id for each in found if each.reason])


def finding(**changes: Any) -> FindingPart:
    given: dict[str, Any] = {
        "kind": "broken-propagation",
        "severity": "bad",
        "service": "gateway",
        "others": ["auth"],
        "title": "Propagation broken between gateway and auth",
        "count": 76,
        "evidence": "76 of 186 calls: 76 server spans of auth begin new traces",
        "advice": "send the headers of the current context with each call in gateway, and read them in auth",
        "example_traces": ["4f2c9e1a" * 4, "91ab3cde" * 4],
    }
    return FindingPart(**{**given, **changes})


def document(**changes: Any) -> CheckDocument:
    unjudged = [rule("MET-001", None, "needs metrics"), rule("MET-002", None, "needs metrics")]
    broken = RulePart(
        id="SPA-005",
        ok=False,
        impact="important",
        affected=12,
        title="at most 20 spans below 5 ms per trace",
        example_traces=["4f2c9e1a" * 4],
    )
    services = [
        ScorePart(name="auth", score=100, rules=[rule("RES-001"), *unjudged], not_judged=["MET-001", "MET-002"]),
        ScorePart(
            name="orders",
            score=40,
            rules=[rule("RES-001"), broken, rule("SDK-001", None, "no version"), *unjudged],
            not_judged=["SDK-001", "MET-001", "MET-002"],
        ),
    ]
    given: dict[str, Any] = {
        "source": "jaeger",
        "since": TIME.format(0),
        "until": TIME.format(59),
        "services": services,
        "findings": [finding(), finding(severity="warn", title="orders puts values into span names")],
        "looked_at": 186,
        "score_version": "0.1",
    }
    return CheckDocument(**{**given, **changes})


def printed(found: CheckDocument, stdout: io.StringIO | None = None, *, plain: bool = False) -> list[str]:
    stdout = stdout or io.StringIO()
    output = Output(style=Style(plain=plain), stdout=stdout, stderr=io.StringIO(), live=False, colour=False)
    show_checks(found, output)
    return stdout.getvalue().splitlines()


def test_the_answer_comes_first_and_findings_say_what_to_change() -> None:
    lines = printed(document())
    assert lines[0] == "2 findings. Scores: auth 100, orders 40; 3 rules are not judged."
    assert lines[2:6] == [
        "1 ✘ Propagation broken between gateway and auth",
        "    Evidence  76 of 186 calls: 76 server spans of auth begin new traces.",
        "    Change    send the headers of the current context with each call in gateway, and read them in auth.",
        "    Traces    4f2c9e1a 91ab3cde",
    ]
    assert lines[7] == "2 ! orders puts values into span names"
    assert lines[-2:] == ["186 traces looked at.", f"See: devenv traces show {'4f2c9e1a' * 4}"]


def test_the_score_is_apart_and_discloses_what_is_not_judged() -> None:
    lines = printed(document())
    start = lines.index("INSTRUMENTATION SCORE (published rules, version 0.1)")
    assert [line.split() for line in lines[start + 1 : start + 4]] == [
        ["SERVICE", "SCORE", "KEPT", "BROKEN"],
        ["▌auth", "100", "1", "of", "1"],
        ["▌orders", "40", "1", "of", "2", "✘", "SPA-005"],
    ]
    assert lines[start + 4 : start + 8] == [
        "    SPA-005  at most 20 spans below 5 ms per trace: not so in 12 traces of orders, such as 4f2c9e1a",
        "Not judged:",
        "    MET-001, MET-002  needs metrics",
        "    SDK-001  no version (orders)",
    ]


def test_a_sound_stack_has_no_column_of_broken_rules() -> None:
    lines = printed(document(services=[score("auth")], findings=[]))
    assert lines[0].startswith("No findings. Scores: auth 100; ")
    assert lines[3].split() == ["SERVICE", "SCORE", "KEPT"]
    assert "See:" not in "".join(lines)


def test_it_fits_80_columns() -> None:
    lines = printed(document(), Terminal())
    assert max(map(len, lines)) <= 80
    assert "              and read them in auth." in lines


def test_plain_marks_are_ascii() -> None:
    lines = printed(document(), plain=True)
    assert "\n".join(lines).isascii()
    assert lines[2].startswith("1 ERR ")


def test_many_services_are_summed_up_by_the_lowest_score() -> None:
    services = [score(f"s{number}", 90 - number) for number in range(7)]
    assert printed(document(services=services))[0].startswith("2 findings. 7 scores, the lowest s6 84; ")


def test_nothing_to_check_says_what_to_do() -> None:
    thresholds = [ThresholdDocument(expr="findings==0", value=None, ok=False)]
    lines = printed(document(services=[], findings=[], looked_at=0, thresholds=thresholds))
    assert lines == [
        "No traces to check: send requests, such as with `devenv load`.",
        "THRESHOLD   ✘ findings==0  no value: no traces",
        "0 traces looked at.",
    ]


def test_what_was_left_out_is_said() -> None:
    lines = printed(document(older_left_out=True, missing=3, stack_known=False, findings=[]))
    assert lines[-2:] == [
        (
            "186 traces looked at, the newest ones; --limit sets how many; "
            "the trace backend does not have 3 traces of the run."
        ),
        "The stack file of this project was not found: services without spans are not known.",
    ]
