"""The order of the course: the one list of its parts and of the notebooks in them, by subject.

To change it, write the new order here and run `python .ci/notebooks.py reorder`, which gives every
notebook its number.
"""

PARTS = {
    "A first class": [
        "start_here",
        "similarity_and_softmax",
        "why_scale",
        "queries_keys_values",
        "masks",
        "many_heads",
    ],
    "The transformer": [
        "positional_encoding",
        "relative_positions",
        "transformer_block",
        "cross_attention",
    ],
    "What it costs": ["local_attention", "global_and_sparse", "kv_cache", "flash_attention"],
    "Trained models, and what their pictures are worth": [
        "train_a_tiny_gpt",
        "real_models",
        "do_not_believe_the_heatmap",
        "capstone",
    ],
}
ORDER = [subject for part in PARTS.values() for subject in part]
