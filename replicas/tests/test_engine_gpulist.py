"""The program that lists GPUs, and what its words mean."""

from __future__ import annotations

import hashlib
import io
import platform
import subprocess
import tarfile
from pathlib import Path

import pytest

from replicas.engine import gpus, helpers
from replicas.engine.base import FoundGpu
from replicas.tests.engine_fixtures.nvidia import Driver

HOME = Path(gpus.__file__).parent / "gpulist"
MACHINES = {"x86_64": 62, "aarch64": 183}  # as ELF files name them
NATIVE = HOME / f"gpulist-{platform.machine()}"


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([NATIVE, folder], capture_output=True, text=True)


# --- The program --------------------------------------------------------------
def test_the_programs_are_those_of_the_source():
    for line in (HOME / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        found = hashlib.sha256((HOME / name).read_bytes()).hexdigest()
        assert found == digest, f"{name} changed: run replicas/engine/gpulist/build.sh"


@pytest.mark.parametrize("machine", MACHINES)
def test_a_program_is_small_and_needs_nothing(machine):
    program = (HOME / f"gpulist-{machine}").read_bytes()
    assert len(program) < 10_000
    assert program[:5] == b"\x7fELF\x02"
    assert int.from_bytes(program[18:20], "little") == MACHINES[machine]
    assert b"ld-linux" not in program


def test_it_writes_what_the_driver_says(tmp_path):
    driver = Driver(tmp_path / "driver")
    driver.has(GPU_aa="NVIDIA A10", GPU_bb="NVIDIA A10")
    done = run(driver.home / "gpus")
    assert (done.returncode, done.stderr) == (0, "")
    assert [gpu.uuid for gpu in gpus.parse(done.stdout)] == ["GPU-aa", "GPU-bb"]


def test_it_reads_more_gpus_and_words_than_fit_at_once(tmp_path):
    for number in range(200):
        place = tmp_path / f"0000:{number:02x}:00.0-{'x' * 40}"
        place.mkdir()
        text = f"Model: \t NVIDIA A10\nNote: {'y' * 5000}\nGPU UUID: GPU-{number:03}\n"
        (place / "information").write_text(text)
    found = gpus.parse(run(tmp_path).stdout)
    assert [gpu.uuid for gpu in found] == [f"GPU-{n:03}" for n in range(200)]


def test_it_passes_over_what_is_no_gpu(tmp_path):
    (tmp_path / "note").write_text("hello")
    (tmp_path / "empty").mkdir()
    done = run(tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_says_that_there_is_no_driver(tmp_path):
    assert run(tmp_path / "nothing").returncode == 2


def test_the_image_has_the_programs_and_a_place_for_the_loader():
    with tarfile.open(fileobj=io.BytesIO(helpers.pack())) as tar:
        names = tar.getnames()
        modes = {name: tar.getmember(name).mode for name in names}
    assert {"etc/ld.so.conf", "proc", "volume"} <= set(names)
    assert all(modes[f"gpulist-{machine}"] == 0o755 for machine in MACHINES)


def test_machines_without_a_program_get_no_helper():
    assert helpers.lists_gpus("here", "riscv64") is None


# --- The words ----------------------------------------------------------------
def test_gpus_that_the_driver_leaves_out_are_none():
    text = "Model: NVIDIA A10\nGPU UUID: GPU-1\nGPU Excluded:\t Yes\n"
    assert gpus.parse(text) == []
    assert gpus.parse(text.replace("Yes", "No")) == [FoundGpu("GPU-1", "A10", 24)]


def test_nothing_is_no_gpu():
    assert gpus.parse("") == []


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("A10", 24),
        ("A10G", 24),
        ("A100-PCIE-40GB", 40),
        ("A100-SXM4-80GB", 80),
        ("A100 80GB PCIe", 80),
        ("V100-SXM2-16GB", 16),
        ("T4", 16),
        ("L4", 24),
        ("L40S", 48),
        ("H100 80GB HBM3", 80),
        ("H100 PCIe", 80),
        ("H100 NVL", 94),
        ("H200", 141),
        ("GH200 480GB", 96),
        ("GH200 144G HBM3e", 144),
        ("B200", 180),
        ("RTX A6000", 48),
        ("RTX 6000 Ada Generation", 48),
        ("GeForce RTX 3090", 24),
        ("GeForce RTX 4090", 24),
        ("GeForce RTX 5090", 32),
        ("GeForce RTX 3060", 0),
        ("H100 of the future", 0),
        ("", 0),
    ],
)
def test_memory_by_the_name_of_the_model(model, size):
    assert gpus.memory_gb(model) == size
