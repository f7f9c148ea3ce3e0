"""Options, presets, and the paper's experiments as values."""
