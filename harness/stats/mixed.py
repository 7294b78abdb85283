"""The mixed model: trials and personas random, blocks and arm fixed, fitted by REML."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness.extras import reason_without
from harness.model import Dataset, Observation
from harness.stats.results import FIXED_SET, Estimate
from harness.stats.student import with_t_interval

METHOD = "REML, trial and persona random, block fixed"
_BOUNDARY = 1e-6
"""A component below this share of the residual variance lies on the boundary."""
MOST_SCORES = 1200
"""Beyond, statsmodels takes minutes: its time grows with more than the square of the scores."""
MOST_BLOCKS = 60
"""Each block is a coefficient, and the time grows with their cube: 100 of two personas take seven seconds."""
_OPTIMISER = "powell"
"""The gradient-based default of statsmodels stops short of the optimum near a boundary, and may report convergence."""


def reml(dataset: Dataset, metric: str, control: str, treatment: str, confidence: float = 0.95) -> Estimate:
    """The arm's coefficient, with t on the trials' degrees of freedom: trials − blocks − 1.

    The arm varies between trials, so trials are the stratum that its error comes from (Bailey, Design of Comparative
    Experiments (2008), ch. 10). `statsmodels.MixedLM` fits; its z is not passed on. ``None`` with the reason where a
    component is on its boundary, the fit does not converge, or there is one score per trial.
    """
    asked = Estimate(METHOD, FIXED_SET, "trials", 0)
    kept = [one for arm in (control, treatment) for one in dataset.of(metric, arm) if one.value is not None]
    kept.sort(key=lambda one: (one.trial, one.person or ""))
    trials, blocks = len({one.trial for one in kept}), len({one.block for one in kept})
    asked = replace(asked, n=trials)
    df = trials - blocks - 1
    if why := _unfit(kept, df) or reason_without("analysis"):
        return replace(asked, reason=why)
    fit = _fit(kept, treatment)
    if isinstance(fit, str):
        return replace(asked, reason=fit)
    difference, se, trial, person, residual = fit
    note = f"variances: trial {trial:.3g}, persona {person:.3g}, residual {residual:.3g}"
    return with_t_interval(replace(asked, note=note), difference, se, df, confidence)


def _unfit(kept: Sequence[Observation], df: int) -> str | None:
    if not kept or len({one.group for one in kept}) < 2:
        return "an arm has no scores"
    if any(one.person is None for one in kept) or len({one.trial for one in kept}) == len(kept):
        return "one score per trial: trial and residual cannot be separated"
    if len(kept) > MOST_SCORES:
        return f"not fitted to more than {MOST_SCORES:,} scores; there are {len(kept):,}"
    blocks = len({one.block for one in kept})
    if blocks > MOST_BLOCKS:
        return f"not fitted to more than {MOST_BLOCKS} blocks, each a coefficient; there are {blocks}"
    if df < 1:
        return "needs more trials than blocks + 1"
    if len({(one.group, one.value) for one in kept}) == 2:
        return "every score of an arm is the same"
    return None


def _fit(kept: Sequence[Observation], treatment: str) -> tuple[float, float, float, float, float] | str:
    """Coefficient, its standard error, and the variances; or why there are none."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            result = _model(kept, treatment).fit(reml=True, method=_OPTIMISER)
        except Exception as error:  # LinAlgError, ValueError and others: report that there is no fit
            return f"the fit failed ({type(error).__name__})"
    variances = dict(zip(result.model.exog_vc.names, map(float, result.vcomp), strict=True))
    residual = float(result.scale)
    for name, found in variances.items():
        if found <= _BOUNDARY * residual:
            return f"the {name} variance is on its boundary, 0, where the standard error cannot be relied on"
    if not result.converged:
        return "the fit did not converge"
    if any("singular" in str(warning.message).lower() for warning in heard):
        return "the fit is singular"
    difference, se = float(result.fe_params.iloc[-1]), float(result.bse_fe.iloc[-1])
    return difference, se, variances["trial"], variances["persona"], residual


def _model(kept: Sequence[Observation], treatment: str) -> Any:
    import pandas as pd
    from statsmodels.regression.mixed_linear_model import MixedLM

    blocks = pd.Series([f"{one.panel}|{one.proposal}" for one in kept], name="block")
    frame = pd.DataFrame(
        {
            "score": [one.value for one in kept],
            "trial": [f"{one.group}|{one.rep}|{one.panel}|{one.proposal}" for one in kept],
            "persona": [f"{one.panel}|{one.person}" for one in kept],
        }
    )
    fixed = pd.get_dummies(blocks, dtype=float)  # one column per block stands for the intercept too
    fixed["arm"] = [float(one.group == treatment) for one in kept]
    return MixedLM(
        frame["score"],
        fixed,
        groups=[one.panel for one in kept],  # trials and personas are nested in panels
        exog_vc=_components(frame, [one.panel for one in kept]),
    )


def _components(frame: Any, panels: Sequence[int]) -> Any:
    import pandas as pd
    from statsmodels.regression.mixed_linear_model import VCSpec

    names = ["persona", "trial"]
    matrices, columns = [], []
    by_panel = [frame[[panel == one for one in panels]] for panel in sorted(set(panels))]
    for name in names:
        dummies = [pd.get_dummies(part[name], dtype=float) for part in by_panel]
        matrices.append([one.to_numpy() for one in dummies])
        columns.append([list(one.columns) for one in dummies])
    return VCSpec(names, columns, matrices)
