"""What the SavedModel holds: weights that fill themselves, traced functions, a small graph."""
