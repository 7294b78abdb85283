"""Separate what a reply says from what the model thought before.

Servers without a reasoning parser send a model's thoughts in the reply's text, in the marks of its chat template. They
are not speech: a question in them was not asked.

A mark counts where a template puts it, not where a sentence or a piece of code mentions it:

- An opening mark counts at the start of the reply, right after another block, at the start of a line, or after the end
  of a sentence. Away from the start its block must also end as a template ends it: a pair in the middle of a sentence
  is a mention.
- A closing mark without an opening one (the template opened the block in the prompt) counts at the end of a line or
  after the end of a sentence. Everything before it was thought.
- A mark in quotation marks, in a code span or in a closed code fence never counts in what was said.
- An opening mark that is never closed means that the reply was truncated during a thought. Away from the start it
  must be alone on its line.

So a reply that *begins* with a mark is always read as a template's, even if a person could tell that it is a mention.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

_FAMILIES = (
    (
        r"<(?:[a-z]{1,10}:)?(?:think|thinking|thoughts?|reasoning)(?:\s[^<>]{0,80})?>",
        r"</(?:[a-z]{1,10}:)?(?:think|thinking|thoughts?|reasoning)\s{0,3}>",
    ),
    (r"(?-i:\[THINK\])", r"(?-i:\[/THINK\])"),
    (r"◁think▷", r"◁/think▷"),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
)
"""Opening and closing marks of a block of thoughts: most open models, Magistral, Kimi, OpenThinker, Command A."""

END_TOKENS = (
    *("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "</s>", "<|endoftext|>", "<|end_of_text|>", "<end_of_turn>"),
    *("<|end|>", "<|return|>", "<|call|>", "<eos>", "<｜end▁of▁sentence｜>", "<|END_OF_TURN_TOKEN|>"),
)
"""Special tokens that end a turn; a server that does not skip them leaves them at the end of the text."""

_TURN_STARTS = re.compile(
    r"\s*(?:<\|im_start\|>assistant|<\|start_header_id\|>assistant<\|end_header_id\|>|<start_of_turn>model"
    r"|<\|assistant\|>)\s*"
)
_CHANNEL = re.compile(
    r"(?:<\|start\|>assistant[^<]{0,200})?<\|channel\|>\s{0,9}(analysis|commentary|final)\b"
    r"(?:[^<\n]{0,200}<\|constrain\|>\w{0,20}|[ \t]to=[^\s<]{1,200})?\s{0,9}(?:<\|message\|>)?"
)
"""The header of a message in OpenAI's harmony format; only the channel ``final`` is for the reader."""
_WORN_CHANNELS = re.compile(r"\s*analysis(?=\S)(.*?)assistantfinal(.*)", re.DOTALL)
"""The same after a server dropped the special tokens."""
_GRANITE = re.compile(
    r"\s*Here(?:'s| is) my thought process:(.*?)\n\s{0,9}Here(?:'s| is) my response:(.*)", re.DOTALL
)
_ANSWERS = (
    *(("<answer>", "</answer>"), ("<response>", "</response>"), ("<output>", "</output>")),
    *(("<|begin_of_solution|>", "<|end_of_solution|>"), ("<|START_RESPONSE|>", "<|END_RESPONSE|>")),
)
"""What some templates put around all that follows the thoughts."""

_MARKS = re.compile(
    "|".join(f"(?P<o{n}>{a})|(?P<c{n}>{b})" for n, (a, b) in enumerate(_FAMILIES)), re.IGNORECASE
)
_SPEECH = re.compile(
    r"(?P<fence>^[ \t]{0,3}`{3,}+)|(?<!`)(?P<ticks>`{1,8}+)(?!`)[^`\n]+(?<!`)(?P=ticks)(?!`)|"
    + _MARKS.pattern,
    re.IGNORECASE | re.MULTILINE,
)
_WORDS = re.compile(r"\s*(?:analysis|Here)")
_QUOTES = {"`": "`", '"': '"', "'": "'", "“": "”", "„": "“", "‘": "’", "«": "»", "(": ")"}
_SENTENCE_ENDS = ".?!…。？！"
_CLOSERS = "\"'”’»)]}*_"
MOST_MENTIONS = 8
"""Marks that may turn out to be mentions after all that follows was searched; later ones are taken for mentions."""


@dataclass(frozen=True, slots=True)
class ReplyText:
    """What a text says. ``is_cut``: it ends inside a thought. ``ended_by_token``: an end token was taken off."""

    said: str
    thoughts: str = ""
    is_cut: bool = False
    ended_by_token: bool = False


