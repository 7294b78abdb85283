"""F51: a metric that raises, or a sample of an unknown metric, passes."""

from __future__ import annotations

from tests.plugin.test_own_play import OWN
from tests.support.sessions import SMALL, Lab

RAISING = SMALL.replace("Mode,", "Measure, Mode,").replace(
    'courteous."),)', 'courteous."), Measure("length", lambda transcript: 1 / 0))'
)


def test_a_metric_that_raises_fails_its_case(lab: Lab) -> None:
    lab.write(RAISING)
    result = lab.run()
    result.assert_outcomes(failed=2)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["  length: The measure raised ZeroDivisionError: *test_small.py*"])


def test_a_sample_of_an_unknown_metric_fails_its_case(lab: Lab) -> None:
    lab.write(OWN.replace('Sample("length"', 'Sample("lenght"'))
    result = lab.run()
    result.assert_outcomes(failed=6)
    result.stdout.fnmatch_lines(
        ["*samples of 'lenght', which is not a metric of questions; expected one of length.*"]
    )
    assert len(lab.lines(kind="answer_result")) == 6, "what was played is kept"
