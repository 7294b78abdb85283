"""A `ModelClient` that answers from a function, and plans to try an engine on."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from harness.gateway.calls import CallSite, Reply, Request

Answer = Callable[[Request, CallSite], Any]


class FakeClient:
    """Answers each call with what ``answer`` gives as JSON data; an exception it gives is raised.

    With ``reverse`` the calls that are waiting at the same time are answered last first, so that a result
    that depends on the order of completion shows.
    """

    token, base_url = "trial-token", "http://127.0.0.1:9/v1"

    def __init__(self, answer: Answer | None = None, *, reverse: bool = False) -> None:
        self.answer = answer or well_behaved
        self.reverse = reverse
        self.calls: list[tuple[Request, CallSite]] = []
        self.completed: list[CallSite] = []
        self.rejected: list[tuple[Reply, str]] = []
        self._waiting: list[asyncio.Event] = []

    async def complete(
        self,
        request: Request,
        site: CallSite,
        *,
        max_rejections: int | None = None,
        max_replies: int | None = None,
    ) -> Reply:
        self.calls.append((request, site))
        data = self.answer(request, site)
        if self.reverse:
            await self._own_turn_from_the_back()
        self.completed.append(site)
        if isinstance(data, BaseException):
            raise data
        return Reply(text=json.dumps(data) if not isinstance(data, str) else data, data=data)

    def reject(self, reply: Reply, reason: str) -> None:
        self.rejected.append((reply, reason))

    async def _own_turn_from_the_back(self) -> None:
        mine = asyncio.Event()
        self._waiting.append(mine)
        for _ in range(20):  # let everyone who is going to ask now do so
            await asyncio.sleep(0)
        if self._waiting and self._waiting[-1] is mine:
            self._release()
        await mine.wait()
        self._release()

    def _release(self) -> None:
        if self._waiting:
            self._waiting.pop().set()

    @property
    def counts(self) -> Counter[str]:
        return Counter(site.kind for _, site in self.calls)

    def of(self, kind: str, person: str | None = None) -> list[tuple[Request, CallSite]]:
        return [call for call in self.calls if call[1].kind == kind and person in (None, call[1].person)]


def say(content: str, target: str = "", thought: str = "") -> dict[str, Any]:
    """A turn's data: a thought if given, one TALK, DONE."""
    think = [{"type": "THINK", "content": thought, "target": ""}] if thought else []
    talk = {"type": "TALK", "content": content, "target": target}
    return {"actions": [*think, talk, {"type": "DONE", "content": "", "target": ""}]}


def score(value: Any, justification: str = "because") -> dict[str, Any]:
    return {"reasoning": "seen", "justification": justification, "value": value}


def well_behaved(request: Request, site: CallSite) -> Any:
    """A sensible answer to every kind of call, a function of the site alone."""
    if site.kind in ("act", "regenerate"):
        return say(f"{site.person} at {site.step}", thought=f"thought of {site.person} at {site.step}")
    if site.kind == "intervention_check":
        return score(True)
    if site.kind == "extract":
        return _items(request)
    return score(7)


def _items(request: Request) -> dict[str, Any]:
    assert request.response_format is not None
    ((root, listed),) = request.response_format["json_schema"]["schema"]["properties"].items()
    return {root: [{name: f"{name} {n}" for name in listed["items"]["properties"]} for n in range(3)]}
