"""The packaged script, written for this project, for use without notebooks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.experiments.table1.settings import EXP_1, EXP_3, ExperimentSettings
from harness.model import Extraction, Script


@dataclass(frozen=True, slots=True)
class Words:
    """All texts of one experiment: its script, and the variety intervention's precondition and effect."""

    script: Script
    precondition: str | None = None
    effect: str | None = None


_EVERYDAY = (
    {
        "theme": "Getting around (commuting, errands, deliveries, walking, trips with children or luggage)",
        "objective": "Find products or services that make everyday journeys shorter, safer or more pleasant.",
    },
    {
        "theme": "Running a home (repairs, cleaning, energy bills, storage, shared chores)",
        "objective": (
            "Find products or services that take work, waste or worry out of keeping a household going."
        ),
    },
    {
        "theme": "Caring for others (small children, ageing parents, sick friends, pets)",
        "objective": "Find products or services that help people look after those who depend on them.",
    },
    {
        "theme": "Learning a trade (apprenticeships, retraining, hobbies that become jobs)",
        "objective": (
            "Find products or services with which adults pick up a practical skill and show that they "
            "have it."
        ),
    },
    {
        "theme": "Neighbourhood life (local shops, clubs, noise, borrowing and lending, local news)",
        "objective": "Find products or services that bring the people of one street or village together.",
    },
)

_PERSONAL = (
    {
        "theme": "Waiting and queueing",
        "objective": (
            "Find products or services that make good use of the time people spend waiting for something."
        ),
    },
    {
        "theme": "Rest and sleep",
        "objective": (
            "Find products or services that let tired people recover, at home, at work or on the road."
        ),
    },
    {
        "theme": "Mending and passing on",
        "objective": (
            "Find products or services that keep things in use for longer, by repair, lending or resale."
        ),
    },
    {
        "theme": "Staying close over a distance",
        "objective": (
            "Find products or services for families and friends who live far apart and keep different hours."
        ),
    },
    {
        "theme": "Making something by hand",
        "objective": (
            "Find products or services that bring beginners to build, cook, sew, play or draw, and to go on."
        ),
    },
)

_CONTESTED = (
    {
        "theme": "Duty to the state and personal freedom",
        "details": """\
A government wants every resident to give a year of civic service before turning twenty-five: in a hospital,
a school, the fire brigade, on a farm or with the army. Pay is low, the place is assigned, and students and
young parents are not excused. Those who refuse lose the right to a driving licence and to public jobs for
ten years. Its supporters speak of solidarity and of understaffed services; its opponents call it forced
labour.

The motion: this law should be passed.
""",
    },
    {
        "theme": "Wealth, inheritance and equal chances",
        "details": """\
A parliament is to vote on a tax of ninety per cent on everything above one million that a person inherits,
family firms and farms included. The proceeds are paid out in equal shares to all citizens on their
twenty-first birthday, to spend as they like. The authors of the bill say that nobody earns a fortune by
being born; its critics say that parents work for their children, and that firms would be broken up to pay
the bill.

The motion: this bill should become law.
""",
    },
    {
        "theme": "Public safety, technology and privacy",
        "details": """\
A large city plans cameras that recognise faces at every station, square and school gate. The recordings are
kept for a year, matched with police files at once, and open to all authorities of the country. A trial in
one district saw street robberies fall by a third, and four people arrested by mistake. The mayor says that
honest people have nothing to fear; civil rights groups say that nobody is free who is always watched.

The motion: the cameras should be installed.
""",
    },
)

