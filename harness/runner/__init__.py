"""Layer 2: the framework of experiments that iterate."""

from harness.runner.iteration import BaseExperimentRunner
from harness.runner.output import JSONLOutput, OutputHandlerProtocol, RichOutput, SilentOutput
from harness.runner.protocol import ExperimentRunnerProtocol
from harness.runner.result import ExperimentResult, ExperimentState, IterationRecord

__all__ = [
    "BaseExperimentRunner",
    "ExperimentResult",
    "ExperimentRunnerProtocol",
    "ExperimentState",
    "IterationRecord",
    "JSONLOutput",
    "OutputHandlerProtocol",
    "RichOutput",
    "SilentOutput",
]
