"""Layer 2: reports, as one self-contained HTML file or as Markdown."""

from harness.reports.report_file import FORMATS, check_target, format_of, write_report
from harness.reports.run_report import Publications, Published, RunReport, Selection, select

__all__ = [
    "FORMATS",
    "Publications",
    "Published",
    "RunReport",
    "Selection",
    "check_target",
    "format_of",
    "select",
    "write_report",
]
