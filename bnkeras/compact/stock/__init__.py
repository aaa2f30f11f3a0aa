"""Networks in Keras' own layers, for files that load without bnkeras."""
