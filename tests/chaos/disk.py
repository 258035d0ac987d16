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
        # It cannot be less than what is on it, and somebody may just have written more.
        for _ in range(99):
            if self._resize(f"{self._used()}k", check=False).returncode == 0:
                return
        self._resize(f"{self._used()}k")

    def free(self):
        self._resize(self._size)

    def _used(self):
        done = subprocess.run(
            ["df", "--output=used", "-k", self._folder], capture_output=True, text=True
        )
        return int(done.stdout.split()[-1])

    def _resize(self, size, *, check=True):
        remount = f"remount,size={size}"
        return _root("mount", "-o", remount, str(self._folder), check=check)


def _root(*words, check=True):
    return subprocess.run([*as_root(f"sudo {words[0]}"), *words], check=check)
