"""Studies: grids of runs behind a figure of a paper, run, resumed and reported."""
