"""`python -m backend serve`: the HTTP server with its worker."""

from __future__ import annotations

import argparse
import logging
import os
import stat
import sys
from pathlib import Path

from backend.cli.packs_folder import add_packs_folder
from backend.errors import AuthError, OptionError
from backend.protocol import TOKEN_VARIABLE
from backend.settings import ServerSettings

MIN_TOKEN_CHARACTERS = 16
_NEW_TOKEN = (
    'Make one with: (umask 077; python3 -c "import secrets; print(secrets.token_urlsafe(32))" > token.txt)'
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("serve", help="serve jobs over HTTP on loopback")
    parser.add_argument("--host", default=ServerSettings.host, help="loopback address (default %(default)s)")
    parser.add_argument(
        "--port", type=int, default=ServerSettings.port, help="0 takes any free port (default)"
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        help=f"file with the bearer token, readable by you only; without it ${TOKEN_VARIABLE} is taken",
    )
    parser.add_argument(
        "--data-dir", type=Path, help="where jobs keep their files (default: a temporary folder)"
    )
    add_packs_folder(parser)
    parser.add_argument("--parent-pid", type=int, help="end when this process has ended")
    parser.add_argument(
        "--queue-limit", type=int, default=ServerSettings.queue_limit, help="waiting jobs, at most"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    # Imported here: the other sub-commands need no web server.
    from backend.api.server import serve
    from backend.jobs.pipeline_runner import PipelineRunner

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="server: %(message)s")
    serve(settings_from(arguments), read_token(arguments.token_file), PipelineRunner())
    return 0


def settings_from(arguments: argparse.Namespace) -> ServerSettings:
    """Raises OptionError for a queue that could hold nothing."""
    if arguments.queue_limit < 1:
        raise OptionError(f"queue-limit is {arguments.queue_limit}: it must be a whole number from 1.")
    return ServerSettings(
        host=arguments.host,
        port=arguments.port,
        data_dir=arguments.data_dir,
        parent_pid=arguments.parent_pid,
        queue_limit=arguments.queue_limit,
    )


def read_token(token_file: Path | None) -> str:
    """The token from its file, or from the environment, which loses it so that no child inherits it.

    Raises:
        AuthError: no token, one that others can read, or one too short to be safe.
    """
    from_environment = os.environ.pop(TOKEN_VARIABLE, None)
    if token_file is not None:
        token = _read_private(token_file)
    elif from_environment is not None:
        token = from_environment.strip()
    else:
        raise AuthError(f"The server needs a token: name its file with --token-file. {_NEW_TOKEN}")
    if len(token) < MIN_TOKEN_CHARACTERS or not token.isascii() or not token.isprintable():
        raise AuthError(
            f"The token must be at least {MIN_TOKEN_CHARACTERS} printable ASCII characters. {_NEW_TOKEN}"
        )
    return token


def _read_private(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise AuthError(f"Others can read the token file {path}. Run: chmod 600 '{path}'")
            return stream.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AuthError(f"The token file {path} cannot be read ({error}). {_NEW_TOKEN}") from error
