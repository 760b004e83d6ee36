"""`python -m backend packs`: list and verify the packs of weights; fetch the foreground's."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from backend.errors import PackError
from backend.packs.manifest import PACKS_FOLDER, find_pack, known_packs, read_manifest, verify


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("packs", help="list and verify the packs of weights")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="name, revision, size, licence")
    actions.add_parser("foreground", help="download the weights that cut out objects (U2-Net, 176 MB)")
    verifier = actions.add_parser("verify", help="hold sizes and hashes against the manifests")
    verifier.add_argument("names", nargs="*", metavar="NAME", help="packs to verify (default: all)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.action == "list":
        return list_packs(PACKS_FOLDER)
    if arguments.action == "foreground":
        return download_foreground()
    return verify_packs(arguments.names, PACKS_FOLDER)


def list_packs(packs_folder: Path) -> int:
    """Print one line per pack."""
    for name in known_packs(packs_folder):
        manifest = read_manifest(packs_folder / name)
        size = f"{manifest.size / 1e6:.1f} MB"
        print(f"{name}  {manifest.revision}  {size}  {manifest.licence}  {manifest.summary}")
    return 0


def download_foreground() -> int:
    """Fetch U2-Net's weights, once; every later cut-out uses them."""
    from backend.pipeline.segmentation import download_u2net

    print(download_u2net())
    return 0


def verify_packs(names: list[str], packs_folder: Path) -> int:
    """Verify the named packs, or all; 1 when one is not what its manifest says, 0 otherwise."""
    names = names or known_packs(packs_folder)
    if not names:
        raise PackError(f"There are no packs in {packs_folder}. Install Bozzetto again.")
    failed = False
    for name in names:
        try:
            manifest = verify(find_pack(name, packs_folder))
            print(f"{name}: {len(manifest.files)} files as they should be, revision {manifest.revision}")
        except PackError as error:
            failed = True
            print(f"{name}: {error}", file=sys.stderr)
    return 1 if failed else 0
