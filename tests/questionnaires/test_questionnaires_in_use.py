"""What a questionnaire file gives to an experiment and to people's answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import Choice, ConfigurationError, Experiment, Group, Persona
from harness.humans import load_humans


def test_a_path_in_place_of_a_survey_says_how_to_read_it() -> None:
    with pytest.raises(
        ConfigurationError, match=r"survey='q.yaml' is a path; expected a Survey. Read the file with"
    ):
        Experiment(  # type: ignore[call-arg]
            name="e",
            population=(Persona("Ada", {"age": 34}),),
            groups=(Group("a"), Group("b")),
            survey="q.yaml",  # type: ignore[arg-type]
        )


def test_peoples_answers_are_read_by_the_values_of_options(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("v12\n7\n8\n7\nYes\n")
    item = Choice("drive", "Do you drive?", options=("Yes", "No"), values={"Yes": "7", "No": "8"})
    found = load_humans(tmp_path / "people.csv", [item], {"drive": "v12"})
    assert found.answers["drive"] == ("Yes", "No", "Yes", "Yes")
