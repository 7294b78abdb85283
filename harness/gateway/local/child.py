"""The child process: serves one GGUF file by llama.cpp, and ends with the process that started it.

It is run as a script and imports nothing of this package. Its standard input brings one line of JSON, and then stays
open as long as the parent lives: when it closes, or the parent is another process than at the start, the child exits.
So it ends after ``kill -9`` too. Its standard output gets one line of JSON, ``{"address": …}`` or ``{"error": …}``.
"""

from __future__ import annotations

import json
import os
import select
import sys
from typing import Any

LOOK_EVERY = 1.0
"""Seconds between two looks at who the parent is; a closed pipe is noticed at once."""


def main() -> None:
    parent = os.getppid()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # the library's own output must not mix with the answer
    wanted = json.loads(sys.stdin.readline())
    try:
        server = _serve(wanted)
    except Exception as error:
        answers.write(json.dumps({"error": str(error)}) + "\n")
        answers.flush()
        return
    answers.write(json.dumps({"address": server.listening_address}) + "\n")
    answers.flush()
    while os.getppid() == parent and not select.select([sys.stdin], [], [], LOOK_EVERY)[0]:
        pass  # nothing is ever sent: what can be read is the end of the pipe
    os._exit(0)


def _serve(wanted: dict[str, Any]) -> Any:
    """Start the server; it listens on a port of loopback that the kernel chooses."""
    sys.path.insert(0, wanted["packages"])
    import xllamacpp

    sys.path.remove(wanted["packages"])
    params = xllamacpp.CommonParams()
    params.model.path = wanted["path"]
    params.model_alias = {wanted["name"]}
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.api_keys = [wanted["key"]]
    params.n_parallel, params.n_ctx = wanted["slots"], wanted["slots"] * wanted["context"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = wanted["threads"]
    params.n_threads_http = wanted["slots"] + 2
    params.cache_ram_mib = wanted["cache_mib"]
    params.ui = params.endpoint_slots = False
    params.use_jinja = True
    if wanted["template"]:
        params.chat_template = wanted["template"]
    params.embedding, params.pooling_type = True, xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.n_batch = params.n_ubatch = wanted["embedded_tokens"]
    params.offline = True
    params.verbosity = 1
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
