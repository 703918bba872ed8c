"""Where things are."""

from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
SHARED = CHECKOUT.parent / "shared"  # corpora, in the place where developers keep them
