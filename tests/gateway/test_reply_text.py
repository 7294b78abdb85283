"""What a reply says, apart from what the model thought: by the marks of chat templates, where templates put them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gateway.replies.reply_text import END_TOKENS, ReplyText, split

HARMONY = (
    "<|channel|>analysis<|message|>A tool?<|end|><|start|>assistant<|channel|>final<|message|>Done.<|return|>"
)

SPLIT = {
    "a block before the answer": ("<think>A tool?</think>\n\nDone.", "Done.", "A tool?"),
    "blanks before the block": ("\n  <think>\nA tool?\n</think>\nDone.", "Done.", "A tool?"),
    "other names": ("<thinking>A</thinking><reasoning>B</reasoning><thought>C</thought>Done.", "Done.", "A\n\nB\n\nC"),
    "a namespace and capitals": ("<seed:think>A tool?</seed:think>Done.", "Done.", "A tool?"),
    "an attribute": ('<think lang="en">A tool?</THINK>Done.', "Done.", "A tool?"),
    "Magistral": ("[THINK]A tool?[/THINK]Done.", "Done.", "A tool?"),
    "Kimi": ("◁think▷A tool?◁/think▷Done.", "Done.", "A tool?"),
    "OpenThinker": (
        "<|begin_of_thought|>A tool?<|end_of_thought|>\n<|begin_of_solution|>Done.<|end_of_solution|>",
        "Done.",
        "A tool?",
    ),
    "Command A": (
        "<|START_THINKING|>A tool?<|END_THINKING|><|START_RESPONSE|>Done.<|END_RESPONSE|>",
        "Done.",
        "A tool?",
    ),
    "harmony": (HARMONY, "Done.", "A tool?"),
    "harmony without message marks": ("<|channel|>analysis A tool? <|channel|>final Done.", "Done.", "A tool?"),
    "harmony with a call that was not parsed": (
        "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>"
        "<|start|>assistant<|channel|>final<|message|>Done.",
        "Done.",
        "{}",
    ),
    "harmony whose tokens were dropped": ("analysisA tool?assistantfinalDone.", "Done.", "A tool?"),
    "Granite": ("Here is my thought process:\nA tool?\n\nHere is my response:\nDone.", "Done.", "A tool?"),
    "an answer in marks": ("<think>A tool?</think>\n<answer>Done.</answer>", "Done.", "A tool?"),
    "opened in the prompt": ("A tool? Or should I ask?\n</think>\n\nDone.", "Done.", "A tool? Or should I ask?"),
    "opened in the prompt, on one line": ("A tool</think>Done.", "Done.", "A tool"),
    "opened in the prompt, after a sentence": ("A tool? </think> Done.", "Done.", "A tool?"),
    "opened in the prompt, and named": (
        "She asks about <think> tags.\n</think>\nDone.",
        "Done.",
        "She asks about <think> tags.",
    ),
    "nested": ("<think>A<think>B</think>C</think>Done.", "Done.", "A<think>B</think>C"),
    "a mark named in a thought": ("<think>She says <think>.</think>\nDone.", "Done.", "She says <think>."),
    "a quoted mark in a thought": ('<think>Not "</think>" yet.</think>Done.', "Done.", 'Not "</think>" yet.'),
    "code in a thought": ("<think>```json\n{</think>Done.", "Done.", "```json\n{"),
    "one after another": ("<think>A</think>\n<think>B</think>\nDone.", "Done.", "A\n\nB"),
    "between sentences": ("One.<think>A.</think>Two. <think>B?</think> Three.", "One. Two. Three.", "A.\n\nB?"),
    "between paragraphs": ("One.\n\n<think>\nA\n</think>\n\nTwo.", "One.\n\nTwo.", "A"),
    "after words": ("Sure. <think>Or should I ask?</think> Done.", "Sure. Done.", "Or should I ask?"),
    "an empty block": ("<think>\n\n</think>\n\nDone.", "Done.", ""),
    "nothing but thoughts": ("<think>A tool?</think>", "", "A tool?"),
    "the turn's own header": ("<|im_start|>assistant\n<think>A tool?</think>Done.", "Done.", "A tool?"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said", "thoughts"), SPLIT.values(), ids=SPLIT)
def test_thoughts_are_set_apart(text: str, said: str, thoughts: str) -> None:
    found = split(text)
    assert (found.said, found.thoughts, found.is_cut) == (said, thoughts, False)


@pytest.mark.parametrize(
    "text",
    [
        "<think>A tool? Or",
        "<think>",
        "[THINK]A tool?",
        "◁think▷A tool?",
        "<think>A</think><think>B",
        "One.\n<think>\nA tool?",
        "<|channel|>analysis<|message|>A tool?",
    ],
)
def test_a_block_that_is_never_closed_was_cut(text: str) -> None:
    assert split(text).is_cut


@pytest.mark.parametrize(
    "text",
    [
        "Models write <think> before they answer.",
        "Use <think> and </think> to mark it.",
        "I like XML. <think> is a mark, and </think> closes it.",
        "One writes <think> first, and ends with a stop.</think> That is all.",
        "The mark </think> closes it.",
        "Close it with </think>.",
        'Write "<think>" first. Then "</think>".',
        "Write `<think>` and `</think>`, or `a <think> b`.",
        "```xml\n<think>\nA tool?\n</think>\n```\nThat is all.",
        "````\n```\n<think>\n</think>\n```\n````",
        "I think [THINK] is Magistral's, and [/THINK] ends it.",
        "The channel <|channel|>analysis is not shown.",
        "An analysis follows. It is assistantfinal.",
        "Here is my thought process: I thought, and then I acted.",
        "1 < 2 and <b>thinking</b> helps; see </s> in the manual.",
        "The price is <s>five</s>",
        "The token <|im_end|> ends a turn.",
        "<thinker>Rodin</thinker>",
        '{"remark": "Well.</think>\\nNo."}',
        '["<think>", "</think>"]',
        "\n  As it came.  \n",
        "",
    ],
)  # fmt: skip
def test_a_mention_is_part_of_what_was_said(text: str) -> None:
    assert split(text) == ReplyText(text)


def test_a_reply_that_begins_with_a_mark_is_read_as_a_templates() -> None:
    """A person could tell that this is a mention; the place is the template's."""
    assert split("<think> is a mark that models know.").is_cut


