import sys

from candil.cli import main

sys.exit(main())
