"""How much memory training takes: arithmetic on a base's shape, no weights and no libraries needed."""

from __future__ import annotations

from dataclasses import dataclass

from distill.student import Architecture, Method, Quantisation, Shape, Student

CHECKPOINTED_FROM = 500_000_000
"""Parameters from which training on a GPU keeps one hidden state a layer and computes the rest again; smaller students
keep their activations: that takes little memory, and saves a third of the work."""
COMPLETION = 1024
"""Tokens of a completion, where nobody says."""
_BYTES: dict[Quantisation, float] = {"nf4": 4.127 / 8, "int8": 1.0}
"""A quantised weight: NF4 in blocks of 64 with quantised constants (Dettmers et al., "QLoRA", 2023, section 3);
LLM.int8() with one scale a row."""
_KEPT = {
    (False, 2): (18, 8, 6.25, 4),
    (False, 4): (16, 16, 8.25, 8),
    (True, 2): (14, 8, 6.25, 6),
    (True, 4): (16, 16, 16.25, 12),
}
"""Bytes a token that a layer keeps for each unit of hidden, intermediate, query and key width; phi3 (True) keeps the
outputs of its merged layers; by bytes a weight."""
_QUERY_NORMS: frozenset[Architecture] = frozenset({"qwen3", "gemma3", "gemma3_text"})
"""Architectures that normalise queries and keys."""
_FOUR_NORMS: frozenset[Architecture] = frozenset({"gemma3", "gemma3_text"})
"""Architectures with four norms a layer in place of two."""


@dataclass(frozen=True, slots=True)
class Need:
    """Memory that training takes with one example a pass, in bytes."""

    weights: float
    """Of the base as it lies in memory."""
    training: float
    """Trained weights' gradients, Adam's moments and float32 copies."""
    activations: float
    """Kept for the backward pass, the head's logits included."""

    @property
    def gigabytes(self) -> float:
        """The sum, in GB (1e9 bytes)."""
        return (self.weights + self.training + self.activations) / 1e9


def memory_need(
    student: Student,
    method: Method = "lora",
    *,
    quantisation: Quantisation = "nf4",
    length: int | None = None,
    cuda: bool = True,
    narrow: bool | None = None,
    rank: int | None = None,
) -> Need | None:
    """Return what training takes with one example of ``length`` tokens a pass; None where the shape is not known.

    Weights have 2 bytes where training is ``narrow`` (bfloat16, as it is on CUDA unless told otherwise) and 4 where it
    is not; a weight that is trained takes 16 in all: itself, its gradient and Adam's two moments in float32
    (Rajbhandari et al., "ZeRO", 2020, section 3.1, counts the same for mixed precision). Activations are those that
    PyTorch keeps, see ``activation_bytes``; the head adds 12 bytes for each completion token and vocabulary entry
    (logits in float32, their softmax and gradient). What the allocator and the CUDA context take besides, about 1 GB,
    is not in it.
    """
    shape = student.shape
    if shape is None:
        return None
    tokens = length or student.max_length
    width = 2 if (cuda if narrow is None else narrow) else 4
    adapter = 16.0 * shape.adapter_parameters * (rank or student.lora.rank) / student.lora.rank
    if method == "full":
        # What a text never reaches gets no gradient.
        weights, training = 4.0 * shape.parameters, 12.0 * (shape.parameters - shape.other_parameters)
    elif method == "qlora":
        linear = linear_parameters(shape)
        weights, training = linear * _BYTES[quantisation] + (shape.parameters - linear) * width, adapter
    else:
        weights, training = float(width * shape.parameters), adapter
    one_layer = activation_bytes(shape, tokens, width)
    if cuda and shape.parameters > CHECKPOINTED_FROM:
        kept = one_layer + shape.layers * 2 * shape.hidden * tokens
    else:
        kept = one_layer * shape.layers
    head = 12 * min(COMPLETION, tokens) * shape.vocabulary
    return Need(weights, training, float(kept + head))


def linear_parameters(shape: Shape) -> int:
    """Return the weights of the linear layers between embeddings and head, which is what quantisation reaches; experts
    are no linear layers."""
    attention = 2 * shape.hidden * shape.head_dim * (shape.heads + shape.kv_heads)
    feed_forward = 0 if shape.experts else 3 * shape.hidden * shape.intermediate
    return shape.layers * (attention + feed_forward)


def activation_bytes(shape: Shape, tokens: int, width: int) -> float:
    """Return the bytes that one layer keeps for the backward pass of LoRA, with ``width`` bytes a weight.

    The coefficients of hidden, intermediate, query and key width were measured with saved-tensor hooks (transformers
    5.19, PEFT 0.21, SDPA; docs/STUDENTS.md); a test measures them again. Norms that compute in float32 and the SwiGLU
    block make them twice the 34 bytes a hidden unit of Korthikanti et al., 2022, equation 2. gpt-oss has no
    SDPA: its attention scores are kept, 5 bytes each (their section 4.1), and its active experts count as
    feed-forward blocks.
    """
    hidden, query, key = shape.hidden, shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    feed_forward = shape.intermediate * max(1, shape.active_experts)
    of_hidden, of_feed_forward, of_query, of_key = _KEPT[shape.architecture == "phi3", width]
    unit = of_hidden * hidden + of_feed_forward * feed_forward + of_query * query + of_key * key
    if shape.architecture in _QUERY_NORMS:
        unit += 4.25 * (query + key)
    if shape.architecture in _FOUR_NORMS:
        unit += 8.25 * hidden
    scores = 5.0 * shape.heads * tokens**2 if shape.architecture == "gpt_oss" else 0.0
    return unit * tokens + scores
