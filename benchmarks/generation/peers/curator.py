"""Curator: one ``curator.LLM`` a stage, the second called on what the first returned."""

from __future__ import annotations

from bespokelabs import curator  # type: ignore[import-not-found]  # in the peer's environment only

from benchmarks.generation.job import MAX_TOKENS, TARGET_BEGINS, TEMPERATURE, Job, read_job, say_done

Row = dict[str, str]


class Source(curator.LLM):  # type: ignore[misc]  # its base is not known outside of the peer's environment
    """Writes the sources."""

    def prompt(self, row: Row) -> str:
        """Return the user message."""
        return row["facts"]

    def parse(self, row: Row, response: str) -> Row:
        """Return the row with its source."""
        return {"id": row["id"], "source": response}


class Target(curator.LLM):  # type: ignore[misc]  # as above
    """Writes the targets."""

    def prompt(self, row: Row) -> str:
        """Return the user message."""
        return f"{TARGET_BEGINS}{row['source']}\n"

    def parse(self, row: Row, response: str) -> Row:
        """Return the row with its target."""
        return {**row, "target": response}


def main() -> None:
    """Run both stages.

    ``backend="openai"`` with ``base_url`` is its documented client of a compatible server; ``litellm`` with
    ``hosted_vllm/`` is the other one. Its limits per minute are set so high that only the number under way binds.
    """
    job: Job = read_job()
    settings = {
        "backend": "openai",
        "backend_params": {
            "base_url": job.endpoint,
            "api_key": "none",
            "max_concurrent_requests": job.in_flight,
            "max_requests_per_minute": 10_000_000,
            "max_tokens_per_minute": 100_000_000_000,
        },
        "generation_params": {"max_tokens": MAX_TOKENS, "temperature": TEMPERATURE},
    }
    source = Source(model_name=job.model, system_prompt=job.source_system, **settings)
    target = Target(model_name=job.model, system_prompt=job.target_system, **settings)
    rows = [{"id": p.id, "facts": p.user} for p in job.prompts]
    pairs = target(source(rows, working_dir=str(job.out)).dataset, working_dir=str(job.out)).dataset
    pairs.to_json(job.out / "pairs.jsonl")
    say_done(sum(bool(text) for text in pairs["target"]), "bespokelabs-curator", "litellm")


if __name__ == "__main__":
    main()
