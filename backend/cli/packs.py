"""`python -m backend packs`: list, show, download, verify and remove packs of weights."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from backend.cli.pack_texts import describe_pack, licence_texts, pack_table
from backend.cli.packs_folder import add_packs_folder
from backend.errors import PackError
from backend.packs.catalogue import PublicPack, find_public_pack
from backend.packs.manifest import find_pack, installed_packs, verify
from backend.packs.sizes import size_text
from backend.settings import user_packs_folder


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("packs", help="list, show, download, verify and remove packs of weights")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    lister = actions.add_parser("list", help="what is installed and what can be downloaded")
    shower = actions.add_parser(
        "show", help="licences, files, sizes and needs of a pack, before any download"
    )
    downloader = actions.add_parser("download", help="install a public pack, once its licences are accepted")
    verifier = actions.add_parser("verify", help="hold sizes and hashes against the manifests")
    remover = actions.add_parser(
        "remove", help="delete a downloaded pack, or what an unfinished download left"
    )
    for action in (shower, downloader, remover):
        action.add_argument("name", metavar="NAME")
    verifier.add_argument("names", nargs="*", metavar="NAME", help="packs to verify (default: all)")
    downloader.add_argument(
        "--accept-licence", action="store_true", help="accept the licences that `show` prints, without asking"
    )
    downloader.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="FOLDER",
        help="take the files from a hub cache or a folder of downloaded files, not from the network",
    )
    remover.add_argument("--yes", action="store_true", help="delete without asking")
    for action in (lister, shower, downloader, verifier, remover):
        add_packs_folder(action)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    folder = user_packs_folder()
    match arguments.action:
        case "list":
            print(pack_table(folder))
            return 0
        case "show":
            print(describe_pack(arguments.name, folder))
            return 0
        case "download":
            return download(arguments.name, folder, arguments.source, accepted=arguments.accept_licence)
        case "remove":
            return remove_pack(arguments.name, folder, confirmed=arguments.yes)
    return verify_packs(arguments.names, folder)


def download(name: str, packs_folder: Path, folder: Path | None, *, accepted: bool) -> int:
    """Install a public pack from `folder`, or from the hub when None, after its licences are accepted.

    Raises:
        PackError: unknown, not accepted, or not installed for one of the many reasons that it names.
    """
    pack = find_public_pack(name)
    print(licence_texts(pack))
    if not accepted:
        _ask_acceptance(pack)
    # huggingface-hub takes a moment to load, which listing and showing need not wait for.
    from backend.packs.hub import HubSource
    from backend.packs.installing import install
    from backend.packs.local_folder import FolderSource

    source = HubSource() if folder is None else FolderSource(folder)
    manifest = install(pack, source, packs_folder, lambda text: print(text, file=sys.stderr, flush=True))
    print(f"{name} is installed in {packs_folder / name}, revision {manifest.revision}")
    return 0


def remove_pack(name: str, packs_folder: Path, *, confirmed: bool) -> int:
    """Delete a downloaded pack, once confirmed.

    Raises:
        PackError: nothing of that name, or nobody there to confirm.
    """
    from backend.packs.installing import remove

    if not confirmed:
        question = f"Delete {name} from {packs_folder}?"
        if not _asked(question, f"{question} Without a terminal, say so with --yes."):
            raise PackError(f"{name} was left as it is.")
    print(f"{name} is removed, {size_text(remove(name, packs_folder))} are free again")
    return 0


def verify_packs(names: list[str], packs_folder: Path) -> int:
    """Verify the named packs, or all; 1 when one is not what its manifest says, 0 otherwise."""
    failed = False
    for name in names or installed_packs(packs_folder):
        try:
            manifest = verify(find_pack(name, packs_folder))
            print(f"{name}: {len(manifest.files)} files as they should be, revision {manifest.revision}")
        except PackError as error:
            failed = True
            print(f"{name}: {error}", file=sys.stderr)
    return 1 if failed else 0


def _ask_acceptance(pack: PublicPack) -> None:
    accepted = _asked(
        "Do you accept these licences?",
        f"The licences of {pack.name} must be accepted before the download. Read them above, then add "
        "--accept-licence.",
    )
    if not accepted:
        raise PackError(f"The licences were not accepted, so nothing of {pack.name} was downloaded.")


def _asked(question: str, without_terminal: str) -> bool:
    """The user's yes; anything else is no.

    Raises:
        PackError: there is no terminal to ask on.
    """
    if not sys.stdin.isatty():
        raise PackError(without_terminal)
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