def split(text: str) -> ReplyText:
    """Split ``text`` into speech and thoughts, without end tokens. A text with neither is unchanged.

    >>> split("<think>He wants a tool. Or should I ask?</think>\\n\\nIt is done.<|im_end|>")
    ReplyText(said='It is done.', thoughts='He wants a tool. Or should I ask?', is_cut=False, ended_by_token=True)
    """
    if _is_plain(text) or _is_json(text):
        return ReplyText(text)
    end = _end_of(text)
    ended = end < len(text)
    start = found.end() if (found := _TURN_STARTS.match(text, 0, end)) else 0
    body = text[start:end] if ended or start else text
    blocks = _channels(body) or _in_words(body) or _Scan(body).blocks()
    if len(blocks.thoughts) == 0 and not blocks.is_cut and blocks.spoken == (body,):
        return ReplyText(body.rstrip() if ended else body, ended_by_token=ended)
    said = _unwrapped(_joined(blocks.spoken))
    thoughts = "\n\n".join(filter(None, (thought.strip() for thought in blocks.thoughts)))
    return ReplyText(said, thoughts, blocks.is_cut, ended)


@dataclass(frozen=True, slots=True)
class _Blocks:
    spoken: Sequence[str]
    thoughts: Sequence[str]
    is_cut: bool = False


def _is_plain(text: str) -> bool:
    """Whether there can be no mark: most replies are known by that, at no cost."""
    return not any(sign in text for sign in ("<", "◁", "THINK]")) and not _WORDS.match(text)


def _is_json(text: str) -> bool:
    """Whether the whole text is JSON: then marks in it are part of its strings."""
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _end_of(text: str) -> int:
    """Where ``text`` ends without end tokens and what is between them; its length when there are none."""
    end, kept = len(text), len(text)
    strikes = "<s>" in text  # HTML's strikethrough, and not Llama's end
    while True:
        while end and text[end - 1].isspace():
            end -= 1
        token = next((one for one in END_TOKENS if text.endswith(one, 0, end)), None)
        if token is None or (token == "</s>" and strikes):
            return kept
        end = kept = end - len(token)


def _channels(body: str) -> _Blocks | None:
    """A text in OpenAI's harmony format, tokens and all."""
    headers = list(_CHANNEL.finditer(body))
    if not headers or body[: headers[0].start()].strip():
        return None
    spoken: list[str] = []
    thoughts: list[str] = []
    for header, following in zip(headers, [*headers[1:], None], strict=True):
        content = body[header.end() : following.start() if following else len(body)]
        (spoken if header[1] == "final" else thoughts).append(content[: _end_of(content)])
    return _Blocks(spoken, thoughts, is_cut=not spoken)


def _in_words(body: str) -> _Blocks | None:
    """Formats whose marks are words: both must occur, the first at the start."""
    found = _WORN_CHANNELS.fullmatch(body) or _GRANITE.fullmatch(body)
    return _Blocks((found[2],), (found[1],)) if found else None


