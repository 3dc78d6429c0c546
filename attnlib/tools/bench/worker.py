"""One side of `bench models`, in a process of its own: it loads a checkpoint, then does what it is
told.

    python worker.py SIDE FOLDER THREADS              one JSON object per line in, one out
    python worker.py SIDE FOLDER THREADS '[3, 4]'     the attentions of these ids once, then the end

SIDE is a key of SIDES. A side other than ours runs in a Python that need not have attnlib: apart
from the side itself, this file imports only the standard library.
"""

import json
import re
import sys
import time


class Attnlib:
    """Our model of a folder: NumPy."""

    def __init__(self, folder, threads):
        from attnlib.models.pretrained import load

        self.reader = load(folder)

    def read(self, ids):
        """One text -> `Trace`; an encoder-decoder reads it on both sides."""
        return (
            self.reader.forward(ids, ids)
            if hasattr(self.reader, "translate")
            else self.reader.forward(ids)
        )

    run = read  # what is timed

    def attentions(self, ids):
        """(layers, h, n, n), one array for each kind of attention that the model has."""
        trace = self.read(ids)
        return [
            found
            for found in (trace.weights, trace.decoder_weights, trace.cross_weights)
            if found is not None
        ]

    def about(self):
        """The library and its version, and which of its kernels NumPy's matrix products run."""
        import numpy

        return f"numpy {numpy.__version__} ({', '.join(_kernels())})"


class AttnlibPage(Attnlib):
    """The same, and a page to touch."""

    def run(self, ids):
        """The page with all the weights: bytes."""
        from attnlib.show import AttentionView

        trace = self.read(ids)
        return AttentionView(trace.weights, trace.tokens).to_html()


class Transformers:
    """The model of a folder in PyTorch: eager attention, which hands its weights out."""

    def __init__(self, folder, threads):
        import torch
        import transformers

        torch.set_num_threads(threads)
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        self.torch, self.version = torch, transformers.__version__
        config = transformers.AutoConfig.from_pretrained(folder)
        make = getattr(transformers, (config.architectures or ["AutoModel"])[0])
        self.model = make.from_pretrained(
            folder, attn_implementation="eager", dtype=torch.float32
        ).eval()
        self.model.config.use_cache = False

    def read(self, ids):
        """One text -> what the model gives for it; an encoder-decoder reads it on both sides."""
        ids = self.torch.tensor([ids])
        options = {"decoder_input_ids": ids} if self.model.config.is_encoder_decoder else {}
        with self.torch.no_grad():
            return self.model(input_ids=ids, output_attentions=True, **options)

    run = read

    def attentions(self, ids):
        """(layers, h, n, n), one array for each kind of attention that the model has."""
        found, kinds = (
            self.read(ids),
            ("attentions", "encoder_attentions", "decoder_attentions", "cross_attentions"),
        )
        return [self.torch.cat(found[kind]).numpy() for kind in kinds if found.get(kind)]

    def about(self):
        """The library and its version."""
        return (
            f"transformers {self.version} on PyTorch {self.torch.__version__}"
            f" ({self.torch.backends.cpu.get_cpu_capability()})"
        )


class BertViz(Transformers):
    """The same, and BertViz's two pages of it."""

    def run(self, ids):
        """Both pages: two objects of IPython's HTML."""
        from bertviz import head_view, model_view

        found, tokens = self.read(ids).attentions, [str(i) for i in ids]
        return head_view(found, tokens, html_action="return"), model_view(
            found, tokens, html_action="return"
        )


SIDES = {
    "attnlib": Attnlib,
    "attnlib, a page": AttnlibPage,
    "transformers": Transformers,
    "transformers + BertViz": BertViz,
}


def timed(run, ids, times):
    """Seconds per call, on the clock and of CPU time."""
    clock, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        run(ids)
    return [(time.perf_counter() - clock) / times, (time.process_time() - cpu) / times]


def saved(arrays, path):
    """Write the arrays into one .npz file. Returns its path."""
    import numpy

    numpy.savez(path, *arrays)
    return str(path)


def peak_memory():
    """Bytes of memory that this process has had at most, or None where the system does not tell.

    Linux counts for getrusage also what the parent had when it started this process; its own file
    does not.
    """
    try:
        with open("/proc/self/status") as status:
            return 1024 * int(re.search(r"VmHWM:\s*(\d+) kB", status.read())[1])
    except OSError:
        pass
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:
        return None
    return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _kernels():
    """The kernels of the BLAS libraries in this process, where threadpoolctl is installed to ask
    them.
    """
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return ["BLAS"]
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return [f"{pool['internal_api']} {pool.get('architecture', '')}".strip() for pool in blas] or [
        "BLAS"
    ]


def main(name, folder, threads, ids=None):
    """Load, then answer each line until there is none."""
    side = SIDES[name](folder, int(threads))
    if ids is not None:
        side.run(json.loads(ids))
        print(json.dumps(peak_memory()))
        return
    print(json.dumps(side.about()), flush=True)
    for line in sys.stdin:
        told = json.loads(line)
        if "path" in told:
            answer = saved(side.attentions(told["ids"]), told["path"])
        else:
            answer = timed(side.run, told["ids"], told["times"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder: its files are not libraries
    main(*sys.argv[1:])
