"""One run: train a method on an environment, measure it against the reference, keep the record."""
