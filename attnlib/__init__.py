"""attnlib: attention from scratch in NumPy, and pictures of it. The package behind the course in
notebooks/.
"""

from attnlib.attention import (
    attention_scores,
    merge_heads,
    scaled_dot_product_attention,
    softmax,
    split_heads,
)
from attnlib.efficient import flash_attention, local_attention
from attnlib.heads import CrossAttention, KVCache, SelfAttention

__version__ = "0.1.0"
__all__ = [
    "CrossAttention",
    "KVCache",
    "SelfAttention",
    "attention_scores",
    "flash_attention",
    "local_attention",
    "merge_heads",
    "scaled_dot_product_attention",
    "softmax",
    "split_heads",
]
