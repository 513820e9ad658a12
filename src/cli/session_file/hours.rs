//! The keys of a schedule: when a session is open, and in which time zone.

use std::ops::Range;

use fixwire::calendar::{Days, Hours, Zone};
use fixwire::fix::Schedule;
use fixwire::offload::toml_file::{TomlError, TomlFile};
use fixwire::time::UtcTime;
use jiff::civil::{Time, Weekday};
use toml::Spanned;

use super::keys::Entry;

/// What is said of a schedule, complete or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HoursSettings {
    start_time: Option<Time>,
    end_time: Option<Time>,
    logon_time: Option<Time>,
    logout_time: Option<Time>,
    logon_day: Option<Weekday>,
    logout_day: Option<Weekday>,
    start_day: Option<Weekday>,
    end_day: Option<Weekday>,
    weekdays: Option<[bool; 7]>,
    zone: Option<Zone>,
    /// Those that stand behind `start_time` and `end_time`.
    start_zone: Option<Zone>,
    end_zone: Option<Zone>,
    non_stop: bool,
}

impl HoursSettings {
    /// The hours, or `None` for a session that is always open.
    pub(crate) fn hours(&self) -> Option<Hours> {
        let (start, end) = (self.start_time?, self.end_time?);
        let days = match (self.start_day, self.end_day) {
            (Some(start), Some(end)) => Days::Week { start, end },
            _ => Days::Each(self.weekdays.unwrap_or([true; 7])),
        };
        let common = || self.zone.clone().unwrap_or_else(Zone::utc);
        let zone = self.start_zone.clone().unwrap_or_else(common);
        let end_zone = self.end_zone.clone().unwrap_or_else(common);
        let end_zone = (end_zone != zone).then_some(end_zone);
        (!self.non_stop).then_some(Hours { zone, start, end, end_zone, days })
    }

    /// When it is logged on, where that is not all of its hours. What is not said is as its hours have it.
    fn logons(&self, hours: &Hours) -> Option<Hours> {
        if !self.has_logons() {
            return None;
        }
        let start = self.logon_time.unwrap_or(hours.start);
        let end = self.logout_time.unwrap_or(hours.end);
        let days = (self.logon_day.or(self.start_day), self.logout_day.or(self.end_day));
        let days = match days {
            (Some(start), Some(end)) => Days::Week { start, end },
            _ => Days::Each([true; 7]),
        };
        let (zone, end_zone) = (hours.zone.clone(), hours.end_zone.clone());
        Some(Hours { zone, start, end, end_zone, days })
    }

    fn has_logons(&self) -> bool {
        let has_times = self.logon_time.is_some() || self.logout_time.is_some();
        has_times || self.logon_day.is_some() || self.logout_day.is_some()
    }

    /// When it is open from `now` on; `None` for a session that is always.
    pub(crate) fn schedule(&self, now: UtcTime) -> Option<Schedule> {
        let hours = self.hours()?;
        Some(match self.logons(&hours) {
            Some(logons) => hours.compile_with(&logons, now),
            None => hours.compile(now),
        })
    }

    /// What is missing or too much, and what to do about it.
    fn flaw(&self) -> Option<(&'static str, &'static str)> {
        let has_times = self.start_time.is_some() && self.end_time.is_some();
        let has_days = self.start_day.is_some() || self.end_day.is_some();
        match self {
            _ if self.non_stop => None,
            _ if self.start_time.is_some() != self.end_time.is_some() => Some((
                "`start_time` and `end_time` are one without the other",
                "write both, as in start_time = \"08:00:00\" and end_time = \"17:00:00\"",
            )),
            _ if self.start_day.is_some() != self.end_day.is_some() => Some((
                "`start_day` and `end_day` are one without the other",
                "write both for a session of a week, or weekdays = \"Mon,Tue,Wed,Thu,Fri\" for one of a day each",
            )),
            _ if has_days && self.weekdays.is_some() => Some((
                "`weekdays` is for a session of a day each, and `start_day` for one of a week",
                "delete the one or the other",
            )),
            _ if !has_times && (has_days || self.weekdays.is_some()) => Some((
                "days are said, and no times",
                "write start_time = \"HH:MM:SS\" and end_time = \"HH:MM:SS\" beside them",
            )),
            _ if self.has_logons() && !has_times => Some((
                "`logon_time`, `logout_time` and their days are of no use without `start_time` and `end_time`",
                "write both, between which numbers go on, or delete them",
            )),
            _ if self.logon_day.is_some() != self.logout_day.is_some() && !has_days => Some((
                "`logon_day` and `logout_day` are one without the other",
                "write both, or neither for each day",
            )),
            _ if self.has_logons() && self.never_logs_on() => Some((
                "`logon_time` to `logout_time` lies outside of `start_time` to `end_time`, with their days",
                "write times within the session's hours",
            )),
            _ if !has_times && self.zone.is_some() => Some((
                "`time_zone` is of no use without `start_time` and `end_time`",
                "write both, or delete it",
            )),
            _ => None,
        }
    }

    fn never_logs_on(&self) -> bool {
        // Whichever year it is: hours that meet at all meet each week.
        let some_day = UtcTime::from_unix_ns(1_800_000_000_000_000_000);
        self.schedule(some_day).is_some_and(|schedule| schedule.windows().is_empty())
    }
}

