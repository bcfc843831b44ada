"""Root mean square norms in one kernel each way, where the models' own code takes a chain of them.

Transformers writes an RMSNorm (Zhang and Sennrich, NeurIPS 2019) as casts, squares, means and products, each of which
reads and writes all of the activations. ``torch.nn.functional.rms_norm`` is one kernel forward and one back on CUDA
where input and weight share a half precision, computes in float32 and rounds once.
"""

from __future__ import annotations

import torch
from transformers.models.gpt_oss.modeling_gpt_oss import GptOssRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.mistral.modeling_mistral import MistralRMSNorm
from transformers.models.phi3.modeling_phi3 import Phi3RMSNorm
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from distill.fused import HALF

_PLAIN = (LlamaRMSNorm, MistralRMSNorm, Qwen2RMSNorm, Qwen3RMSNorm, Phi3RMSNorm, GptOssRMSNorm)
"""What multiplies by its weight; Gemma's multiplies by one more, and stays as it is."""


class _OneKernel(torch.nn.Module):
    """Goes before a norm of transformers in the order of its classes."""

    weight: torch.nn.Parameter
    variance_epsilon: float

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Return the norm of the last dimension times the weight, in the shape and the precision of what came in."""
        if not (hidden_states.dtype == self.weight.dtype in HALF):
            own: torch.Tensor = super().forward(hidden_states)
            return own
        # Autocast would make both float32 first, and what comes out too.
        with torch.autocast(hidden_states.device.type, enabled=False):
            return torch.nn.functional.rms_norm(
                hidden_states, self.weight.shape, self.weight, eps=self.variance_epsilon
            )


_FUSED: dict[type[torch.nn.Module], type[torch.nn.Module]] = {
    norm: type(f"Fused{norm.__name__}", (_OneKernel, norm), {}) for norm in _PLAIN
}


def fuse_norms(model: torch.nn.Module) -> int:
    """Make the norms of a model that are known here run in one kernel, in place; return how many there are."""
    norms = [module for module in model.modules() if type(module) in _FUSED]
    for norm in norms:
        norm.__class__ = _FUSED[type(norm)]
    return len(norms)
