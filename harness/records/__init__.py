"""Layer 1: records of trials, their files, artifacts, and the registry of runs."""

from harness.records.artifact import Statistics, build
from harness.records.atomic import write_atomic, write_whole
from harness.records.dataset import dataset_of, datasets, meta_beside, meta_of, observations
from harness.records.design import Design
from harness.records.filed_runs import FiledRun, artifact_name, record_files, runs_in_files
from harness.records.lines import trial_line
from harness.records.merge import RunExaminer, merge
from harness.records.reader import files_of_run, finished_trials, outcomes, read, stream
from harness.records.registry.runs import RunRegistry, fingerprint, session_timestamp
from harness.records.registry.store import Run
from harness.records.writer import JSONLWriter, WriterPool

__all__ = [
    "Design",
    "FiledRun",
    "JSONLWriter",
    "Run",
    "RunExaminer",
    "RunRegistry",
    "Statistics",
    "WriterPool",
    "artifact_name",
    "build",
    "dataset_of",
    "datasets",
    "files_of_run",
    "fingerprint",
    "finished_trials",
    "merge",
    "meta_beside",
    "meta_of",
    "observations",
    "outcomes",
    "read",
    "record_files",
    "runs_in_files",
    "session_timestamp",
    "stream",
    "trial_line",
    "write_atomic",
    "write_whole",
]
