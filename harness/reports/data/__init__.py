"""Records as tables: for queries, data frames, a database file, and a bundle for reviewers and archives."""

from harness.reports.data.bundle import Bundle, write_bundle
from harness.reports.data.database import build_database
from harness.reports.data.frames import Frames, load
from harness.reports.data.query import QueryResult, query

__all__ = ["Bundle", "Frames", "QueryResult", "build_database", "load", "query", "write_bundle"]
