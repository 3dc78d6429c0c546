"""The order of the course: the one list of its parts and of the notebooks in them, by subject, each
with its anatomy.

To change the order, write it here and run `python .ci/notebooks.py reorder`, which gives every
notebook its number. Anatomy 2 is that of the second version: something to handle within the first
screen, and questions that are asked before they are answered. The notebooks of anatomy 1 become
fewer; the tests hold both.
"""

PARTS = {
    "A first class": {
        "start_here": 2,
        "similarity_and_softmax": 2,
        "queries_keys_values": 2,
        "masks": 2,
        "many_heads": 2,
        "why_scale": 2,
    },
    "The transformer": {
        "positional_encoding": 1,
        "relative_positions": 1,
        "transformer_block": 1,
        "cross_attention": 1,
    },
    "What it costs": {
        "local_attention": 1,
        "global_and_sparse": 1,
        "kv_cache": 1,
        "flash_attention": 1,
    },
    "Trained models, and what their pictures are worth": {
        "train_a_tiny_gpt": 1,
        "real_models": 2,
        "do_not_believe_the_heatmap": 1,
        "capstone": 1,
    },
}
ANATOMY = {subject: number for part in PARTS.values() for subject, number in part.items()}
ORDER = [subject for part in PARTS.values() for subject in part]