class _Scan:
    """One pass over a text, from mark to mark."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._spoken: list[str] = []
        self._thoughts: list[str] = []
        self._from = 0  # where the speech at hand begins
        self._is_mentioned = False  # an opening mark in it is a mention
        self._patience = MOST_MENTIONS
        self._fences_close = True

    def blocks(self) -> _Blocks:
        text, at = self._text, 0
        while mark := _SPEECH.search(text, at):
            if mark["fence"]:
                at = self._after_fence(mark)
                continue
            at = mark.end()
            if mark["ticks"] or _is_quoted(text, mark):
                continue
            if _is_closing(mark):
                if _is_alone(text, mark) or (not self._is_mentioned and _ends_a_block(text, *mark.span())):
                    self._set_apart(self._from, self._from, mark.start(), at)
            elif block := self._block(mark):
                start, end, at = block
                self._set_apart(mark.start(), start, end, at)
                if end == at:
                    return _Blocks(tuple(self._spoken), tuple(self._thoughts), is_cut=True)
            else:
                self._is_mentioned = True
        return _Blocks((*self._spoken, text[self._from :]), tuple(self._thoughts))

    def _set_apart(self, before: int, start: int, end: int, after: int) -> None:
        """Speech ends at ``before``; the thought is from ``start`` to ``end``, and speech resumes at ``after``."""
        if before > self._from:
            self._spoken.append(self._text[self._from : before])
        self._thoughts.append(self._text[start:end])
        self._from, self._is_mentioned = after, False

    def _after_fence(self, fence: re.Match[str]) -> int:
        """The index after the fenced code that begins here; an unclosed fence is ignored."""
        line_end = self._text.find("\n", fence.end())
        if line_end < 0 or not self._fences_close:
            return fence.end()
        ticks = len(fence["fence"].strip())
        closing = re.compile(rf"^[ \t]{{0,3}}`{{{ticks},}}[ \t]*$", re.MULTILINE).search(self._text, line_end)
        self._fences_close = closing is not None
        return closing.end() if closing else fence.end()

    def _block(self, opening: re.Match[str]) -> tuple[int, int, int] | None:
        """Start and end of the thought that opens here, and where speech resumes; ``None`` for a mention.

        An unclosed thought extends to the end of the text.
        """
        text, length = self._text, len(self._text)
        place = self._place(opening)
        if place == "mention" or (place != "start" and not self._patience):
            return None
        closing = _closing_of(text, opening)
        if closing is None:
            if place == "start" or (place == "line" and (self._thoughts or _is_alone(text, opening))):
                return opening.end(), length, length
        elif place == "start" or _ends_a_block(text, *closing):
            return opening.end(), *closing
        self._patience -= 1
        return None

    def _place(self, opening: re.Match[str]) -> str:
        """Where an opening mark stands: ``start``, ``line``, ``sentence`` (at the end of one), or in a ``mention``."""
        text, start = self._text, opening.start()
        if _back_over(text, start, " \t\r\n", self._from) == self._from:
            return "start"
        at = _back_over(text, start, " \t\r", self._from)
        before = text[at - 1]
        if before == "\n":
            return "line"
        ends = text[_back_over(text, at, _CLOSERS, self._from) - 1] in _SENTENCE_ENDS
        return "sentence" if ends or (at == start and before.isalnum()) else "mention"


def _forward_over_space(text: str) -> int:
    return len(text) - len(text.lstrip())


def _is_closing(mark: re.Match[str]) -> bool:
    return mark[0][:2] in ("</", "[/", "◁/") or mark[0].lower().startswith(("<|end_",))


def _closing_of(text: str, opening: re.Match[str]) -> tuple[int, int] | None:
    """The closing mark of a block, skipping nested blocks; if marks do not balance, the last one."""
    last: tuple[int, int] | None = None
    depth = 1
    for mark in _family_of(opening).finditer(text, opening.end()):
        if _is_quoted(text, mark):
            continue
        if not _is_closing(mark):
            depth += 1
            continue
        depth -= 1
        last = mark.span()
        if depth == 0:
            break
    return last


_OF_FAMILY = tuple(re.compile(f"{a}|{b}", re.IGNORECASE) for a, b in _FAMILIES)


def _family_of(mark: re.Match[str]) -> re.Pattern[str]:
    return next(_OF_FAMILY[number] for number in range(len(_FAMILIES)) if mark[f"o{number}"])


def _is_quoted(text: str, mark: re.Match[str]) -> bool:
    before, after = text[mark.start() - 1 : mark.start()], text[mark.end() : mark.end() + 1]
    return bool(before and after) and _QUOTES.get(before) == after


def _is_alone(text: str, mark: re.Match[str]) -> bool:
    """Whether nothing else is on the mark's line."""
    start = _back_over(text, mark.start(), " \t\r", 0)
    return (start == 0 or text[start - 1] == "\n") and _ends_the_line(text, mark.end())


def _ends_a_block(text: str, start: int, end: int) -> bool:
    """Whether a closing mark stands as templates put it: after a sentence, glued to the thought, or ending a line."""
    at = _back_over(text, start, " \t\r", 0)
    if at == 0 or text[at - 1] == "\n" or at == start:
        return True
    is_sentence = text[_back_over(text, at, _CLOSERS, 0) - 1] in _SENTENCE_ENDS
    return is_sentence or (_ends_the_line(text, end) and end < len(text))


def _ends_the_line(text: str, end: int) -> bool:
    while end < len(text) and text[end] in " \t\r":
        end += 1
    return end == len(text) or text[end] == "\n"


def _back_over(text: str, at: int, signs: str, least: int) -> int:
    """The place before ``signs`` that end at ``at``."""
    while at > least and text[at - 1] in signs:
        at -= 1
    return at


def _joined(spoken: Sequence[str]) -> str:
    """Join speech from between blocks; what was on a separate line stays on one."""
    said = ""
    for part in spoken:
        if not part.strip():
            continue
        joint = "\n\n" if "\n" in said[len(said.rstrip()) :] + part[: _forward_over_space(part)] else " "
        said = f"{said.rstrip()}{joint}{part.lstrip()}" if said else part.lstrip()
    return said.rstrip()


def _unwrapped(said: str) -> str:
    """Without the marks that a template puts around all of the answer."""
    for start, end in _ANSWERS:
        if said.startswith(start):
            return said.removeprefix(start).removesuffix(end).strip()
    return said
