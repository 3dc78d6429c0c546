"""attnlib: attention from scratch in NumPy, and pictures of it. The package behind the course in notebooks/."""

from attnlib.attention import SelfAttention, attention_scores, merge_heads, scaled_dot_product_attention, softmax, split_heads

__version__ = "0.1.0"
__all__ = ["SelfAttention", "attention_scores", "merge_heads", "scaled_dot_product_attention", "softmax", "split_heads"]
