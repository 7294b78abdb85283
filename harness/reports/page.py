"""A report as one HTML file that asks nobody for anything: style, script, figures and transcripts stand in it.

Its policy allows the one style sheet and the one script that have its hashes, and nothing else: no request, no inline
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
from harness.reports import design_summary, figures, numbers, outcome_grid, own_answer, run_tables
from harness.reports.parts import bounded
from harness.reports.run_report import RunReport, Selection
from harness.reports.transcripts import transcripts
from harness.reports.verdict import Verdict, verdict

TITLE_NAMES, LONG_WORD = 4, 32


@dataclass(frozen=True)
class RunSection:
    """What a template needs of one run. ``id`` is unique in the page, ``place`` is the run's among all of them.

    ``grid`` has outcomes scenario by scenario, where the records name them.
    """

    id: str
    told: RunReport
    verdict: Verdict
    place: int = 0
    grid: outcome_grid.Grid | None = None

    @property
    def design_summary(self) -> Any:
        return design_summary

    @property
    def tables(self) -> Any:
        return run_tables

    @property
    def answer(self) -> Any:
        return list(own_answer.kinds(self.told.answer))

    @property
    def outcomes(self) -> Any:
        return self.grid and outcome_grid.classes(self.grid)


def sections(told: Sequence[RunReport]) -> list[RunSection]:
    return [
        RunSection(f"run-{place + 1}", one, verdict(one), place, outcome_grid.grid(one))
        for place, one in enumerate(told)
    ]


def title(selection: Selection) -> str:
    """What stands above the report, and on the browser's tab."""
    names = [one.experiment for one in selection.told]
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
            sections=sections(selection.told),
            figures=figures,
            style=_raw(style),
            script=_raw(script),
            policy=policy(style, script),
            transcripts=_transcripts(selection, compress),
        )
    )
    return text.encode("utf-8", "replace")  # half a surrogate pair, which a model may write, is no character


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy of a page with this style sheet and this script."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def environment(*, autoescape: bool, **options: Any) -> Any:
    """Jinja2 over the package's templates. A name that a template has wrong is an error."""
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
    made.globals |= {"counted": numbers.counted}
    return made


def _visible(value: Any) -> Any:
    """What a template prints, with control characters shown: HTML has none, and UTF-8 has no half of a pair."""
    return visible(value) if type(value) is str else value


def unbroken(text: str) -> bool:
    """Whether ``text`` has a word that must be broken to fit a column."""
    return any(len(word) > LONG_WORD for word in text.split())


def _transcripts(selection: Selection, compress: bool | None) -> dict[str, Any]:
    found = transcripts(selection.told, compress=compress)
    return {"index": _raw(found.index), "blocks": [_raw(block) for block in found.blocks]}


def _raw(text: str) -> Any:
    """Text that is markup of our own making already."""
    from markupsafe import Markup

    return Markup(text)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def resource(name: str) -> str:
    """A file of the package's templates, as it is."""
    return files("harness.reports").joinpath("templates", name).read_text("utf-8")
