"""sdg_hub: a flow of prompt, chat and extraction blocks, each over the whole data set before the next."""

from __future__ import annotations

import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]  # in the peer's environment
import yaml
from sdg_hub import Flow  # type: ignore[import-not-found]  # in the peer's environment only

from benchmarks.generation.job import MAX_TOKENS, TARGET_BEGINS, TEMPERATURE, Job, read_job, say_done


def stage(name: str, column: str, system: str, user: str) -> tuple[list[dict[str, object]], list[dict[str, str]]]:
    """Return the blocks of one stage in the form of a flow.yaml, and its prompt template."""
    blocks: list[dict[str, object]] = [
        {
            "block_type": "PromptBuilderBlock",
            "block_config": {
                "block_name": f"{name}_prompt",
                "input_cols": [column],
                "output_cols": f"{name}_messages",
                "prompt_config_path": f"{name}.yaml",
            },
        },
        {
            "block_type": "LLMChatBlock",
            "block_config": {
                "block_name": f"{name}_chat",
                "input_cols": f"{name}_messages",
                "output_cols": f"{name}_response",
                "async_mode": True,
                "max_tokens": MAX_TOKENS,
                "temperature": TEMPERATURE,
            },
        },
        {
            "block_type": "LLMResponseExtractorBlock",
            "block_config": {
                "block_name": f"{name}_text",
                "input_cols": f"{name}_response",
                "field_prefix": f"{name}_",
                "extract_content": True,
            },
        },
    ]
    return blocks, [{"role": "system", "content": system}, {"role": "user", "content": user}]


def main() -> None:
    """Run the flow as its README does: ``Flow.from_yaml``, ``set_model_config``, ``generate(max_concurrency=…)``."""
    job: Job = read_job()
    blocks: list[dict[str, object]] = []
    for name, column, system, user in (
        ("source", "facts", job.source_system, "{{ facts }}"),
        ("target", "source_content", job.target_system, TARGET_BEGINS + "{{ source_content }}"),
    ):
        more, template = stage(name, column, "{% raw %}" + system + "{% endraw %}", user)
        blocks += more
        (job.out / f"{name}.yaml").write_text(yaml.safe_dump(template), "utf-8")
    flow_file = job.out / "flow.yaml"
    flow_file.write_text(yaml.safe_dump({"metadata": {"name": "pairs", "version": "1.0.0"}, "blocks": blocks}), "utf-8")
    flow = Flow.from_yaml(str(flow_file))
    flow.set_model_config(model=f"hosted_vllm/{job.model}", api_base=job.endpoint, api_key="none")
    rows = pd.DataFrame({"id": [p.id for p in job.prompts], "facts": [p.user for p in job.prompts]})
    result = flow.generate(rows, max_concurrency=job.in_flight)
    result[["id", "source_content", "target_content"]].to_json(job.out / "pairs.jsonl", orient="records", lines=True)
    say_done(int((result["target_content"].str.len() > 0).sum()), "sdg-hub", "litellm")


if __name__ == "__main__":
    main()
