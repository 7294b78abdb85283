"""Declared contrasts in a session: recorded, shown in 80 columns, planned, and no part of a run's identity."""

from __future__ import annotations

import json

from tests.support.sessions import SMALL, Lab

ARMS = 'Group("Treatment"), Group("Gentle", instructions="Be gentle."))'
EACH = SMALL.replace('Group("Treatment"))', ARMS).replace("import Correction", "import Contrast, Correction")
PAIRS = EACH.replace("modes=", 'contrasts="pairs", modes=')
GENTLE = 'Contrast("gentle against the others", {"Gentle": 1, "Control": -0.5, "Treatment": -0.5})'
NAMED = EACH.replace("modes=", f'contrasts=(("Gentle", "Treatment"), {GENTLE}), modes=')


def answer(lines: list[str]) -> list[str]:
    """The summary's lines, from the means on."""
    return lines[lines.index(next(line for line in lines if line.startswith("metric, group"))) :]


def test_every_pair_is_tested_and_the_correction_named_everywhere(lab: Lab) -> None:
    lab.write(PAIRS)
    result = lab.run("--mode=long")
    result.stdout.fnmatch_lines(
        ["Contrasts, paired t on block differences; unit: blocks*", "  Gentle - Treatment *"]
    )
    assert max(map(len, answer(result.outlines))) <= 80
    over = "Holm over 3 pairs of groups"
    assert f"Adjusted: {over}." in " ".join(result.outlines)
    assert lab.meta()["design"]["contrasts"] == "pairs"
    (analysed,) = json.loads(lab.command("analyse", "results", "--json").stdout)
    pairs = [(one["treatment"], one["control"], one["adjustment"]) for one in analysed["comparisons"]]
    assert pairs == [
        ("Treatment", "Control", over),
        ("Gentle", "Control", over),
        ("Gentle", "Treatment", over),
    ]
    shown = lab.command("analyse", "results").stdout
    assert "Gentle − Treatment: the primary analysis" in shown and f"adj.: {over}." in shown
    lab.command("report", "results", "--format", "md", "--out", "report.md")
    report = " ".join((lab.path / "report.md").read_text().split())
    assert "| Courtesy | Gentle − Treatment |" in report and f"p adjusted by {over}." in report


def test_a_contrast_by_weights_is_in_summary_analysis_and_report(lab: Lab) -> None:
    lab.write(NAMED)
    result = lab.run("--mode=long")
    result.stdout.fnmatch_lines(
        ["Courtesy * adjusted", "  Gentle - Treatment *", "  gentle against the others", " *"]
    )
    assert max(map(len, answer(result.outlines))) <= 80
    (analysed,) = json.loads(lab.command("analyse", "results", "--json").stdout)
    (contrast,) = analysed["contrasts"]
    assert contrast["weights"] == {"Gentle": 1, "Control": -0.5, "Treatment": -0.5}
    assert contrast["adjustment"] == "Holm over 2 contrasts"
    shown = lab.command("analyse", "results").stdout
    assert "gentle against the others = +1.00 Gentle, −0.50 Control, −0.50 Treatment." in shown
    lab.command("report", "results", "--format", "md", "--out", "report.md")
    assert "Contrasts declared by weights" in (lab.path / "report.md").read_text()


def test_a_run_keeps_the_contrasts_that_it_began_with(lab: Lab) -> None:
    lab.write(EACH)
    lab.run("-k", "Control")
    lab.write(PAIRS)
    result = lab.run()
    result.stdout.fnmatch_lines(["*contrasts= has changed since run * began*"])
    result.stdout.no_fnmatch_line("*starting a new run*")
    assert "contrasts" not in lab.meta()["design"]
    assert lab.meta()["analysis"]["comparisons"][0]["adjustment"] == "Holm over 2 contrasts"


def test_a_plan_locks_the_contrasts_and_their_correction(lab: Lab) -> None:
    lab.write(PAIRS)
    lock = (
        "plan",
        "lock",
        "--exp=small",
        "--path=test_small.py",
        "--model=rehearsal",
        "--primary-metric=Courtesy",
    )
    said = lab.command(*lock)
    assert "contrasts    every pair of groups" in said.stdout, said.stderr
    assert "(adjustment: Holm over every pair)" in said.stdout
    result = lab.run(model="rehearsal")
    assert "primary Courtesy, contrasts every pair of groups," in " ".join(" ".join(result.outlines).split())
    result.stdout.fnmatch_lines(["No deviation from the plan."])
    lab.write(EACH)
    lab.run("--fresh", "--exploratory", model="rehearsal")
    found = lab.command("plan", "check", "results")
    assert "contrasts: every pair of groups planned, each later group against the first found" in found.stdout


FRACTION = SMALL.replace(
    'groups=(Group("Control"), Group("Treatment")),',
    """groups=(Group("plain"), *factorial(
        where=lambda at: at != {"tone": "cold", "length": "short"},
        tone={"warm": {"instructions": "Be warm."}, "cold": {"instructions": "Be cold."}},
        length={"free": {}, "short": {"instructions": "Use ten words."}},
    )),""",
).replace("import Correction", "import factorial, Correction")


def test_a_fraction_beside_a_plain_arm_claims_what_its_cells_allow_and_names_the_rest(lab: Lab) -> None:
    lab.write(FRACTION)
    lines = answer(lab.run("--mode=long").outlines)
    assert max(map(len, lines)) <= 80
    effects = {one["name"]: one for one in lab.meta()["analysis"]["effects"]}
    assert list(effects) == [
        "tone: cold − warm (length free)",
        "length: short − free (tone warm)",
        "tone × length: cold, short",
    ]
    assert effects["tone: cold − warm (length free)"]["adjustment"] == "Holm over 2 effects"
    lacking = effects["tone × length: cold, short"]
    assert lacking["p_adjusted"] is lacking["estimate"]["p"] is None
    said = " ".join(" ".join(lines).split())
    assert (
        "No test of Courtesy, tone × length: cold, short: not estimable: no arm has tone cold, length short"
        in said
    )
    shown = " ".join(lab.command("analyse", "results").stdout.split())
    assert "tone × length: cold, short: not estimable: no arm has tone cold, length short" in shown
    assert "Effects of the factors are corrected apart from the differences between arms" in shown
