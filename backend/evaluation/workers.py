"""Several objects at once, one process each. For machines with cores and memory to spare: each process holds
the pack and the gallery, and what they measure of seconds and memory is not what one alone would need."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import torch

from backend.device import pick_device, use_available_cores
from backend.evaluation.evaluate import Plan, available_baselines, evaluate
from backend.evaluation.images import evaluate_images, list_images
from backend.packs.loading import load_pack


def fill_cache(plan: Plan, pack: str | None, workers: int) -> None:
    """Measure everything that the plan asks for; `evaluate` of the same plan then finds it on the disk.

    Args:
        pack: its name; None for the baselines alone.
    """
    if has_objects(plan):
        available_baselines(plan)  # once: the processes then read its cache
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        shares = [pool.submit(_measure_share, plan, pack, index, workers) for index in range(workers)]
        for share in shares:
            share.result()


def has_objects(plan: Plan) -> bool:
    """Whether the folder holds GLBs rather than images.

    Raises:
        FileNotFoundError: it holds neither.
    """
    if any(plan.data.glob("*.glb")):
        return True
    if list_images(plan.data):
        return False
    raise FileNotFoundError(
        f"{plan.data} holds neither .glb files nor images. Give a folder of either with --data DIR."
    )


def _measure_share(plan: Plan, pack_name: str | None, index: int, workers: int) -> None:
    torch.set_num_threads(max(1, use_available_cores() // workers))
    pack = None if pack_name is None else load_pack(pack_name, pick_device())
    if has_objects(plan):
        evaluate(plan, pack, (index, workers))
    elif pack is not None:
        evaluate_images(plan, pack, (index, workers))
