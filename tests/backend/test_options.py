from __future__ import annotations

import math

import pytest

from backend.errors import OptionError
from backend.options import check_options, check_route, parse_option
from backend.protocol import LIMITS, ROUTES, JobRequest


def test_the_defaults_are_within_the_limits() -> None:
    check_options(JobRequest(image=""))


@pytest.mark.parametrize("option", LIMITS)
def test_both_ends_are_included_and_nothing_beyond(option: str) -> None:
    limit = LIMITS[option]
    step = 1 if limit.whole else 1e-6
    for value in (limit.low, limit.high):
        check_options(JobRequest(image="", **{option: value}))
        assert parse_option(option, repr(value)) == value
    for value in (limit.low - step, limit.high + step):
        with pytest.raises(OptionError, match=f"{option} is "):
            check_options(JobRequest(image="", **{option: value}))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_must_be_finite(value: float) -> None:
    with pytest.raises(OptionError):
        check_options(JobRequest(image="", guidance=value))


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "a\nb", "x" * 121])
def test_names_must_be_printable_and_short(name: str) -> None:
    with pytest.raises(OptionError, match="printable"):
        check_options(JobRequest(image="", name=name))


def test_routes_have_names() -> None:
    for route in (None, *ROUTES):
        check_options(JobRequest(image="", route=route))
    with pytest.raises(OptionError, match="multiview, lrm"):
        check_options(JobRequest(image="", route="sideways"))


def test_a_route_must_be_the_packs_own() -> None:
    check_route(None, "nano", "multiview")
    check_route("lrm", "triposr", "lrm")
    with pytest.raises(OptionError, match="'nano' goes the route 'multiview'"):
        check_route("lrm", "nano", "multiview")
    with pytest.raises(OptionError, match="makes no assets"):
        check_route(None, "foreground", None)


def test_names_in_any_script_are_welcome() -> None:
    check_options(JobRequest(image="", name="Stühlchen 椅子"))
