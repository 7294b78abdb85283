"""Figures as SVG for a page: colours from its style sheet, no inline style, unique ids."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from harness.console import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#010101", "#020202", "#030303"
"""Placeholder colours of drawings, replaced by the page's colours."""
SERIES = tuple(f"#0{n}0405" for n in range(6))
"""Placeholders for the groups of an experiment, in order."""
_COLOURS = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--line)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(SERIES)
}
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_DROPPED = {f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"}
SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "harness",
    "text.parse_math": False,
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
"""matplotlib's settings: text stays text, and names are never parsed as formulas."""


def markup(figure: Figure, name: str, title: str) -> str:
    """``figure`` as an ``<svg>`` element. ``name`` is unique in the page; ``title`` describes the figure."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.text import Text

    for text in figure.findobj(Text):  # names may hold characters that XML lacks
        text.set_text(visible(text.get_text()))
    FigureCanvasSVG(figure)
    written = io.BytesIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    ET.register_namespace("", _SVG)
    root = ET.fromstring(written.getvalue())
    _clean(root, name)
    root.set("role", "img")
    root.set("aria-label", visible(title))
    root.set("class", "plot")
    return ET.tostring(root, encoding="unicode").replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")


def _clean(root: ET.Element, name: str) -> None:
    used = {found for one in root.iter() for found in _references(one)}
    for parent in list(root.iter()):
        for child in [one for one in parent if one.tag in _DROPPED]:
            parent.remove(child)
    for one in root.iter():
        if one.get("id") in used:
            one.set("id", f"{name}-{one.get('id')}")
        else:
            one.attrib.pop("id", None)
        if (target := one.attrib.pop(_XLINK, None)) is not None:
            one.set("href", f"#{name}-{target[1:]}")
        if (clip := one.get("clip-path")) is not None:
            one.set("clip-path", clip.replace("url(#", f"url(#{name}-"))
        _style_to_attributes(one)
    root.attrib.pop("version", None)


def _references(one: ET.Element) -> list[str]:
    return re.findall(r"#([\w-]+)", f"{one.get(_XLINK, '')} {one.get('clip-path', '')}")


def _style_to_attributes(one: ET.Element) -> None:
    """Turn inline styles, which the page forbids, into attributes."""
    declarations = dict(
        part.split(":", 1) for part in (one.attrib.pop("style", "")).split(";") if ":" in part
    )
    for key, value in ((key.strip(), value.strip()) for key, value in declarations.items()):
        if key == "font":  # the page chooses the family
            weight, size = re.match(r"(?:(\w+) )?([\d.]+px)", value).groups()  # type: ignore[union-attr]
            one.set("font-size", size)
            one.set("font-weight", weight or "400")
        else:
            one.set(key, _COLOURS.get(value, value))
