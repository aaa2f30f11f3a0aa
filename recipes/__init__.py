"""The shipped recipes: `models/` and `regimes/`, which `bnkeras.recipe` composes, and `tuned/`."""
