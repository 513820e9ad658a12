//! Distributions as a log that HdrHistogram's tools read.

use std::io::{self, BufWriter, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fixwire::measure::tally::{Distribution, Tally};
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::stored;

/// What a log is of.
#[derive(Clone, Copy)]
pub(super) struct Logged {
    pub(super) by: &'static str,
    /// When all of it began, where stamps are by clocks that do not know the time of day.
    pub(super) from: Option<SystemTime>,
    /// Whether the device was a model, where somebody knows.
    pub(super) is_model: Option<bool>,
}

/// Writes a line for each distribution, tagged by what it is of, over the time from its first stamp to its last.
pub(super) fn write(out: impl Write, tally: &Tally, of: Logged) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    let since_1970 = |at: &Distribution| match of.from {
        Some(from) => from.duration_since(UNIX_EPOCH).unwrap_or_default(),
        None => {
            let time = at.begin.time;
            Duration::new(u64::try_from(time.as_s()).unwrap_or_default(), time.subsec_ns())
        }
    };
    let first = tally.distributions().iter().map(since_1970).min().unwrap_or_default();
    let mut serializer = V2DeflateSerializer::new();
    {
        let mut begun = IntervalLogWriterBuilder::new();
        begun.add_comment(&format!("{}{}", of.by, stored::VALUES));
        if let Some(is_model) = of.is_model {
            begun.add_comment(stored::device(is_model));
        }
        let mut log = begun
            .with_start_time(UNIX_EPOCH + first)
            .with_base_time(UNIX_EPOCH + first)
            .with_max_value_divisor(1.0)
            .begin_log_with(&mut out, &mut serializer)?;
        for (number, of) in (1..).zip(tally.distributions()) {
            log.write_comment(&stored::line_is_of(number, of))?;
            log.write_comment(&stored::noise_of(number, of))?;
            let lasted = of.end.time - of.begin.time;
            let lasted_ns = u64::try_from(lasted.as_ps() / 1_000).unwrap_or_default();
            let tag = format!("{}-{number}", stored::kind(of.kind.name(), of.types));
            let begin = since_1970(of) - first;
            log.write_histogram(&of.ps, begin, Duration::from_nanos(lasted_ns), Tag::new(&tag))
                .map_err(|error| io::Error::other(format!("{error:?}")))?;
        }
    }
    out.flush()
}
