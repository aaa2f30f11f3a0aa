"""Networks without the channels whose |γ| is small: found, taken out, and derived again."""
