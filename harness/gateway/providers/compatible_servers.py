"""Services and local servers that speak OpenAI's chat completions: where each is, and which variable holds its key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CompatibleServer:
    """How to reach one: its base URL, the variable of its key (none is needed on this machine), an example."""

    url: str
    variable: str
    example: str


SERVERS: Mapping[str, CompatibleServer] = {
    "deepseek": CompatibleServer("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", "deepseek-chat"),
    "gemini": CompatibleServer(
        "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY", "gemini-2.5-flash"
    ),
    "groq": CompatibleServer("https://api.groq.com/openai/v1", "GROQ_API_KEY", "llama-3.3-70b-versatile"),
    "llamacpp": CompatibleServer("http://127.0.0.1:8080/v1", "LLAMACPP_API_KEY", "default"),
    "mistral": CompatibleServer("https://api.mistral.ai/v1", "MISTRAL_API_KEY", "mistral-small-latest"),
    "ollama": CompatibleServer("http://127.0.0.1:11434/v1", "OLLAMA_API_KEY", "qwen3:4b"),
    "together": CompatibleServer(
        "https://api.together.xyz/v1", "TOGETHER_API_KEY", "meta-llama/Llama-3.3-70B-Instruct-Turbo"
    ),
    "vllm": CompatibleServer("http://127.0.0.1:8000/v1", "VLLM_API_KEY", "Qwen/Qwen3-4B"),
}
"""By the name in a model's spec, ``NAME:MODEL``. Addresses and variables are those of each one's own documentation."""

PREFIXES: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("claude",),
    "deepseek": ("deepseek",),
    "gemini": ("gemini",),
    "mistral": ("codestral", "ministral", "mistral", "magistral"),
    "openai": ("chatgpt", "gpt", "o1", "o3", "o4"),
}
"""What names of models begin with, by the provider that makes them."""


def maker_of(model: str) -> str:
    """The provider that makes ``model``, by its name; empty if that is unknown.

    >>> maker_of("gpt-4o-mini"), maker_of("my-model")
    ('openai', '')
    """
    return next((maker for maker, starts in PREFIXES.items() if model.lower().startswith(starts)), "")
