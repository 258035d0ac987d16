"""python3 -m launcher up | down | status | images | test | bench"""

import errno
import os
import sys

from launcher.run import main

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:], os.environ))
    except KeyboardInterrupt:
        print("\nStopped before it was ready. The next run goes on from here.")
        sys.exit(130)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit(
            f"The disk is full ({error.filename or 'while writing'}).\n\n"
            "What to do: free some space, or set ALIGHT_HOME to a folder on "
            "another disk, then run it again."
        )
