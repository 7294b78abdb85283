"""What a GGUF file says about the model in it, read from its header before a server loads it.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from harness.errors import ConfigurationError

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _LIST = 8, 9
_VERSIONS = (2, 3)
_MOST_ENTRIES = 1_000_000
_LONGEST_TEXT = 16 * 1024 * 1024
_PART = re.compile(r"-\d{5}-of-\d{5}$")
_BYTES_PER_NUMBER = 2
"""Of the server's memory of a conversation, which is kept in half precision."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model on disk: ``size`` in bytes, ``context`` in tokens, ``token_bytes`` of memory for each token of it.

    ``template`` is the chat template, empty if the file has none.
    """

    path: Path
    size: int
    sha256: str
    parameters: int
    context: int
    token_bytes: int
    template: str = ""

    @property
    def takes_tools(self) -> bool:
        """Whether tools in a request reach the model: its own chat template has a place for them, or ours is used."""
        return "tools" in self.template or self.needs_template

    @property
    def needs_template(self) -> bool:
        """Whether its chat template is of the ChatML kind and leaves tools out, without a word to the caller."""
        return "<|im_start|>" in self.template and "tools" not in self.template

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def size_label(self) -> str:
        """``135M`` or ``7.2B``: the number of parameters."""
        if self.parameters < 999_500_000:
            return f"{self.parameters / 1e6:.0f}M"
        return f"{self.parameters / 1e9:.1f}B"

    def facts(self) -> Mapping[str, Any]:
        """What identifies the file in a record."""
        return {
            "file": self.path.name,
            "sha256": self.sha256,
            "bytes": self.size,
            "parameters": self.parameters,
        }


def read_model_file(path: Path) -> ModelFile:
    """The model in ``path``. Raises `ConfigurationError` for a file that is missing, damaged, or not a whole GGUF."""
    where = f"Model 'local:{path}'"
    try:
        stat = path.stat()
        return _read(path.resolve(), stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise ConfigurationError(
            f"{where}: {error.strerror or error}; expected a GGUF file that can be read."
        ) from None
    except (ValueError, struct.error, OverflowError, RecursionError) as error:
        raise ConfigurationError(
            f"{where}: not a valid GGUF file ({error}). Download it again, or name another file."
        ) from None


@cache
def _read(path: Path, size: int, _changed: int) -> ModelFile:
    if _PART.search(path.stem):
        raise ValueError("it is one of several parts; join them first")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        if file.read(4) != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        (version,) = _unpack(file, "I")
        if version not in _VERSIONS:
            raise ValueError(f"its version is {version}; expected {' or '.join(map(str, _VERSIONS))}")
        tensors, entries = _unpack(file, "QQ")
        if max(tensors, entries) > _MOST_ENTRIES:
            raise ValueError(f"it claims {tensors:,} tensors and {entries:,} entries")
        found = dict(_entry(file) for _ in range(entries))
        shapes = [_tensor(file) for _ in range(tensors)]
        if shapes and file.tell() + max(offset for _, offset in shapes) >= size:
            raise ValueError(f"it is cut off after {size:,} bytes")
    architecture = str(found.get("general.architecture", ""))
    return ModelFile(
        path,
        size,
        digest,
        sum(number for number, _ in shapes),
        _number(found, f"{architecture}.context_length", 4096),
        _token_bytes(found, architecture),
        str(found.get("tokenizer.chat_template") or ""),
    )


def _token_bytes(found: Mapping[str, Any], architecture: str) -> int:
    """Memory that one token of context takes: a key and a value for each layer and head."""
    heads = _number(found, f"{architecture}.attention.head_count", 1)
    width = _number(found, f"{architecture}.embedding_length", 0) // max(1, heads)
    keys = _number(found, f"{architecture}.attention.key_length", width)
    values = _number(found, f"{architecture}.attention.value_length", width)
    groups = _number(found, f"{architecture}.attention.head_count_kv", heads)
    return _number(found, f"{architecture}.block_count", 0) * groups * (keys + values) * _BYTES_PER_NUMBER


def _number(found: Mapping[str, Any], key: str, otherwise: int) -> int:
    value = found.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else otherwise


def _unpack(file: BinaryIO, kinds: str) -> tuple[Any, ...]:
    form = f"<{kinds}"
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _text(file: BinaryIO) -> str:
    (length,) = _unpack(file, "Q")
    if length > _LONGEST_TEXT:
        raise ValueError(f"it has a text of {length:,} bytes")
    raw = file.read(length)
    if len(raw) < length:
        raise ValueError("its header is cut off")
    return raw.decode("utf-8", "replace")


def _entry(file: BinaryIO) -> tuple[str, Any]:
    key = _text(file)
    (kind,) = _unpack(file, "I")
    return key, _value(file, kind)


def _value(file: BinaryIO, kind: int) -> Any:
    """An entry's value; of a list only that it is one, since vocabularies are long and not needed."""
    if kind == _TEXT:
        return _text(file)
    if kind == _LIST:
        inner, length = _unpack(file, "IQ")
        if inner in _NUMBERS:
            file.seek(length * struct.calcsize(f"<{_NUMBERS[inner]}"), 1)
        elif length > _MOST_ENTRIES:
            raise ValueError(f"it has a list of {length:,} entries")
        else:
            for _ in range(length):
                _value(file, inner)
        return None
    if kind not in _NUMBERS:
        raise ValueError(f"it has an entry of the unknown type {kind}")
    return _unpack(file, _NUMBERS[kind])[0]


def _tensor(file: BinaryIO) -> tuple[int, int]:
    """How many numbers a tensor has, and where it begins in the data."""
    _text(file)
    (dimensions,) = _unpack(file, "I")
    if dimensions > 8:
        raise ValueError(f"it has a tensor of {dimensions} dimensions")
    shape = _unpack(file, "Q" * dimensions)
    _kind, offset = _unpack(file, "IQ")
    return math.prod(shape), offset
