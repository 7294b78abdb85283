"""The sheet as one local page that makes no request and keeps the scores in the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.reports.page import environment, policy, resource
from harness.reports.review.dimensions import DIMENSIONS, SCALE, named
from harness.reports.review.items import ReviewItem
from harness.reports.transcripts import escaped


def html_form(items: Sequence[ReviewItem], *, export: str, reviewer: str, rehearsal: bool) -> bytes:
    """The page in UTF-8, for reviewing ``items`` in their order."""
    from markupsafe import Markup

    style, script = resource("style.css") + resource("review.css"), resource("review.js")
    text: str = (
        environment(autoescape=True)
        .get_template("review.html")
        .render(
            rehearsal=rehearsal,
            reviewer=reviewer,
            dimensions={name: (named(name), question) for name, question in DIMENSIONS.items()},
            scale=SCALE,
            count=len(items),
            style=Markup(style),
            script=Markup(script),
            policy=policy(style, script),
            content=Markup(escaped(_content(items, export, rehearsal))),
        )
    )
    return text.encode("utf-8", "replace")


def _content(items: Sequence[ReviewItem], export: str, rehearsal: bool) -> Mapping[str, Any]:
    return {
        "export": export,
        "rehearsal": rehearsal,
        "dimensions": list(DIMENSIONS),
        "items": [asdict(item) for item in items],
    }
