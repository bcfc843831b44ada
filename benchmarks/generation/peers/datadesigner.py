"""DataDesigner: a seed data set and two LLM text columns, the second of which reads the first."""

from __future__ import annotations

import data_designer.config as dd  # type: ignore[import-not-found]  # in the peer's environment only
import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]  # as above
from data_designer.interface import DataDesigner  # type: ignore[import-not-found]  # as above

from benchmarks.generation.job import MAX_TOKENS, MODEL, TARGET_BEGINS, TEMPERATURE, Job, read_job, say_done


def main() -> None:
    """Create the data set with its asynchronous engine.

    ``max_parallel_requests`` holds for a model, so both columns share it.
    """
    job: Job = read_job()
    designer = DataDesigner(
        artifact_path=job.out / "artifacts",
        model_providers=[dd.ModelProvider(name="local", endpoint=job.endpoint, provider_type="openai", api_key="none")],
    )
    # The native renderer is the quicker of its two; the port would serve metrics.
    designer.set_run_config(dd.RunConfig(otel_metrics_port=None, jinja_rendering_engine="native"))
    builder = dd.DataDesignerConfigBuilder(
        model_configs=[
            dd.ModelConfig(
                alias="teacher",
                model=MODEL,
                provider="local",
                skip_health_check=True,
                inference_parameters=dd.ChatCompletionInferenceParams(
                    temperature=TEMPERATURE, max_tokens=MAX_TOKENS, max_parallel_requests=job.in_flight
                ),
            )
        ]
    )
    seeds = pd.DataFrame({"id": [p.id for p in job.prompts], "facts": [p.user for p in job.prompts]})
    builder.with_seed_dataset(dd.DataFrameSeedSource(df=seeds))
    for name, system, prompt in (
        ("source", job.source_system, "{{ facts }}"),
        ("target", job.target_system, TARGET_BEGINS + "{{ source }}\n"),
    ):
        builder.add_column(
            dd.LLMTextColumnConfig(
                name=name, model_alias="teacher", prompt=prompt, system_prompt="{% raw %}" + system + "{% endraw %}"
            )
        )
    rows = designer.create(builder, num_records=len(job.prompts), dataset_name="pairs").load_dataset()
    say_done(int((rows["target"].str.len() > 0).sum()), "data-designer")


if __name__ == "__main__":
    main()
