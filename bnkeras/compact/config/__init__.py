"""Models that `bnkeras.build` did not make: their configuration, checked and built in bounds."""
