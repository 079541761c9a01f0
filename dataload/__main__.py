"""`python -m dataload`: the command line where the script is not on the path."""

import sys

from dataload.commands import main

sys.exit(main())
