"""How busy GPUs are, from the driver's own library (NVML), where there is one."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pynvml

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GpuNow:
    """busy: share of the last moment it worked, None where that cannot be told (part
    of a GPU). used and total: bytes of its memory."""

    busy: float | None
    used: int
    total: int


class Driver:
    """Asks for GPUs by UUID. Without a driver there is nothing to tell: said once.

    Calls may hang with the driver: make them from a thread.
    """

    def __init__(self) -> None:
        self._open = False
        self._said = ""

    def look(self, uuids: Collection[str]) -> dict[str, GpuNow]:
        """By UUID; those the driver does not know are left out."""
        if not uuids or not self._opened():
            return {}
        found = {}
        for uuid in uuids:
            try:
                found[uuid] = _now(pynvml.nvmlDeviceGetHandleByUUID(uuid))
            except pynvml.NVMLError as error:
                if _broken(error):
                    # An update of the driver, or its end: begin anew next time.
                    self.close()
                    self._say(str(error))
                    return {}
                log.debug("GPU %s: %s", uuid, error)
        return found

    def close(self) -> None:
        if self._open:
            self._open = False
            try:
                pynvml.nvmlShutdown()
            except pynvml.NVMLError as error:
                log.debug("The NVIDIA driver did not let go: %s", error)

    def _opened(self) -> bool:
        if not self._open:
            try:
                pynvml.nvmlInit()
            except pynvml.NVMLError as error:
                self._say(str(error))
                return False
            self._open, self._said = True, ""
        return True

    def _say(self, why: str) -> None:
        if why != self._said:
            self._said = why
            log.warning("No numbers of GPUs: the NVIDIA driver says “%s”.", why)


def _now(handle: object) -> GpuNow:
    memory = _memory(handle)
    try:
        busy = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    except pynvml.NVMLError_NotSupported:
        busy = None
    return GpuNow(busy, int(memory.used), int(memory.total))


def _memory(handle: object) -> Any:
    """What programs use: newer drivers tell their own part of it apart."""
    try:
        return pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
    except pynvml.NVMLError_FunctionNotFound:
        return pynvml.nvmlDeviceGetMemoryInfo(handle)


def _broken(error: pynvml.NVMLError) -> bool:
    return error.value in {
        pynvml.NVML_ERROR_UNINITIALIZED,
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    }
