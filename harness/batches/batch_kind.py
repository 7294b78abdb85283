"""What sort of experiments a batch varies. Other packages add kinds with entry points in ``harness.batch_kinds``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.batches.axes import Options
from harness.batches.manifest import Manifest
from harness.batches.study_layout import Study, VariantFolder
from harness.console import warn
from harness.entry_points import BATCH_KINDS, claims, described, load, sole
from harness.errors import ConfigurationError, HarnessError
from harness.model import Experiment

TEST_FILE = ".py"


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What the user asks for in a batch. ``axes`` are names with the texts of their values.

    ``scenario_rev`` and ``config_rev`` ``None`` keep the newest. ``path`` is the file that declares the
    experiment, none for a registered one.
    """

    experiment: Experiment
    axes: Sequence[tuple[str, Sequence[str]]]
    seeds: Sequence[int]
    intent: str
    objective: str
    success_metric: str
    gate_profile: str
    schema_map: str
    options: Options
    factorial: bool = False
    scenario_rev: str | None = None
    config_rev: str | None = None
    path: str | None = None


class BatchKind:
    """A kind of batch. The default implementation is for any experiment; override what differs.

    The kind of a batch is the first that `declares` the file of its experiment. Every method may raise `HarnessError`.

    A new study gets ``spec_folders`` under ``specs``. ``gate_profile`` and ``schema_map`` are defaults of a manifest.
    ``build_hint`` says how a study gets its `experiment_file`.
    """

    spec_folders: tuple[str, ...] = ()
    build_hint = ""

    def declares(self, path: Path) -> bool:  # noqa: ARG002
        """Whether the file at ``path`` declares an experiment of this kind."""
        return False

    def experiment(self, path: Path, name: str | None) -> Experiment:  # noqa: ARG002
        """The experiment that ``path`` declares; ``name`` is the one that was asked for."""
        raise HarnessError(
            f"{path}: batches of the kind {type(self).__name__} declare no experiment in a file."
        )

    def experiment_file(self, study: Study) -> Path | None:  # noqa: ARG002
        """Where a study keeps the experiment that a batch varies by default, whether it is there or not."""
        return None

    def write_example(self, study: Study) -> Sequence[Path]:  # noqa: ARG002
        """Write an example into a new study; the files, none where the kind has no example."""
        return ()

    def rules(self, study: Study) -> tuple[str, str]:  # noqa: ARG002
        """The gate profile and the schema map of a batch that names none."""
        return "instrument", "none"

    def check(self, study: Study, request: BatchRequest) -> None:
        """Raise `ConfigurationError` for a batch that could not run, before it is declared."""

    def place_inputs(self, path: Path, variants: Sequence[VariantFolder]) -> Path:  # noqa: ARG002
        """Give every variant what it is run from; the file that then declares the batch's experiment."""
        return path

    def changed_inputs(self, variant: VariantFolder) -> Iterator[str]:  # noqa: ARG002
        """In what a variant's inputs differ from those that it was declared with."""
        return iter(())

    def results(self, session: Path, run_id: str) -> Sequence[Path]:  # noqa: ARG002
        """Files that a run left in the sessions' folder, beyond its records, artifact and meta file."""
        return ()

    def gate(self, study: Study, manifest: Manifest, variants: Sequence[VariantFolder]) -> Sequence[str]:  # noqa: ARG002
        """Run the gates of variants that have results, and write down what they say; the level of each."""
        return ()

    def failing(self, study: Study, manifest: Manifest) -> Sequence[str]:  # noqa: ARG002
        """The variants that a gate FAILs."""
        return ()

    def escalation(self, study: Study, ran: Collection[tuple[str, str]]) -> str | None:  # noqa: ARG002
        """Why no further session should start after the variants that ``ran`` (batch and variant ids)."""
        return None

    def status(self, study: Study) -> Iterator[str]:  # noqa: ARG002
        """Lines on what a study holds of this kind beside its batches."""
        return iter(())

    def disagreements(self, study: Study) -> Iterator[str]:  # noqa: ARG002
        """Changed files of this kind in a study."""
        return iter(())


ANY = BatchKind()
"""The kind of a registered experiment, or of one in a test file."""


def registered() -> list[BatchKind]:
    """Every usable kind; others are left out with a warning that names their distribution."""
    found = []
    for points in claims(BATCH_KINDS).values():
        try:
            kind = load(point := sole(points))
            if not isinstance(kind, BatchKind):
                raise ConfigurationError(f"{described(point)}: gave {kind!r:.80}; expected a BatchKind.")
        except HarnessError as error:
            warn(f"{error} Batches of that kind cannot be run.")
        else:
            found.append(kind)
    return found


def kind_of(path: str | Path | None) -> BatchKind:
    """The kind of the batch whose experiment is declared at ``path``, `ANY` for a registered experiment.

    Raises `ConfigurationError` for a file that no kind declares and that is not a test file.
    """
    if path is None:
        return ANY
    path = Path(path)
    for kind in registered():
        if kind.declares(path):
            return kind
    if path.suffix != TEST_FILE and not path.is_dir():
        raise ConfigurationError(
            f"{path}: no installed package runs batches of such a file; expected a test file (.py)."
        )
    return ANY
