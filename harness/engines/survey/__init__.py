"""Runs a `Survey`: a persona answers its items, page by page."""

from harness.engines.survey.interview import run_survey

__all__ = ["run_survey"]
