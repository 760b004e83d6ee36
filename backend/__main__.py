"""`python -m backend serve | generate | packs | train | evaluate`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from backend.cli import generate, packs, serve
from backend.cli.packs_folder import apply_packs_folder
from backend.errors import BozzettoError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command. 0 success, 1 something failed, 2 nothing could be done, 130 interrupted."""
    argv = list(sys.argv[1:] if argv is None else argv)
    # These two bring their own parsers, and torch, which the others must not wait for.
    if argv[:1] == ["train"]:
        from backend.training.__main__ import main as train

        return train(argv[1:])
    if argv[:1] == ["evaluate"]:
        from backend.evaluation.__main__ import main as evaluate

        return evaluate(argv[1:])
    arguments = make_parser().parse_args(argv)
    apply_packs_folder(arguments)
    try:
        return int(arguments.run(arguments))
    except BozzettoError as error:
        print(f"bozzetto: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend", description="Bozzetto's backend")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (serve, generate, packs):
        command.add_parser(commands)
    commands.add_parser("train", help="train the nano pack's networks", add_help=False)
    commands.add_parser("evaluate", help="print the table of metrics, make the contact sheet", add_help=False)
    return parser


if __name__ == "__main__":
    sys.exit(main())
