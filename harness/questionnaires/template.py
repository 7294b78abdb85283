"""The files that a new survey starts from."""

from __future__ import annotations

from pathlib import Path

from harness.errors import ConfigurationError
from harness.questionnaires.files import write_new

QUESTIONNAIRE = """\
# A questionnaire. Every persona answers it once in each group.
# Show it with: harness survey show {file}
# Fields and types of items: docs/questionnaire-files.md, or: harness survey schema
questionnaire: 1

introduction: Please answer as you would in a survey of your town.

ask: together           # all items in one call; or separately: one item a call
memory: true            # later calls have the earlier questions and answers before them
shuffle_items: false    # true: each persona gets the items in another random order

items:
- name: trust           # the answer's name in data and conditions
  type: likert
  question: How far do you trust the town council?
  points: 5
  labels: [not at all, completely]      # the two ends, or one label for each point
  # opt_out: [don't know]               # allowed, recorded as such, and without a number

- name: stay
  type: choice
  question: Do you expect to live here in five years?
  options: [yes, no]

- name: reason
  type: free_text
  question: What would make you leave?
  when: stay == 'no'                    # a condition on earlier items

- name: spend
  type: multiple_choice
  question: What should the town spend more on?
  options: [roads, schools, parks]
  most: 2

# Other types: yes_no, numeric, ranking, allocation and matrix.
"""

TEST = '''\
"""Asks {file} of six personas, as they are and in a hopeful mood."""

from pathlib import Path

import pytest
from harness import Experiment, Group, Persona, load_survey

survey = Experiment(
    name="{name}",
    population=(
        Persona("Ada", {{"age": 34, "occupation": "baker"}}),
        Persona("Bo", {{"age": 61, "occupation": "retired teacher"}}),
        Persona("Cy", {{"age": 22, "occupation": "student"}}),
        Persona("Dee", {{"age": 45, "occupation": "nurse"}}),
        Persona("Eli", {{"age": 53, "occupation": "bus driver"}}),
        Persona("Fay", {{"age": 29, "occupation": "architect"}}),
    ),
    groups=(Group("plain"), Group("hopeful", instructions="You feel hopeful today.")),
    survey=load_survey(Path(__file__).with_name("{file}")),
)


@pytest.mark.experiment(survey)
def test_{name}(cell):
    cell.run()
'''


def write_template(path: Path) -> tuple[Path, Path]:
    """Write a questionnaire to ``path`` and a test beside it. Raises `ConfigurationError` if one of them exists."""
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise ConfigurationError(
            f"{path}: the file name ends in {path.suffix or 'nothing'!r}; expected .yaml, for a file with comments."
        )
    name = "".join(one if one.isascii() and one.isalnum() else "_" for one in path.stem).strip("_").lower()
    name = name if name and not name[0].isdigit() else f"survey_{name}".rstrip("_")
    test = path.with_name(f"test_{name}.py")
    for one in (path, test):
        if one.exists():
            raise ConfigurationError(
                f"{one}: exists, and nothing was written; expected a new file. Name another."
            )
    write_new(path, QUESTIONNAIRE.replace("{file}", path.name))
    write_new(test, TEST.format(file=path.name, name=name))
    return path, test
