"""``python -m fer_fast``."""

import sys

from fer_fast.cli.main import main

sys.exit(main())
