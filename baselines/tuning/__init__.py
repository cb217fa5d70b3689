"""``jumpgym tune``: search for better hyperparameters of a method."""
