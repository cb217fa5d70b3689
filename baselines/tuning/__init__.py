"""``jumpgym tune``: the search for hyperparameters."""
