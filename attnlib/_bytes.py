"""Bytes as tokenizers and pictures spell them."""

import re

# The signs that byte-level tokenizers, from GPT-2's on, write for bytes: what can be printed stands
# for itself, the others for 256, 257, …
PRINTED = [*range(33, 127), *range(161, 173), *range(174, 256)]
BYTES = {chr(byte): byte for byte in PRINTED}
BYTES |= {chr(256 + i): byte for i, byte in enumerate(sorted({*range(256)} - {*PRINTED}))}


def readable(part):
    """b" cat" -> " cat"; a byte that is no whole sign, as b"\xc3", half of an é, -> "<C3>"."""
    text = part.decode("utf-8", "surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda byte: f"<{ord(byte[0]) - 0xDC00:02X}>", text)
