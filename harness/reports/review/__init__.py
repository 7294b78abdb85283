"""Layer 2: blind review. People score transcripts without knowing the arm."""

from harness.reports.review.blinding import Mask, hints
from harness.reports.review.dimensions import DIMENSIONS, SCALE
from harness.reports.review.export import Exported, export
from harness.reports.review.items import Act, CallReader, ReviewItem, items_of
from harness.reports.review.result import ReviewResult, review_of
from harness.reports.review.score_import import Imported, import_scores

__all__ = [
    "DIMENSIONS",
    "SCALE",
    "Act",
    "CallReader",
    "Exported",
    "Imported",
    "Mask",
    "ReviewItem",
    "ReviewResult",
    "export",
    "hints",
    "import_scores",
    "items_of",
    "review_of",
]
