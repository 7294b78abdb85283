"""F45: a declared treatment never reaches the model, and a p-value is printed."""

from __future__ import annotations

import json

from tests.plugin.test_treatments import IGNORED, LATER, PLAY
from tests.support.sessions import Lab


def test_a_treatment_that_reaches_no_request_is_not_tested(lab: Lab) -> None:
    lab.write(PLAY.format(body=IGNORED))
    result = lab.run("--count=3")
    result.stdout.fnmatch_lines(
        ["  FAIL treatment, rude against plain: settings: declared, and in no request of*"]
    )
    result.stdout.fnmatch_lines(["  No test: rude: settings: declared, and in no request of *"])
    result.stdout.no_fnmatch_line("*Claimed for*")
    meta = lab.meta()
    assert meta["undelivered"].keys() == {"rude"}
    (found,) = meta["analysis"]["comparisons"]
    assert found["primary"]["p"] is found["primary"]["interval"] is found["p_adjusted"] is None
    assert found["primary"]["difference"] is not None, "what was measured stays"
    assert "statistical_test_results_vs_others" not in json.dumps(lab.artifact())
    analysed = lab.command("analyse")
    assert (
        "No difference is tested where a declared treatment reached no request. rude: settings:"
        in " ".join(analysed.stdout.split())
    )
    assert "Claims are for" not in analysed.stdout


def test_one_that_reaches_its_requests_is(lab: Lab) -> None:
    lab.write(PLAY.format(body=LATER))
    lab.run("--count=3").stdout.fnmatch_lines(["*Claimed for*"])
    assert lab.meta()["analysis"]["comparisons"][0]["primary"]["p"] is not None
