"""A block that sees a window only: a part of the decoders and encoders that have one."""

from attnlib import _guard, masks
from attnlib.heads import n_held


class Windowed:
    """What a block may see: tokens less than `window` steps away, itself included.

    `window` is None at first: all. Mistral 7B (Jiang et al. 2023), section 2; in an encoder, on
    both sides: ModernBERT (Warner et al. 2024), section 2.1.2.
    """

    window = None

    def steps(self, x, *, mask=None, cache=None, **options):
        """The block at work, as in `EncoderBlock`."""
        if self.window is not None:
            near = masks.local(x.shape[-2], n_held(cache) + x.shape[-2], window=self.window)
            shape = (*x.shape[:-2], self.attention.n_heads, *near.shape)
            mask = near if mask is None else near & _guard.weights_mask(mask, shape)
        return super().steps(x, mask=mask, cache=cache, **options)
