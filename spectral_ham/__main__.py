"""``python -m spectral_ham`` is the command ``spectral-ham``."""

import sys

from spectral_ham.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
