"""The gradient laboratory: gradient estimators measured where the exact gradient is known, or nearly so."""
