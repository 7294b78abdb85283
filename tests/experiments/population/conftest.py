"""Fixtures of this folder."""

from tests.support.studies import bench

__all__ = ["bench"]
