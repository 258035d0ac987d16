"""A disk that can be made as small as what is on it."""

import subprocess
from contextlib import contextmanager

from launcher.install import as_root


class Disk:
    """size: as tmpfs has it, such as "1g". It belongs to whom the folder belongs to."""

    def __init__(self, folder, size):
        self._folder, self._size = folder, size

    @contextmanager
    def mounted(self):
        owner = self._folder.stat()
        whose = f"mode=700,uid={owner.st_uid},gid={owner.st_gid}"
        given = f"size={self._size},{whose}"
        _root("mount", "-t", "tmpfs", "-o", given, "tmpfs", str(self._folder))
        try:
            yield self
        finally:
            _root("umount", "-l", str(self._folder))

    def fill(self):
        done = subprocess.run(
            ["df", "--output=used", "-k", self._folder], capture_output=True, text=True
        )
        self._resize(f"{int(done.stdout.split()[-1])}k")

    def free(self):
        self._resize(self._size)

    def _resize(self, size):
        _root("mount", "-o", f"remount,size={size}", str(self._folder))


def _root(*words):
    subprocess.run([*as_root(f"sudo {words[0]}"), *words], check=True)
