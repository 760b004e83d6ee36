"""`python -m backend evaluate`: the table of metrics and the contact sheet."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from backend.device import pick_device, use_available_cores
from backend.errors import BozzettoError
from backend.evaluation.evaluate import Plan, evaluate
from backend.evaluation.report import make_report
from backend.evaluation.shape import POINTS
from backend.packs.loading import load_pack
from backend.pipeline.stage_data import Options


def main(argv: Sequence[str]) -> int:
    """Evaluate, print the report. 0 success, 2 nothing could be done, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    options = Options(
        pack=arguments.pack,
        faces=arguments.faces,
        texture_size=arguments.texture_size,
        steps=arguments.steps,
        guidance=arguments.guidance,
    )
    data = arguments.data / arguments.split if arguments.split else arguments.data
    seeds = tuple(arguments.seeds)
    plan = Plan(
        data,
        arguments.out,
        train=arguments.train,
        limit=arguments.limit,
        seeds=seeds,
        options=options,
        points=arguments.points,
        oracle=arguments.oracle,
    )
    try:
        use_available_cores()
        pack = None if arguments.baselines_only else load_pack(arguments.pack, pick_device())
        results = evaluate(plan, pack)
    except (BozzettoError, FileNotFoundError) as error:
        print(f"bozzetto: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bozzetto: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    system = "baselines" if pack is None else f"{pack.name} {pack.revision}, seeds {seeds}"
    report = make_report(results, f"{data.name}: {system}")
    report.write(arguments.out)
    print(report.markdown())
    print(f"Written to {arguments.out}: report.md, report.json, objects.csv and the contact sheets.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backend evaluate",
        description="Measure a pack on a folder of GLBs, beside baselines. Goes on where it was interrupted.",
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="a folder of GLBs, or of splits"
    )
    parser.add_argument("--split", metavar="NAME", help="folder below --data, such as deveval")
    parser.add_argument(
        "--train", type=Path, metavar="DIR", help="training GLBs, for the retrieval baselines"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/evaluation"), metavar="DIR")
    parser.add_argument("--pack", default="nano")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    parser.add_argument("--limit", type=int, metavar="N", help="only N objects, evenly spread")
    parser.add_argument("--faces", type=int, default=Options.faces, metavar="N")
    parser.add_argument("--texture-size", type=int, default=Options.texture_size, metavar="N")
    parser.add_argument("--steps", type=int, metavar="N", help="denoising steps (default: the pack's)")
    parser.add_argument("--guidance", type=float, metavar="X", help="guidance scale (default: the pack's)")
    parser.add_argument("--points", type=int, default=POINTS, metavar="N", help="sampled on each surface")
    parser.add_argument(
        "--oracle", action="store_true", help="also the nearest training asset by shape (slow)"
    )
    parser.add_argument("--baselines-only", action="store_true", help="no pack is run")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
