"""Bytes a second that an all-reduce moves from card to card (NCCL's bus bandwidth), for the planner's table.

python benchmarks/gpu/exchange.py        on a machine with two or more cards; ten seconds
"""

from __future__ import annotations

import os
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as processes


def measure(rank: int, size: int) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29511")
    torch.cuda.set_device(rank)
    dist.init_process_group("nccl", rank=rank, world_size=size)
    free, total = torch.cuda.mem_get_info()
    before = total - free - torch.cuda.memory_reserved()
    for megabytes in (1, 16, 64, 256, 1024):
        data = torch.ones(megabytes << 18, device="cuda")
        for _ in range(3):
            dist.all_reduce(data)
        torch.cuda.synchronize()
        began = time.monotonic()
        for _ in range(10):
            dist.all_reduce(data)
        torch.cuda.synchronize()
        seconds = (time.monotonic() - began) / 10
        moved = 2 * (size - 1) / size * (megabytes << 20)
        if rank == 0:
            print(
                f"{megabytes:5} MiB: {seconds * 1e3:8.3f} ms, {moved / seconds / 1e9:7.1f} GB/s", flush=True
            )
    free, total = torch.cuda.mem_get_info()
    held = total - free - torch.cuda.memory_reserved() - before
    if rank == 0:
        print(f"held outside the allocator since: {held / 2**20:.0f} MiB (before: {before / 2**20:.0f} MiB)")
    dist.destroy_process_group()


if __name__ == "__main__":
    number = torch.cuda.device_count()
    processes.spawn(measure, args=(number,), nprocs=number)