@pytest.mark.parametrize("token", END_TOKENS)
def test_end_tokens_are_no_words(token: str) -> None:
    assert split(f"Done.\n{token}\n{token}\n") == ReplyText("Done.", ended_by_token=True)
    assert split(f"<think>A</think>Done.{token}").said == "Done."


MARKS = (
    "<think>",
    "</think>",
    "[THINK]",
    "[/THINK]",
    "<|channel|>final",
    "```\n",
    "`",
    "\n",
    "q",
    "q. ",
    '"',
)


@given(st.lists(st.sampled_from((*MARKS, *END_TOKENS))).map("".join))
def test_no_word_is_lost_or_made_up(text: str) -> None:
    found = split(text)
    assert found.said.count("q") + found.thoughts.count("q") == text.count("q")


@given(st.text(alphabet="ab .\n`<>/", max_size=40), st.text(alphabet="ab .\n", max_size=40))
def test_a_leading_block_is_set_apart_whatever_it_holds(thought: str, said: str) -> None:
    found = split(f"<think>{thought}</think>\n{said}")
    assert (found.said, found.thoughts) == (said.strip() and found.said, thought.strip())
    assert found.said.split() == said.split()


LONG = 200_000


@pytest.mark.parametrize(
    "unit",
    ["<think>", "</think>", "<think></think>", ". <think> ", "a</think> ", "'</think>'", "</s>", "<|channel|>", "`",
     "```a\n", "<think ", "analysis", " ", ".)", "Here is my thought process:\n"],
)  # fmt: skip
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = unit * (LONG // len(unit))
    began = time.process_time()
    split(text + "</think> b")
    assert time.process_time() - began < 5  # below 1 on a slow machine; quadratic would be minutes
