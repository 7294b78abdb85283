"""Layer 2: reports, as one HTML file that makes no request, or as Markdown."""

from harness.reports.told import Publications, Published, Selection, Told, select
from harness.reports.writing import FORMATS, format_of, write_report

__all__ = [
    "FORMATS",
    "Publications",
    "Published",
    "Selection",
    "Told",
    "format_of",
    "select",
    "write_report",
]
