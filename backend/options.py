"""Options inside their limits, one message for the command line and for HTTP. Standard library only."""

from __future__ import annotations

import math

from backend.errors import OptionError
from backend.protocol import LIMITS, ROUTES, JobRequest, Limit

MAX_NAME_CHARACTERS = 120


def check_options(request: JobRequest) -> None:
    """Hold every numeric option against protocol.LIMITS, the route against protocol.ROUTES, and the name
    against what a GLB node can carry.

    Raises:
        OptionError: says which option, what was given and what is allowed.
    """
    for option, limit in LIMITS.items():
        value = getattr(request, option)
        if value is not None:
            _check(option, value, limit)
    if request.route not in (None, *ROUTES):
        raise OptionError(f"route is {request.route!r}: it must be one of {', '.join(ROUTES)}, or left out.")
    name = request.name
    if not name.strip() or len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        raise OptionError(
            f"name is {name[:40]!r}: it must be 1 to {MAX_NAME_CHARACTERS} printable characters. "
            "Rename the image or give another name."
        )


def check_route(wanted: str | None, pack: str, served: str | None) -> None:
    """Hold the route that is `wanted`, if any, against the one that the pack serves, if any.

    Raises:
        OptionError: they differ, or the pack only helps others.
    """
    if served is None:
        raise OptionError(
            f"pack is {pack!r}, which makes no assets: it helps other packs once it is installed. "
            "Choose another: python -m backend packs list."
        )
    if wanted not in (None, served):
        raise OptionError(
            f"route is {wanted!r}, but the pack {pack!r} goes the route {served!r}. Leave the route out, or "
            "choose a pack for it: python -m backend packs list."
        )


def parse_option(option: str, text: str) -> float:
    """The number written in `text`, within the limits of `option`; an int where the limits ask for one.

    Raises:
        OptionError: not a number, or outside the limits.
    """
    limit = LIMITS[option]
    try:
        value = int(text) if limit.whole else float(text)
    except ValueError as error:
        raise OptionError(_message(option, repr(text), limit)) from error
    _check(option, value, limit)
    return value


def _check(option: str, value: float, limit: Limit) -> None:
    if not (math.isfinite(value) and limit.low <= value <= limit.high):
        raise OptionError(_message(option, str(value), limit))


def _message(option: str, given: str, limit: Limit) -> str:
    kind = "a whole number" if limit.whole else "a number"
    return f"{option} is {given}: it must be {kind} from {limit.low:g} to {limit.high:.10g}."
