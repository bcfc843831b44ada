"""distilabel: a pipeline of two TextGeneration tasks, each in a process of its own."""

from __future__ import annotations

from distilabel.models.llms import OpenAILLM  # type: ignore[import-not-found]  # in the peer's environment only
from distilabel.pipeline import Pipeline  # type: ignore[import-not-found]  # as above
from distilabel.steps import LoadDataFromDicts  # type: ignore[import-not-found]  # as above
from distilabel.steps.tasks import TextGeneration  # type: ignore[import-not-found]  # as above

from benchmarks.generation.job import MAX_TOKENS, TARGET_BEGINS, TEMPERATURE, Job, read_job, say_done


def main() -> None:
    """Run the pipeline.

    ``OpenAILLM(base_url=…)`` is its documented client of a vLLM server. A task sends the rows of one input batch at
    once and waits for all of them, so the batch size is its only limit on requests under way (``AsyncLLM._agenerate``).
    Batches of the whole limit for each task were quicker than halves for two overlapping tasks and than two replicas
    with quarters (55 to 37 and 19 pairs/s): it may so have up to twice the limit under way, of which the server serves
    no more than the limit at once.
    """
    job: Job = read_job()

    def llm() -> object:
        return OpenAILLM(
            model=job.model,
            base_url=job.endpoint,
            api_key="none",
            generation_kwargs={"max_new_tokens": MAX_TOKENS, "temperature": TEMPERATURE},
        )

    with Pipeline(name="pairs", cache_dir=job.out / "cache") as pipeline:
        load = LoadDataFromDicts(data=[{"id": p.id, "facts": p.user} for p in job.prompts], batch_size=job.in_flight)
        source = TextGeneration(
            name="source",
            llm=llm(),
            system_prompt=job.source_system,
            template="{{ facts }}",
            columns=["facts"],
            input_batch_size=job.in_flight,
            output_mappings={"generation": "source_text"},
        )
        target = TextGeneration(
            name="target",
            llm=llm(),
            system_prompt=job.target_system,
            template=TARGET_BEGINS + "{{ source_text }}\n",
            columns=["source_text"],
            input_batch_size=job.in_flight,
            output_mappings={"generation": "target_text"},
        )
        load >> source >> target
    rows = pipeline.run(use_cache=False)["default"]["train"]
    rows.to_json(job.out / "pairs.jsonl")
    say_done(sum(bool(text) for text in rows["target_text"]), "distilabel", "openai")


if __name__ == "__main__":
    main()
