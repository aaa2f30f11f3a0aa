"""Print how loading an export is refused, with bounds on memory and time.

Arguments: the export, and the bytes of memory.
"""

import resource
import signal
import sys

import bnkeras
from bnkeras.errors import ExportError

load = bnkeras.load_compact
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
signal.alarm(120)
try:
    load(sys.argv[1])
except ExportError as error:
    print(error)
