"""`python -m backend evaluate`: bars and goals, tables of metrics, contact sheets."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from backend.device import describe, pick_device, use_available_cores
from backend.errors import BozzettoError
from backend.evaluation.evaluate import FROM_GALLERY, Plan, evaluate
from backend.evaluation.images import evaluate_images
from backend.evaluation.measurements import gather
from backend.evaluation.references import list_objects
from backend.evaluation.report import Report
from backend.evaluation.shape import POINTS
from backend.evaluation.workers import fill_cache, has_objects
from backend.options import parse_option
from backend.packs.loading import Pack, load_pack
from backend.pipeline.stage_data import Options


def main(argv: Sequence[str]) -> int:
    """Evaluate, print the report. 0 success, 2 nothing could be done, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    plan = _plan(arguments)
    try:
        report = run(plan, None if arguments.baselines_only else arguments.pack, arguments.workers)
    except (BozzettoError, FileNotFoundError) as error:
        print(f"bozzetto: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bozzetto: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    report.write(plan.out)
    print(report.markdown())
    print(f"Written to {plan.out}: report.md, report.json, objects.csv, seeds.csv and the contact sheets.")
    return 0


def run(plan: Plan, pack_name: str | None, workers: int) -> Report:
    """Measure what the plan asks for, less what is on the disk already.

    Args:
        pack_name: None for the baselines alone.

    Raises:
        PackError: the pack cannot be used.
        FileNotFoundError: there is nothing to evaluate.
    """
    use_available_cores()
    objects = has_objects(plan)
    if pack_name is None and not objects:
        raise FileNotFoundError(f"{plan.data} holds images only, and baselines need the truth. Give GLBs.")
    if workers > 1:
        fill_cache(plan, pack_name, workers)
    pack = None if pack_name is None else load_pack(pack_name, pick_device())
    results = evaluate(plan, pack) if pack is None or objects else evaluate_images(plan, pack)
    if not results:
        raise FileNotFoundError(f"Nothing in {plan.data} could be read.")
    system = "baselines" if pack is None else f"{pack.name} {pack.revision}"
    measured = gather(results, plan.seeds, plan.variant_seeds)
    notes = _notes(plan, pack, objects, workers)
    if objects:
        files = {path.stem for path in list_objects(plan.data, plan.limit)}
        notes += [
            f"Left out, because it cannot be read: {name}." for name in sorted(files - {*measured.names})
        ]
    return Report(f"{plan.data.name}: {system}", measured, tuple(notes))


def _notes(plan: Plan, pack: Pack | None, objects: bool, workers: int) -> list[str]:
    notes = []
    if pack is not None:
        others = "" if workers == 1 else f", {workers} processes side by side"
        notes.append(
            f"On {describe(pack.device)}{others}. Seconds are the clock's, whatever else the machine did; "
            "asset/cpu_seconds are the processor's, of all threads."
        )
    if not objects:
        notes.append("Images have no true shape: only what needs none is measured.")
    elif plan.train is None:
        notes.append(f"Without --train there are no training assets, hence no {', '.join(FROM_GALLERY)}.")
    return notes


def _plan(arguments: argparse.Namespace) -> Plan:
    return Plan(
        arguments.data / arguments.split if arguments.split else arguments.data,
        arguments.out,
        train=arguments.train,
        limit=arguments.limit,
        seeds=tuple(arguments.seeds),
        variants=arguments.variants,
        options=Options(
            pack=arguments.pack,
            faces=arguments.faces,
            texture_size=arguments.texture_size,
            steps=arguments.steps,
            guidance=arguments.guidance,
        ),
        points=arguments.points,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backend evaluate",
        description="Measure a pack on a folder of GLBs, beside baselines, or on a folder of images, without "
        "truth. Goes on where it was interrupted.",
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="a folder of GLBs or of images, or of splits"
    )
    parser.add_argument("--split", metavar="NAME", help="folder below --data, such as deveval")
    parser.add_argument(
        "--train", type=Path, metavar="DIR", help="training GLBs, for the baselines that retrieve"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/evaluation"), metavar="DIR")
    parser.add_argument("--pack", default="nano")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(Plan.seeds), metavar="N")
    parser.add_argument(
        "--variants",
        type=lambda text: int(parse_option("variants", text)),
        default=1,
        metavar="N",
        help="also the gain of the best of N, from the first seed on",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only N objects, evenly spread")
    parser.add_argument("--faces", type=int, default=Options.faces, metavar="N")
    parser.add_argument("--texture-size", type=int, default=Options.texture_size, metavar="N")
    parser.add_argument("--steps", type=int, metavar="N", help="denoising steps (default: the pack's)")
    parser.add_argument("--guidance", type=float, metavar="X", help="guidance scale (default: the pack's)")
    parser.add_argument("--points", type=int, default=POINTS, metavar="N", help="sampled on each surface")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes side by side; above 1 the seconds measured are too many",
    )
    parser.add_argument("--baselines-only", action="store_true", help="no pack is run")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
