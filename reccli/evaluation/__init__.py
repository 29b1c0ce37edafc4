"""From lists and held-out interactions to numbers: pure functions over arrays and frames, without torch."""
