"""`python -m tests.backend.api.scripted_server FOLDER [serve's flags]`: real but for its runner."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from backend.api.server import serve
from backend.cli.serve import add_parser, read_token, settings_from
from backend.settings import PACKS_VARIABLE
from tests.backend.jobs.fakes import ScriptedRunner
from tests.backend.jobs.running import make_packs


def main() -> None:
    folder = Path(sys.argv[1])
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["serve", *sys.argv[2:]])
    token = read_token(arguments.token_file)
    os.environ[PACKS_VARIABLE] = str(make_packs(folder / "packs"))
    serve(settings_from(arguments), token, ScriptedRunner(folder))


if __name__ == "__main__":
    main()
