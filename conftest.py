"""Tests train by PyTorch unless they ask for JAX, since compiling takes longer than their trainings."""

import os

os.environ.setdefault("JUMPGYM_ENGINE", "torch")
os.environ.setdefault("JUMPGYM_COMPILATION_CACHE", "off")
