"""``vllm bench serve`` with requests that another client made: ``python -m benchmarks.generation.bench_serve FILE …``.

Its flags are those of ``vllm bench serve``, whose command line fails under the CPU build (it asks for the metadata of a
distribution called vllm). Only where its requests come from is replaced: a file with one chat request a line, sent with
the messages, the sampling and the schema that it holds. It streams every answer, which it cannot be told not to do.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from vllm.benchmarks import serve  # type: ignore[import-not-found,unused-ignore]  # in the environment of vLLM only
from vllm.benchmarks.datasets import SampleRequest  # type: ignore[import-not-found,unused-ignore]  # as above

_OWN = ("model", "messages", "stream", "max_tokens")
"""Keys that its client sets itself."""


def load(file: Path) -> list[object]:
    """Return the requests of a file."""
    requests: list[object] = []
    for number, line in enumerate(file.read_text("utf-8").split("\n")):
        if line:
            body = json.loads(line)
            requests.append(
                SampleRequest(
                    prompt="",
                    prompt_len=1,
                    expected_output_len=body["max_tokens"],
                    request_id=str(number),
                    chat_messages=body["messages"],
                    request_overrides={key: value for key, value in body.items() if key not in _OWN},
                )
            )
    return requests


def main() -> None:
    """Take the file off the command line and leave the rest to ``vllm bench serve``."""
    requests = load(Path(sys.argv[1]))

    def get_samples(_arguments: argparse.Namespace, _tokenizer: object) -> list[object]:
        return requests

    serve.get_samples = get_samples
    parser = argparse.ArgumentParser()
    serve.add_cli_args(parser)
    serve.main(parser.parse_args(sys.argv[2:]))


if __name__ == "__main__":
    main()
