"""TinyTroupe, used as in a notebook: a TinyPerson with tools, in a TinyWorld. Its client gets the trial's.

Needs a checkout (TINYTROUPE_REPO_DIR) and ``pip install 'persona-harness[tinytroupe]'``.
"""

import asyncio
import contextlib
import os
import threading
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from examples.support import call, experiment, instructions
from harness import Event, TrialResult
from harness.engines.tinytroupe import check
from harness.engines.tinytroupe.package import import_package

if "TINYTROUPE_REPO_DIR" not in os.environ:
    pytest.skip("TINYTROUPE_REPO_DIR is not set", allow_module_level=True)
CHECKOUT = Path(os.environ["TINYTROUPE_REPO_DIR"]).resolve()
check(CHECKOUT)

# The gateway waits and retries, and its journal has every prompt.
CONFIG = """
[OpenAI]
WAITING_TIME=0
MAX_ATTEMPTS=1
[Logging]
LOGLEVEL=ERROR
LOGLEVEL_CONSOLE=NONE
LOGLEVEL_FILE=NONE
"""
with TemporaryDirectory() as folder, contextlib.chdir(folder):  # where it looks for its config.ini
    Path("config.ini").write_text(CONFIG)
    import_package(str(CHECKOUT))

from tinytroupe.agent import TinyPerson, TinyToolUse  # noqa: E402
from tinytroupe.clients import OpenAIClient, register_client  # noqa: E402
from tinytroupe.environment import TinyWorld  # noqa: E402
from tinytroupe.tools import TinyTool  # noqa: E402

# With the real time, each prompt would be new, and a resumed run would pay for it again.
NINE_O_CLOCK = datetime(2025, 6, 2, 9)
NAMES = threading.Lock()
SDK = ContextVar("SDK")  # the client of the trial that a thread runs

TinyPerson.communication_display = TinyWorld.communication_display = False


class TrialClient(OpenAIClient):
    """TinyTroupe's client, of which a process has one; it asks by the trial's."""

    @property
    def client(self):
        return SDK.get()

    def _setup_from_config(self):
        pass


register_client("openai", TrialClient())


class Shop(TinyTool):
    """The two tools, as actions. ``events`` is the trial's transcript."""

    def __init__(self, question):
        super().__init__("shop", "Looks up and refunds orders.")
        self.events = [Event(1, "agent", "stimulus", "CONVERSATION", question, source="user")]

    def actions_definitions_prompt(self):
        return (
            '- FIND_ORDER: look up an order. The content is JSON, such as {"order": "1001"}.\n'
            '- REFUND_ORDER: refund an order. The content is JSON, such as {"order": "1001", "reason": "late"}; '
            "reasons are late, broken and wrong item.\n"
        )

    def actions_constraints_prompt(self):
        return "- What FIND_ORDER and REFUND_ORDER return comes to your mind before your next action.\n"

    def _process_action(self, agent, action):
        name, content = action["type"].lower(), str(action["content"])
        if name not in ("find_order", "refund_order"):
            self.events.append(Event(1, "agent", "action", action["type"], content))
            return False
        result = call(name, content)
        self.events.append(Event(1, "agent", "action", "TOOL_CALL", content, target=name))
        self.events.append(Event(1, "agent", "stimulus", "TOOL_RESULT", result, source=name))
        agent.think(result)
        return True


def world_of(plan, shop):
    """The shop, with its agent."""
    agent = TinyPerson("Robin")
    agent.define("occupation", {"title": "Support agent", "description": instructions(plan)})
    agent.add_mental_faculties([TinyToolUse([shop])])
    world = TinyWorld("Shop", [agent], initial_datetime=NINE_O_CLOCK)
    TinyPerson.clear_agents()  # a process has one list of names, and each trial has its Robin
    TinyWorld.clear_environments()
    return world


def notebook(plan, sdk):
    """What a notebook would hold; in a thread, as TinyTroupe is synchronous."""
    SDK.set(sdk)
    shop = Shop(plan.proposal["question"])
    with NAMES:
        world = world_of(plan, shop)
    world.broadcast(plan.proposal["question"])
    world.run(1, parallelize=False)
    return tuple(shop.events)


async def play(plan, client):
    transcript = await asyncio.to_thread(notebook, plan, client.openai_sync())
    if client.failure:  # TinyTroupe drops the turn of a failed call, and goes on
        raise client.failure
    return TrialResult(plan.trial, (), transcript=transcript)


# TinyTroupe names a model in its config.ini; the arm's model answers all the same.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.experiment(experiment("tinytroupe", play, fixed_model=True))
def test_tinytroupe(cell):
    cell.run()
