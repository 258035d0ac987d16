"""python3 -m launcher VERB: launcher/run.py has them all."""

import errno
import os
import sys

from launcher.run import main

FULL = """The disk is full ({name}).

What to do: free some space, or set ALIGHT_HOME to a folder on another disk, then run
it again."""
DENIED = """This user may not use {name}.

What to do: run it as the user it belongs to, or give it to this one:
sudo chown -R "$USER" {name}"""

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:], os.environ))
    except KeyboardInterrupt:
        print("\nStopped before it was ready. The next run goes on from here.")
        sys.exit(130)
    except OSError as error:
        texts = {errno.ENOSPC: FULL, errno.EACCES: DENIED, errno.EROFS: DENIED}
        if error.errno not in texts:
            raise
        name = error.filename or "while writing"
        sys.exit(texts[error.errno].format(name=name))
