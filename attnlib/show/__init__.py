"""Pictures, sliders and source code: arrays and tokens in, something to look at out."""
