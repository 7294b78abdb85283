"""A run with nothing wrong: every check passes, each with its number and its threshold."""

from __future__ import annotations

import json

from harness.checks import CHECKS, CheckRunner, examine
from harness.checks.checked_run import CheckedRun
from harness.checks.suite import _made
from harness.model import Check, Level
from harness.records import dataset_of
from tests.support.instruments import bad, filed, first_lines, sound


def test_nothing_is_found_in_a_sound_run() -> None:
    assert bad(filed(sound())) == {}


def test_every_kind_of_check_says_something_with_number_and_threshold() -> None:
    run = filed(sound())
    subject = CheckedRun(run, dataset_of(run))
    silent = {check.__name__ for check in CHECKS if not list(check(subject))}
    said = "nothing is missing or unread, no option or format was changed, no metric is computed by code, no journal"
    said += ", nothing was rescored, and it is not a survey"
    survey = {"without_number", "option_order", "item_order"}
    quiet = {"bounds", "delivery", "forms", "options", "measures", "unread", "unrecorded", "mixed", "people"}
    assert silent == quiet | {
        "position",
        "comparisons",
        "blinding",
        "changed_requests",
        "shuffled",
        *survey,
    }, said
    for check in examine(run):
        assert check.number is not None, check
        assert check.threshold, check


def test_the_same_files_give_the_same_checks_in_any_order() -> None:
    assert examine(filed(sound())) == examine(filed(reversed(sound())))


def test_traces_tell_what_transcripts_tell() -> None:
    keep = CheckRunner().keep
    assert examine(filed(map(keep, sound()))) == examine(filed(sound()))
    assert "transcript" not in keep(sound()[0])


def test_a_run_that_never_began_is_no_fault_of_the_instrument() -> None:
    found = examine(filed([]))
    assert {check.level for check in found} == {Level.PASS}


def test_one_arm_alone_is_looked_at_by_itself() -> None:
    records = [record for record in sound() if record["group"] == "Treatment"]
    assert bad(filed(records, first_lines()[1:])) == {}


def test_a_check_that_breaks_is_a_fail_not_a_pass() -> None:
    def broken(subject: CheckedRun) -> list[Check]:
        raise ZeroDivisionError("no trials")

    run = filed(sound())
    (found,) = _made(broken, CheckedRun(run, dataset_of(run)))
    assert (found.name, found.level) == ("broken", Level.FAIL)
    assert found.message == "the check failed to run: ZeroDivisionError: no trials"


def test_what_stands_in_the_meta_file_is_plain_json() -> None:
    found = CheckRunner()(filed(sound()), {})
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["instrument"]["worst"], found["instrument"]["rehearsal"]) == ("PASS", False)
    assert [one["metric"] for one in found["analysis"]["comparisons"]] == [
        "Fluency",
        "ideas_qty",
        "Divergence",
    ]
