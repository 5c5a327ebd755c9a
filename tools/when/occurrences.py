"""When a recurrence rule has its occurrences, in a time zone.

dateutil follows the rule, on wall-clock time without a zone: a task at 09:00 stays at 09:00 when
the clocks change. It is only given rules that were checked, and never more than a few hundred years
of calendar: after the 30th of February it would look until the year 9999.
"""

from collections.abc import Iterator
from datetime import MAXYEAR, UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil import rrule  # type: ignore[import-untyped]

from .clock_times import existing
from .rrules import Rule

#: The Gregorian calendar repeats, weekdays and all, after as many years.
_CYCLE = 400
#: Years after a moment in which dateutil at least looks for the next occurrence.
_HORIZON = 100
#: More than clocks were ever put forward by: Pacific/Apia left out a day.
_LONGEST_GAP = timedelta(days=2)


def next_moment(rule: Rule, *, start: datetime, after: datetime, zone: ZoneInfo) -> datetime | None:
    """The first occurrence later than `after`, as a time in `zone`; None when there are no more.

    `start` is the first occurrence: its time of day, and what else the rule doesn't say, are those
    of all. What lies more than a century ahead counts as never.
    """
    found: datetime | None = None
    # Of the times that the clocks skip the first can end up later than the last: 02:30 is moved
    # to 03:30, 03:10 isn't moved.
    for wall in _walls(rule, start, after, zone):
        if found is not None and wall >= found.replace(tzinfo=None):
            break
        moment = existing(wall.replace(tzinfo=zone))
        instant = moment.astimezone(UTC)
        if instant <= after or (rule.until is not None and instant > rule.until):
            continue
        if found is None or instant < found.astimezone(UTC):
            found = moment
    return found


def _walls(rule: Rule, start: datetime, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The times on the clocks of `zone`, from a little before `after` on, without their zone."""
    first = start.astimezone(zone).replace(tzinfo=None, fold=0)
    earliest = after.astimezone(zone).replace(tzinfo=None) - _LONGEST_GAP
    if rule.count is None and rule.frequency in ("DAILY", "WEEKLY"):
        step = timedelta(days=rule.interval * (7 if rule.frequency == "WEEKLY" else 1))
        first += max(0, (earliest - first) // step - 1) * step
    # The same days some cycles of the calendar later are closer to the last year that there is.
    latest = max(first.year, earliest.year)
    shift = (MAXYEAR - _HORIZON - latest) // _CYCLE * _CYCLE
    until = None
    if rule.until is not None:
        until = rule.until.astimezone(zone).replace(tzinfo=None) + _LONGEST_GAP
        if until.year + shift > MAXYEAR:
            until = None
    found = rrule.rrule(
        getattr(rrule, rule.frequency),
        dtstart=_shifted(first, shift),
        interval=rule.interval,
        wkst=rule.week_start,
        count=rule.count,
        until=until and _shifted(until, shift),
        bysetpos=rule.positions or None,
        bymonth=rule.months or None,
        bymonthday=rule.month_days or None,
        byweekday=[rrule.weekday(day.weekday, day.nth or None) for day in rule.days] or None,
        byhour=rule.hours or None,
        byminute=rule.minutes or None,
    )
    for wall in found.xafter(_shifted(earliest, shift), inc=True):
        yield _shifted(wall, -shift)


def _shifted(wall: datetime, years: int) -> datetime:
    return wall.replace(year=wall.year + years)
