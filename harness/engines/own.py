"""The engine of experiments that bring their own `Play`."""

from __future__ import annotations

from harness.errors import HarnessError
from harness.llm.calls import ModelClient
from harness.model import TrialPlan, TrialResult
from harness.user_code import guarded


class OwnPlay:
    """Has each trial played by its experiment's function; every model call goes through the client it is given."""

    name = "own"
    needs_face = False
    trials_at_once: int | None = None

    async def run(self, plan: TrialPlan, client: ModelClient) -> TrialResult:
        """Play the trial. Raises `HarnessError` where the function gives something else than a `TrialResult`."""
        assert plan.play is not None
        result = await guarded(plan.play.function(plan, client), plan.play.function, "The play")
        if not isinstance(result, TrialResult):
            kind = type(result).__name__
            raise HarnessError(f"{plan.trial.id}: its play gave a {kind}; expected a TrialResult.")
        return result

    async def aclose(self) -> None:
        """Holds nothing."""
