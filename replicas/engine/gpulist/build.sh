#!/bin/sh
# Builds gpulist for both machines that NVIDIA's container toolkit runs on, and notes
# what was built from what; a test compares the notes. Needs Debian's packages gcc and
# gcc-aarch64-linux-gnu (on an ARM machine: gcc and gcc-x86-64-linux-gnu).
set -eu
cd "$(dirname "$0")"
for machine in x86_64 aarch64; do
    "$machine-linux-gnu-gcc" -Os -Wall -Wextra -Werror \
        -static -nostdlib -ffreestanding -fno-pie -no-pie -fno-stack-protector \
        -fno-asynchronous-unwind-tables -fcf-protection=none \
        -fno-tree-loop-distribute-patterns -s -Wl,--build-id=none \
        -Wl,-z,noexecstack,-z,noseparate-code,-z,norelro \
        -o "gpulist-$machine" gpulist.c
done
sha256sum gpulist.c gpulist-* > SHA256SUMS
