"""How many examples the property tests try: hypothesis' own number, or very many for `make soak`."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("soak", max_examples=100_000)
