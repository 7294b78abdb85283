"""The judge's claims in this project's words; the tinytroupe engine uses that package's own."""

from __future__ import annotations

from harness.model import Proposition

# TinyTroupe's name -> (our claim, whether the judge also sees the person's specification)
CLAIMS: dict[str, tuple[str, bool]] = {
    "hard_persona_adherence": (
        "Everything this person says, thinks and does is exactly what the described person would say, "
        "think and do. Judge without leniency: begin at the top of the scale and take two points off for "
        "each departure from the description, small ones included.",
        True,
    ),
    "persona_adherence": (
        "On the whole this person says, thinks and does what the described person would. Weigh character,"
        " manner of speaking, convictions, habits and abilities alike, over the entire conversation, and "
        "give the average.",
        True,
    ),
    "self_consistency": (
        "This person never contradicts himself or herself: views, facts and intentions given early in the"
        " conversation still hold late in it, unless the person says openly what changed his or her mind.",
        False,
    ),
    "fluency": (
        "This person talks as people talk. Wording varies, set phrases are rare, and no thought or remark"
        " comes back again and again.",
        False,
    ),
    "task_completion": (
        "By the end of the conversation the people in it have done what they were asked to do, in full, "
        "and have kept to the rules that came with the request.",
        False,
    ),
    "divergence": (
        "Over the course of the conversation these people move apart: what they bring up late is more "
        "varied, and less alike, than what they brought up at the beginning.",
        False,
    ),
}


def proposition(metric: str, tinytroupe: str, about: str) -> Proposition:
    """The proposition called ``metric`` in results. Raises `KeyError` for a claim that is not in `CLAIMS`."""
    claim, include_persona = CLAIMS[tinytroupe]
    if about == "person":
        return Proposition(
            metric, claim, about="person", include_persona=include_persona, tinytroupe=tinytroupe
        )
    return Proposition(metric, claim, about="panel", include_persona=include_persona, tinytroupe=tinytroupe)
