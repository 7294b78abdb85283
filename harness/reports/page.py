"""A report as one self-contained HTML file, with style, script, figures and transcripts inline.

Its Content-Security-Policy allows only the style sheet and the script with the given hashes: no request, no inline
handler, no form.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from harness.console import visible
from harness.extras import require
from harness.reports import (
    answer_sections,
    design_summary,
    figures,
    numbers,
    outcome_grid,
    own_answer,
    run_tables,
)
from harness.reports.human_comparison import RunBesidePeople, comparison_parts
from harness.reports.opening_requests import OpeningRequests, opening_requests
from harness.reports.parts import bounded
from harness.reports.people_figures import people_figures
from harness.reports.run_report import RunReport, Selection
from harness.reports.transcripts import transcripts
from harness.reports.verdict import Verdict, verdict

TITLE_NAMES, LONG_WORD = 4, 32


@dataclass(frozen=True)
class RunSection:
    """What a template needs of one run. ``id`` is unique in the page, ``place`` the run's number, from 0.

    ``grid`` has the outcomes of scenarios, if the records name them.
    """

    id: str
    report: RunReport
    verdict: Verdict
    place: int = 0
    grid: outcome_grid.Grid | None = None

    @property
    def answer(self) -> Any:
        return list(own_answer.kinds(self.report.answer))

    @property
    def requests(self) -> list[OpeningRequests]:
        return opening_requests(self.report)

    def beside(self, found: RunBesidePeople) -> Any:
        """A comparison with people, in parts for the template."""
        return list(own_answer.kinds(comparison_parts(found)))

    @property
    def preferences(self) -> Any:
        return list(own_answer.kinds(self.report.preferences))

    @property
    def outcomes(self) -> Any:
        return self.grid and outcome_grid.classes(self.grid)


def sections(reports: Sequence[RunReport]) -> list[RunSection]:
    return [
        RunSection(f"run-{place + 1}", one, verdict(one), place, outcome_grid.grid(one))
        for place, one in enumerate(reports)
    ]


def title(selection: Selection) -> str:
    """The title of the report, and of the browser's tab."""
    names = [one.experiment for one in selection.reports]
    if len(names) > TITLE_NAMES:
        return f"{len(names)} experiments"
    return ", ".join(dict.fromkeys(names))


def html(selection: Selection, *, compress: bool | None = None) -> bytes:
    """The page in UTF-8. Equal runs give equal bytes."""
    style, script = resource("style.css"), resource("reader.js")
    text: str = (
        environment(autoescape=True)
        .get_template("report.html")
        .render(
            title=title(selection),
            selection=selection,
            sections=sections(selection.reports),
            figures=figures,
            people_figures=people_figures,
            style=_raw(style),
            script=_raw(script),
            policy=policy(style, script),
            transcripts=_transcripts(selection, compress),
        )
    )
    return text.encode("utf-8", "replace")  # a model may write half a surrogate pair, which UTF-8 lacks


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy of a page with this style sheet and this script."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def environment(*, autoescape: bool, **options: Any) -> Any:
    """Jinja2 over the package's templates. Unknown names in templates are errors."""
    require("report", "An HTML page")
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("harness.reports"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
    made.filters |= {"bounded": bounded, "duration": numbers.duration, "drawn": _raw}
    made.tests["unbroken"] = unbroken
    made.globals |= {
        "answers": answer_sections,
        "counted": numbers.counted,
        "design_summary": design_summary,
        "tables": run_tables,
    }
    return made


def _visible(value: Any) -> Any:
    """Show control characters, which HTML lacks, in what a template prints."""
    return visible(value) if type(value) is str else value


def unbroken(text: str) -> bool:
    """Whether ``text`` has a word that must be broken to fit a column."""
    return any(len(word) > LONG_WORD for word in text.split())


def _transcripts(selection: Selection, compress: bool | None) -> dict[str, Any]:
    found = transcripts(selection.reports, compress=compress)
    return {"index": _raw(found.index), "blocks": [_raw(block) for block in found.blocks]}


def _raw(text: str) -> Any:
    """``text`` as trusted markup, generated by this package."""
    from markupsafe import Markup

    return Markup(text)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def resource(name: str) -> str:
    """The text of a template file."""
    return files("harness.reports").joinpath("templates", name).read_text("utf-8")
