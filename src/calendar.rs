//! The hours of a session in a time zone, compiled to UTC: summer time and all, off the path and beforehand.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::fix::{Schedule, Window};
use crate::time::UtcTime;

/// For how many days from its compilation a schedule is known: five years.
pub const DAYS_AHEAD: i32 = 5 * 366;
/// The longest window is a week, and summer time may move its start.
const DAYS_BEFORE: i32 = 9;

/// When a session is open, by the clocks of its time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The time zone.
    pub zone: Zone,
    /// When it opens.
    pub start: Time,
    /// When it closes: on the next day where this is not after `start`.
    pub end: Time,
    /// The time zone of `end`, where that is not the one of `start`.
    pub end_zone: Option<Zone>,
    /// On which days.
    pub days: Days,
}

/// The days on which a session opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Days {
    /// Each of these, Monday first, and closes within 24 hours.
    Each([bool; 7]),
    /// Once a week, from one day to another.
    Week {
        /// The day on which it opens.
        start: Weekday,
        /// The day on which it closes: a week later where that would not be after it opens.
        end: Weekday,
    },
}

/// A time zone by its IANA name, as `Europe/London`; `UTC`; or `local`, the machine's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated Universal Time.
    pub fn utc() -> Zone {
        Zone(TimeZone::UTC)
    }

    /// The zone of this name; `None` for one that neither this machine's tz database nor the one built in has.
    pub fn named(name: &str) -> Option<Zone> {
        match name {
            "local" => TimeZone::try_system().ok().map(Zone),
            name => TimeZone::get(name).ok().map(Zone),
        }
    }

    fn utc_of(&self, time: DateTime) -> Option<UtcTime> {
        let time = self.0.to_timestamp(time).ok()?;
        Some(UtcTime::from_unix_ns(u64::try_from(time.as_nanosecond()).ok()?))
    }
}

impl Hours {
    /// Its windows around `now` and for [`DAYS_AHEAD`].
    ///
    /// A time that the clocks leave out is the one as much later; of one that they show twice, the first counts.
    pub fn compile(&self, now: UtcTime) -> Schedule {
        Schedule::new(self.windows(now))
            .unwrap_or_else(|| unreachable!("each begins with the end of the last, or after it"))
    }

    /// The same for a session that is logged on within `logons` alone, while its numbers go on for as long as these hours say.
    pub fn compile_with(&self, logons: &Hours, now: UtcTime) -> Schedule {
        Schedule::within(self.windows(now), &logons.windows(now))
            .unwrap_or_else(|| unreachable!("each begins with the end of the last, or after it"))
    }

    fn windows(&self, now: UtcTime) -> Vec<Window> {
        let mut windows: Vec<Window> = Vec::new();
        let today = self.zone.0.to_datetime(timestamp(now)).date();
        for day in -DAYS_BEFORE..=DAYS_AHEAD {
            let Ok(date) = today.checked_add(Span::new().days(day)) else { break };
            let Some(end_date) = self.end_of(date) else { continue };
            let start = self.zone.utc_of(date.to_datetime(self.start));
            let end = end_date.and_then(|end_date| self.end_on(end_date, start?));
            let (Some(start), Some(end)) = (start, end) else { break };
            // Clocks that are set forward may take a short session's whole time, or make it begin with the next one's.
            let start = windows.last().map_or(start, |last| start.max(last.end));
            if start < end {
                windows.push(Window { start, end });
            }
        }
        windows
    }

    /// On which date a session closes that opens on `date`, if one does.
    fn end_of(&self, date: Date) -> Option<Option<Date>> {
        let days = match &self.days {
            Days::Each(days) => {
                let opens =
                    days[usize::from(date.weekday().to_monday_zero_offset().unsigned_abs())];
                opens.then_some(i32::from(self.end <= self.start))?
            }
            Days::Week { start, end } => {
                let days = i32::from(start.until(*end));
                // By the clocks of two zones, that is seen by when each of them is.
                let is_a_week_later =
                    days == 0 && self.end_zone.is_none() && self.end <= self.start;
                let days = if is_a_week_later { 7 } else { days };
                (date.weekday() == *start).then_some(days)?
            }
        };
        Some(date.checked_add(Span::new().days(days)).ok())
    }