impl Entry {
    pub(super) fn hours_over(
        &self,
        base: HoursSettings,
        file: &TomlFile,
    ) -> Result<HoursSettings, TomlError> {
        let read = |text: &Option<Spanned<String>>, key| {
            text.as_ref().map(|text| time_of_day(file, text, key)).transpose()
        };
        let day = |text: &Option<Spanned<String>>, key| {
            text.as_ref().map(|text| weekday(file, text, text.get_ref(), key)).transpose()
        };
        let zoned = |text: &Option<Spanned<String>>, key| {
            text.as_ref().map(|text| zoned_time(file, text, key)).transpose()
        };
        let (start, end) =
            (zoned(&self.start_time, "start_time")?, zoned(&self.end_time, "end_time")?);
        let weekdays = self.weekdays.as_ref().map(|text| {
            let mut days = [false; 7];
            for name in text.get_ref().split([',', ' ']).filter(|name| !name.is_empty()) {
                let day = weekday(file, text, name, "weekdays")?;
                days[usize::from(day.to_monday_zero_offset().unsigned_abs())] = true;
            }
            if days == [false; 7] {
                return Err(file.bad_value(
                    text,
                    "weekdays",
                    "write days, such as \"Mon,Tue,Wed,Thu,Fri\"",
                ));
            }
            Ok(days)
        });
        let zone = self.time_zone.as_ref().map(|text| {
            Zone::named(text.get_ref()).ok_or_else(|| file.bad_value(text, "time_zone", ZONES))
        });
        // Times of its own make a session close that does not for others.
        let has_times = self.start_time.is_some() || self.end_time.is_some();
        let non_stop = self.non_stop_session.as_ref().map(|said| *said.get_ref());
        if let (Some(true), true) = (non_stop, has_times) {
            return Err(file.error(
                self.non_stop_session.as_ref().map_or(0..0, Spanned::span),
                "`non_stop_session` is true, and there are times beside it".into(),
                "delete it, or `start_time` and `end_time`",
            ));
        }
        Ok(HoursSettings {
            // A time that is said anew brings its zone along, or has none of its own.
            start_zone: start.as_ref().map_or(base.start_zone, |(_, zone)| zone.clone()),
            end_zone: end.as_ref().map_or(base.end_zone, |(_, zone)| zone.clone()),
            start_time: start.map(|(time, _)| time).or(base.start_time),
            end_time: end.map(|(time, _)| time).or(base.end_time),
            logon_time: read(&self.logon_time, "logon_time")?.or(base.logon_time),
            logout_time: read(&self.logout_time, "logout_time")?.or(base.logout_time),
            logon_day: day(&self.logon_day, "logon_day")?.or(base.logon_day),
            logout_day: day(&self.logout_day, "logout_day")?.or(base.logout_day),
            start_day: day(&self.start_day, "start_day")?.or(base.start_day),
            end_day: day(&self.end_day, "end_day")?.or(base.end_day),
            weekdays: weekdays.transpose()?.or(base.weekdays),
            zone: zone.transpose()?.or(base.zone),
            non_stop: non_stop.unwrap_or(base.non_stop && !has_times),
        })
    }

    /// That a session's hours, which stand here or at `place`, are complete.
    pub(super) fn has_whole_hours(
        &self,
        hours: &HoursSettings,
        file: &TomlFile,
        place: Range<usize>,
    ) -> Result<(), TomlError> {
        let Some((what, remedy)) = hours.flaw() else { return Ok(()) };
        let here = [&self.start_time, &self.end_time, &self.start_day, &self.end_day]
            .into_iter()
            .chain([&self.logon_time, &self.logout_time, &self.logon_day, &self.logout_day])
            .chain([&self.weekdays, &self.time_zone])
            .flatten()
            .next();
        Err(file.error(here.map_or(place, Spanned::span), what.into(), remedy))
    }
}

const ZONES: &str =
    "write an IANA name such as \"Europe/London\", or \"UTC\", or \"local\" for this machine's";

/// A time of day, and the zone whose clocks show it where one stands behind it.
fn zoned_time(
    file: &TomlFile,
    text: &Spanned<String>,
    key: &str,
) -> Result<(Time, Option<Zone>), TomlError> {
    let Some((time, zone)) = text.get_ref().trim().split_once(' ') else {
        return Ok((time_of_day(file, text, key)?, None));
    };
    let zone = Zone::named(zone.trim()).ok_or_else(|| {
        let remedy = format!("behind the time, {ZONES}");
        file.bad_value(text, key, &remedy)
    })?;
    let time = Spanned::new(text.span(), time.to_owned());
    Ok((time_of_day(file, &time, key)?, Some(zone)))
}

fn time_of_day(file: &TomlFile, text: &Spanned<String>, key: &str) -> Result<Time, TomlError> {
    let value = text.get_ref();
    let is_whole = value.len() == 8 && value.bytes().filter(|byte| *byte == b':').count() == 2;
    value.parse().ok().filter(|_| is_whole).ok_or_else(|| {
        file.bad_value(
            text,
            key,
            "write a time of day such as \"08:30:00\"; whose clocks show it is said by `time_zone`",
        )
    })
}

/// By its first two letters or more, in whatever case.
fn weekday(
    file: &TomlFile,
    text: &Spanned<String>,
    name: &str,
    key: &str,
) -> Result<Weekday, TomlError> {
    const NAMES: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let lower = name.to_ascii_lowercase();
    let found = NAMES.into_iter().find(|(name, _)| lower.len() >= 2 && name.starts_with(&lower));
    found.map(|(_, day)| day).ok_or_else(|| {
        file.bad_value(text, key, "write a day of the week, such as \"Monday\", \"Mon\" or \"mo\"")
    })
}
