"""The benchmarks lie at the root of the checkout, beside the package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
