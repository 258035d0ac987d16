"""NVIDIA's library asked for GPUs by UUID: the real binding, a driver made here."""

import ctypes

import pynvml
import pytest

from replicas.metrics.gpus import Driver, GpuNow

GB = 10**9


class Library:
    """libnvidia-ml.so.1 as the binding sees it: functions that fill in structures.

    gpus: (busy percent, or None where that is not told, bytes used, bytes in all) by
    UUID. error: what every question is answered with instead.
    """

    def __init__(self):
        self.gpus = {}
        self.error = pynvml.NVML_SUCCESS
        self.inits = 0
        self.open = 0

    def nvmlInitWithFlags(self, flags):
        self.inits += 1
        self.open += not self.error
        return self.error

    def nvmlShutdown(self):
        self.open -= 1
        return pynvml.NVML_SUCCESS

    def nvmlDeviceGetHandleByUUID(self, uuid, device):
        name = uuid.value.decode()
        if name not in self.gpus:
            return self.error or pynvml.NVML_ERROR_NOT_FOUND
        # A handle is an address; these count from 1.
        place = list(self.gpus).index(name) + 1
        ctypes.c_void_p.from_buffer(device._obj).value = place
        return self.error

    def nvmlDeviceGetMemoryInfo_v2(self, handle, memory):
        _, used, total = self._of(handle)
        memory._obj.used, memory._obj.total = used, total
        memory._obj.reserved = GB
        return self.error

    def nvmlDeviceGetUtilizationRates(self, handle, rates):
        busy, _, _ = self._of(handle)
        if busy is None:
            return pynvml.NVML_ERROR_NOT_SUPPORTED
        rates._obj.gpu, rates._obj.memory = busy, 99
        return self.error

    def _of(self, handle):
        place = ctypes.c_void_p.from_buffer(handle).value
        return list(self.gpus.values())[place - 1]


class OldLibrary(Library):
    """From before memory that the driver keeps for itself was told apart."""

    nvmlDeviceGetMemoryInfo_v2 = None

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if found is None:
            raise AttributeError(name)
        return found

    def nvmlDeviceGetMemoryInfo(self, handle, memory):
        _, used, total = self._of(handle)
        memory._obj.used, memory._obj.total = used, total
        return self.error


def install(monkeypatch, made):
    monkeypatch.setattr(pynvml, "nvmlLib", made)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    return made


@pytest.fixture
def library(monkeypatch):
    made = install(monkeypatch, Library())
    made.gpus["GPU-a"] = (75, 10 * GB, 24 * GB)
    made.gpus["GPU-b"] = (0, 0, 80 * GB)
    return made


@pytest.fixture
def driver():
    made = Driver()
    yield made
    made.close()


def test_gpus_by_uuid(library, driver):
    assert driver.look(["GPU-b", "GPU-a"]) == {
        "GPU-a": GpuNow(0.75, 10 * GB, 24 * GB),
        "GPU-b": GpuNow(0.0, 0, 80 * GB),
    }


def test_one_of_another_machine_is_left_out(library, driver):
    assert list(driver.look(["GPU-elsewhere", "GPU-a"])) == ["GPU-a"]


def test_part_of_a_gpu_has_memory_only(library, driver):
    library.gpus["MIG-a"] = (None, GB, 10 * GB)

    assert driver.look(["MIG-a"]) == {"MIG-a": GpuNow(None, GB, 10 * GB)}


def test_an_older_driver(monkeypatch, driver):
    old = install(monkeypatch, OldLibrary())
    old.gpus["GPU-a"] = (50, GB, 24 * GB)

    assert driver.look(["GPU-a"]) == {"GPU-a": GpuNow(0.5, GB, 24 * GB)}


def test_the_library_is_opened_once_and_closed(library, driver):
    driver.look(["GPU-a"])
    driver.look(["GPU-a"])
    assert library.inits == 1

    driver.close()
    driver.close()

    assert library.open == 0


def test_without_gpus_the_library_is_left_alone(library, driver):
    assert driver.look([]) == {}
    assert library.inits == 0


def test_a_machine_without_a_driver_says_so_once(driver, monkeypatch, caplog):
    install(monkeypatch, None)
    missing = ctypes.CDLL

    def load(name, *rest, **more):
        if "nvidia" in name:
            raise OSError(name)
        return missing(name, *rest, **more)

    monkeypatch.setattr(pynvml, "CDLL", load)

    assert driver.look(["GPU-a"]) == {}
    assert driver.look(["GPU-a"]) == {}

    (record,) = caplog.records
    assert "NVML Shared Library Not Found" in record.message


def test_an_updated_driver_is_found_again(library, driver, caplog):
    driver.look(["GPU-a"])
    library.error = pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
    assert driver.look(["GPU-a"]) == {}
    assert driver.look(["GPU-a"]) == {}
    assert len(caplog.records) == 1

    library.error = pynvml.NVML_SUCCESS

    assert driver.look(["GPU-a"])["GPU-a"].busy == 0.75


def test_a_gpu_that_is_lost_does_not_hide_the_others(library, driver, monkeypatch):
    plain = library.nvmlDeviceGetHandleByUUID

    def handle(uuid, device):
        lost = uuid.value == b"GPU-a"
        return pynvml.NVML_ERROR_GPU_IS_LOST if lost else plain(uuid, device)

    monkeypatch.setattr(library, "nvmlDeviceGetHandleByUUID", handle)

    assert list(driver.look(["GPU-a", "GPU-b"])) == ["GPU-b"]
