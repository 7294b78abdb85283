"""Records as tables: for queries, data frames, a database file, and a bundle for reviewers and archives."""

from harness.reports.data.bundle import Bundle, write_bundle
from harness.reports.data.database import build_database
from harness.reports.data.frames import Frames, load
from harness.reports.data.query import Answer, query

__all__ = ["Answer", "Bundle", "Frames", "build_database", "load", "query", "write_bundle"]