_BRAINSTORM = Script(
    proposals=_EVERYDAY,
    introduction="""\
Welcome, and thank you all for coming. Before we begin, let us get to know each other and the topic. The
theme of this meeting is: {theme}.

In turn, please tell the others
- who you are, where you live and what you do;
- what problems this theme causes you at home;
- what problems it causes you at work, and what you notice about it in your line of business.

Leave remedies for later. For now we only want to hear what goes wrong, and for whom.
""",
    task="""\
Now to our job for today. {objective}

How we work:
- Give each idea a short name of its own when you bring it up ("I call it ..."), so that we can come back to
  it.
- Say whom it would help and with what, and why you personally would want it.
- An idea is something that could be bought or used by itself. An extra for something that exists does not
  count.
- Bring one idea, let the others react, then bring the next.
- Aim for number and range: draw on your own life, and look for what nobody here has touched yet. A known
  idea with a new label is not a new idea.
- You may object to an idea once, and offer one improvement to it. Then move on; new ideas matter more than
  polish.
- Take a moment to think before you speak.

The floor is open.
""",
    consolidation="""\
Would you sum up for us? Go through the ideas of this meeting one after the other, describe each so that
someone who was not here can follow, and fill in what was left unsaid.
""",
    extraction=Extraction(
        root=EXP_1.root,
        fields=EXP_1.fields,
        metric=EXP_1.count_metric,
        objective=(
            "List every separate idea that came out of the meeting, one entry each: what it is called, "
            "what it is, which trouble it removes, who would use it, and what sets it apart from things "
            "already on sale."
        ),
        situation="Several people met to think up new products and services.",
    ),
    task_description=(
        "The people met to think up new products and services. What they were asked for: {objective}"
    ),
    source="embedded",
    origin={"module": __name__},
)

_DEBATE = Script(
    proposals=_CONTESTED,
    introduction="""\
Good evening and welcome to our debate. The motion comes in a moment; first the audience would like to know
who is on the stage. Tonight is about {theme}.

Please introduce yourself in turn:
- your name, your background and your work;
- the principles you hold dear where this subject is concerned;
- the sides of your character that will show when you argue about it;
- what in your own life has brought you into contact with it, if anything has.

Keep your arguments for later. This round is for getting acquainted.
""",
    task="""\
Thank you. This is what the house debates tonight:

{details}
The rules:
- Speak for the motion or against it. There is no third option: no abstaining, no amendments, no meeting
  halfway.
- Choose your side by your own convictions, and stick to it.
- Argue to win over the voters and the members of parliament who are listening.
- Answer what the other side has said; show where it is wrong.
- Alliances and deals are for other evenings.

The debate is open.
""",
    consolidation="""\
To close, would you report the debate fairly? Name each position that was taken tonight, and set out at
length what was said for it and what was said against it.
""",
    extraction=Extraction(
        root=EXP_3.root,
        fields=EXP_3.fields,
        metric=EXP_3.count_metric,
        objective=(
            "List every separate position that was taken, one entry each: what it says, the reasons "
            "that were given for it, and the objections that were raised."
        ),
        situation="Several people argued in public over a disputed motion.",
    ),
    task_description=(
        "The people were asked to debate a disputed motion and to take one side of it: {details}"
    ),
    source="embedded",
    origin={"module": __name__},
)

_PRECONDITION = """\
This person has run dry: his or her latest wholly new idea for a product or service, if there was one at
all, lies more than {gap} events back.

To decide, find in the transcript the number of the person's latest event that brings in an idea nobody had
mentioned before. Call it L. Call the number that the next event will have E. The statement holds exactly
when E - L exceeds {gap}; it holds too when the person has had {gap} events or more and not one idea.
Improving, renaming or combining ideas already on the table brings in nothing new.
"""

_EFFECT = """\
It has been a while since I came up with something of my own, and fresh ideas are what I was asked for.
First I go over, in my head, everything that has been proposed so far, by me as well. I leave all of it
aside, and that includes selling the same thing to someone else. Then I look in a corner of my life that
nobody has spoken of, until I find an idea unlike the rest. That one I put forward next.
"""


def packaged(settings: ExperimentSettings) -> Words:
    """This project's words for one of the four experiments, with the intervention's gap filled in."""
    if settings.protocol == "debate":
        return Words(_DEBATE)
    proposals = _EVERYDAY if settings.name == "exp_1" else _PERSONAL
    gap = next(arm.gap for arm in settings.groups.values() if arm.gap is not None)
    return Words(replace(_BRAINSTORM, proposals=proposals), _PRECONDITION.replace("{gap}", str(gap)), _EFFECT)
