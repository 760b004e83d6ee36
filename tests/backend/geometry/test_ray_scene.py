"""Ray queries: many meshes at a time, from many threads."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from backend.geometry.ray_scene import RayScene

ROOT = Path(__file__).resolve().parents[3]
MANY = 2000
SCENES = f"""
import numpy as np
from backend.geometry.ray_scene import RayScene
square = np.float32([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
faces = np.int32([[0, 1, 2], [0, 2, 3]])
above, down = np.float32([[0.5, 0.25, 1]]), np.float32([[0, 0, -1]])
scenes = []
for height in range({MANY}):
    scenes.append(RayScene(square - np.float32([0, 0, height]), faces))
    scenes[-1].cast(above, down)
print(sum(round(float(scene.cast(above, down).distance[0])) for scene in scenes))
"""


def test_thousands_of_meshes_at_a_time() -> None:
    """In a process of its own, since what this is about ends the process."""
    done = subprocess.run(
        [sys.executable, "-c", SCENES], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) == sum(range(1, MANY + 1))


def test_each_thread_meets_its_own_mesh() -> None:
    def error_of(seed: int) -> float:
        """Largest error of the distance to the triangles of a random height field, from 5 above each."""
        heights = np.random.default_rng(seed).random(400, np.float32)
        corners = np.stack([np.tile(np.arange(20), 20), np.repeat(np.arange(20), 20), heights], axis=1)
        corner = np.arange(380).reshape(19, 20)[:, :19].ravel()
        faces = np.stack([corner, corner + 1, corner + 21], axis=1).astype(np.int32)
        above = corners[faces].mean(axis=1).astype(np.float32) + np.float32([0, 0, 5])
        down = np.broadcast_to(np.float32([0, 0, -1]), above.shape)
        hits = RayScene(corners.astype(np.float32), faces).cast(above, down)
        return float(np.abs(hits.distance - 5).max())

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(error_of, range(40))) < 1e-5