    /// When it closes that opened at `start` and closes on `date`. By the clocks of another zone that may be a day earlier or
    /// later, or two, and of a session of a week a week later: the first time counts that lies behind.
    fn end_on(&self, date: Date, start: UtcTime) -> Option<UtcTime> {
        let Some(zone) = &self.end_zone else {
            return self.zone.utc_of(date.to_datetime(self.end));
        };
        let days: &[i32] = match self.days {
            Days::Each(_) => &[-1, 0, 1, 2],
            Days::Week { .. } => &[0, 7],
        };
        let mut ends = days.iter().filter_map(|days| {
            let date = date.checked_add(Span::new().days(*days)).ok()?;
            zone.utc_of(date.to_datetime(self.end))
        });
        ends.find(|end| *end > start)
    }
}

fn timestamp(time: UtcTime) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(time.as_unix_ns())).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY_DAY: Days = Days::Each([true; 7]);

    fn utc(text: &str) -> UtcTime {
        let time: Timestamp = text.parse().unwrap();
        UtcTime::from_unix_ns(time.as_nanosecond().try_into().unwrap())
    }

    fn hours(zone: &str, start: &str, end: &str, days: Days) -> Hours {
        let time = |text: &str| text.parse().unwrap();
        let zone = Zone::named(zone).unwrap();
        Hours { zone, start: time(start), end: time(end), end_zone: None, days }
    }

    /// The window that holds a time, in UTC, or the start of the next one.
    fn found(hours: &Hours, at: &str) -> String {
        let schedule = hours.compile(utc(at));
        let text = |time: UtcTime| timestamp(time).to_string();
        match (schedule.window_at(utc(at)), schedule.next_start(utc(at))) {
            (Some(window), _) => format!("{} {}", text(window.start), text(window.end)),
            (None, Some(start)) => format!("closed until {}", text(start)),
            (None, None) => "closed".into(),
        }
    }

    #[test]
    fn a_day_s_hours_are_those_of_its_zone_in_summer_and_in_winter() {
        let london = hours("Europe/London", "08:00:00", "16:30:00", EVERY_DAY);
        let new_york = hours("America/New_York", "09:30:00", "16:00:00", EVERY_DAY);
        for (hours, at, expected) in [
            (&london, "2026-01-15T12:00:00Z", "2026-01-15T08:00:00Z 2026-01-15T16:30:00Z"),
            (&london, "2026-07-15T12:00:00Z", "2026-07-15T07:00:00Z 2026-07-15T15:30:00Z"),
            // The clocks are set forward on 29 March 2026, and back on 25 October.
            (&london, "2026-03-28T16:30:00Z", "closed until 2026-03-29T07:00:00Z"),
            (&london, "2026-10-24T15:30:00Z", "closed until 2026-10-25T08:00:00Z"),
            // New York goes before London, on 8 March, and after it, on 1 November.
            (&new_york, "2026-03-07T21:00:00Z", "closed until 2026-03-08T13:30:00Z"),
            (&new_york, "2026-10-31T20:00:00Z", "closed until 2026-11-01T14:30:00Z"),
        ] {
            assert_eq!(found(hours, at), expected, "{at}");
        }
    }

    #[test]
    fn each_time_may_have_a_zone_of_its_own() {
        let london = Zone::named("Europe/London");
        let to_london = |zone, start, end, days| Hours {
            end_zone: london.clone(),
            ..hours(zone, start, end, days)
        };
        let each = to_london("America/New_York", "18:00:00", "17:00:00", EVERY_DAY);
        let early = to_london("Asia/Tokyo", "08:00:00", "17:00:00", EVERY_DAY);
        let days = Days::Week { start: Weekday::Sunday, end: Weekday::Friday };
        let week = to_london("America/New_York", "17:00:00", "21:30:00", days);
        for (hours, at, expected) in [
            (&each, "2026-01-15T12:00:00Z", "2026-01-14T23:00:00Z 2026-01-15T17:00:00Z"),
            (&each, "2026-07-15T12:00:00Z", "2026-07-14T22:00:00Z 2026-07-15T16:00:00Z"),
            // New York has summer time already, London not yet.
            (&each, "2026-03-10T16:30:00Z", "2026-03-09T22:00:00Z 2026-03-10T17:00:00Z"),
            (&early, "2026-01-15T12:00:00Z", "2026-01-14T23:00:00Z 2026-01-15T17:00:00Z"),
            (&week, "2026-01-15T12:00:00Z", "2026-01-11T22:00:00Z 2026-01-16T21:30:00Z"),
        ] {
            assert_eq!(found(hours, at), expected, "{at}");
        }
    }

    #[test]
    fn a_session_over_midnight_closes_on_the_next_day_and_is_longer_or_shorter_when_clocks_change()
    {
        let chicago = hours("America/Chicago", "17:00:00", "16:00:00", EVERY_DAY);
        let all_day = hours("Europe/Berlin", "00:00:00", "00:00:00", EVERY_DAY);
        for (hours, at, expected) in [
            (&chicago, "2026-03-08T12:00:00Z", "2026-03-07T23:00:00Z 2026-03-08T21:00:00Z"),
            (&chicago, "2026-11-01T12:00:00Z", "2026-10-31T22:00:00Z 2026-11-01T22:00:00Z"),
            (&all_day, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z 2026-03-29T22:00:00Z"),
            (&all_day, "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z 2026-10-25T23:00:00Z"),
        ] {
            assert_eq!(found(hours, at), expected, "{at}");
        }
    }

    #[test]
    fn a_time_that_clocks_leave_out_is_later_and_of_one_shown_twice_the_first_counts() {
        let berlin = |start, end| hours("Europe/Berlin", start, end, EVERY_DAY);
        for (hours, at, expected) in [
            (
                berlin("02:30:00", "12:00:00"),
                "2026-03-29T02:00:00Z",
                "2026-03-29T01:30:00Z 2026-03-29T10:00:00Z",
            ),
            (
                berlin("02:30:00", "12:00:00"),
                "2026-10-25T02:00:00Z",
                "2026-10-25T00:30:00Z 2026-10-25T11:00:00Z",
            ),
            // All of it is left out: it opens at 03:00 and would have closed by then.
            (
                berlin("02:00:00", "03:00:00"),
                "2026-03-29T01:00:00Z",
                "closed until 2026-03-30T00:00:00Z",
            ),
        ] {
            assert_eq!(found(&hours, at), expected, "{at}");
        }
    }

    #[test]
    fn weekdays_are_those_on_which_it_opens() {
        let [no, yes] = [false, true];
        let weekdays = Days::Each([yes, yes, yes, yes, yes, no, no]);
        let utc = hours("UTC", "22:00:00", "21:00:00", weekdays);
        // 27 November 2026 is a Friday.
        for (at, expected) in [
            ("2026-11-27T23:00:00Z", "2026-11-27T22:00:00Z 2026-11-28T21:00:00Z"),
            ("2026-11-28T21:00:00Z", "closed until 2026-11-30T22:00:00Z"),
            ("2026-11-29T23:00:00Z", "closed until 2026-11-30T22:00:00Z"),
        ] {
            assert_eq!(found(&utc, at), expected, "{at}");
        }
    }

    #[test]
    fn a_week_goes_from_its_day_to_its_day() {
        let week = |start, end| Days::Week { start, end };
        let (sunday, friday) = (Weekday::Sunday, Weekday::Friday);
        let forex = hours("America/New_York", "17:00:00", "17:00:00", week(sunday, friday));
        let whole = hours("UTC", "00:00:00", "00:00:00", week(sunday, sunday));
        let within_a_day = hours("UTC", "08:00:00", "16:00:00", week(friday, friday));
        for (hours, at, expected) in [
            // The clocks are set forward as it opens, and back.
            (&forex, "2026-03-10T00:00:00Z", "2026-03-08T21:00:00Z 2026-03-13T21:00:00Z"),
            (&forex, "2026-11-03T00:00:00Z", "2026-11-01T22:00:00Z 2026-11-06T22:00:00Z"),
            (&forex, "2026-11-07T00:00:00Z", "closed until 2026-11-08T22:00:00Z"),
            (&whole, "2026-11-27T00:00:00Z", "2026-11-22T00:00:00Z 2026-11-29T00:00:00Z"),
            (&within_a_day, "2026-11-27T12:00:00Z", "2026-11-27T08:00:00Z 2026-11-27T16:00:00Z"),
            (&within_a_day, "2026-11-27T16:00:00Z", "closed until 2026-12-04T08:00:00Z"),
        ] {
            assert_eq!(found(hours, at), expected, "{at}");
        }
    }

    #[test]
    fn a_week_from_a_day_to_the_same_one_closes_at_the_first_such_time_behind_its_start() {
        use Weekday::{Friday, Monday, Sunday};
        let week = |zone, start, end_zone: &str, end, days: [Weekday; 2]| Hours {
            end_zone: Some(end_zone).filter(|of| !of.is_empty()).and_then(Zone::named),
            ..hours(zone, start, end, Days::Week { start: days[0], end: days[1] })
        };
        let (new_york, london, tokyo) = ("America/New_York", "Europe/London", "Asia/Tokyo");
        let [on_friday, on_monday, on_sunday] = [Friday, Monday, Sunday].map(|day| [day, day]);
        for (hours, at, expected) in [
            // In one zone: within the day, or a week; with the clocks set forward on 29 March 2026, an hour less of it, and
            // back on 25 October.
            (
                week("UTC", "17:00:00", "", "08:00:00", on_friday),
                "2026-11-25T00:00:00Z",
                "2026-11-20T17:00:00Z 2026-11-27T08:00:00Z",
            ),
            (
                week("UTC", "17:00:00", "", "08:00:00", on_friday),
                "2026-11-27T12:00:00Z",
                "closed until 2026-11-27T17:00:00Z",
            ),
            (
                week("UTC", "17:00:00", "", "17:00:00", on_friday),
                "2026-11-27T17:00:00Z",
                "2026-11-27T17:00:00Z 2026-12-04T17:00:00Z",
            ),
            (
                week(london, "12:00:00", "", "12:00:00", on_sunday),
                "2026-03-25T00:00:00Z",
                "2026-03-22T12:00:00Z 2026-03-29T11:00:00Z",
            ),
            (
                week(london, "12:00:00", "", "12:00:00", on_sunday),
                "2026-10-21T00:00:00Z",
                "2026-10-18T11:00:00Z 2026-10-25T12:00:00Z",
            ),
            // Later by the clocks, and before it has opened: 17:00 in New York is 22:00 in London, so it closes a week later.
            (
                week(new_york, "17:00:00", london, "21:00:00", on_friday),
                "2026-01-14T00:00:00Z",
                "2026-01-09T22:00:00Z 2026-01-16T21:00:00Z",
            ),
            (
                week(new_york, "17:00:00", london, "21:00:00", on_friday),
                "2026-07-15T00:00:00Z",
                "2026-07-10T21:00:00Z 2026-07-17T20:00:00Z",
            ),
            // New York has summer time from 8 March on, London from the 29th: 21:00 is when it opens, no time later.
            (
                week(new_york, "17:00:00", london, "21:00:00", on_friday),
                "2026-03-18T00:00:00Z",
                "2026-03-13T21:00:00Z 2026-03-20T21:00:00Z",
            ),
            // Earlier by the clocks, and after it has opened: it closes on the day on which it opens.
            (
                week(tokyo, "09:00:00", new_york, "08:00:00", on_monday),
                "2026-01-12T12:00:00Z",
                "2026-01-12T00:00:00Z 2026-01-12T13:00:00Z",
            ),
            (
                week(tokyo, "09:00:00", new_york, "08:00:00", on_monday),
                "2026-07-13T13:00:00Z",
                "closed until 2026-07-20T00:00:00Z",
            ),
            // The same times of two zones.
            (
                week(london, "17:00:00", new_york, "17:00:00", on_friday),
                "2026-01-16T20:00:00Z",
                "2026-01-16T17:00:00Z 2026-01-16T22:00:00Z",
            ),
            (
                week(new_york, "17:00:00", london, "17:00:00", on_friday),
                "2026-01-16T12:00:00Z",
                "2026-01-09T22:00:00Z 2026-01-16T17:00:00Z",
            ),
            // Another day, which the other zone has already behind it.
            (
                week(new_york, "20:00:00", tokyo, "08:00:00", [Sunday, Monday]),
                "2026-01-14T00:00:00Z",
                "2026-01-12T01:00:00Z 2026-01-18T23:00:00Z",
            ),
        ] {
            assert_eq!(found(&hours, at), expected, "{hours:?} at {at}");
        }
    }

    #[test]
    fn five_years_ahead_are_known_and_a_zone_by_its_name() {
        let now = utc("2026-11-27T12:00:00Z");
        let schedule = hours("Europe/London", "08:00:00", "16:30:00", EVERY_DAY).compile(now);
        assert!(schedule.window_at(utc("2031-11-27T12:00:00Z")).is_some());
        assert!(schedule.windows().len() < 2_000);
        assert_eq!(Zone::named("Europe/Londn"), None);
        assert!(Zone::named("local").is_some());
    }
}
