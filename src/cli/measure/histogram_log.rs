//! Distributions as a log that HdrHistogram's tools read.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use fixwire::measure::tally::{Distribution, Tally};
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

/// Writes a line for each distribution, tagged by what it is of, over the time from its first stamp to its last.
pub(super) fn write(path: &Path, tally: &Tally) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let since_1970 = |at: &Distribution| {
        let time = at.begin.time;
        Duration::new(u64::try_from(time.as_s()).unwrap_or_default(), time.subsec_ns())
    };
    let first = tally.distributions().iter().map(since_1970).min().unwrap_or_default();
    let mut serializer = V2DeflateSerializer::new();
    {
        let mut log = IntervalLogWriterBuilder::new()
            .add_comment("fixwire measure capture: values are picoseconds")
            .with_start_time(UNIX_EPOCH + first)
            .with_base_time(UNIX_EPOCH + first)
            .with_max_value_divisor(1.0)
            .begin_log_with(&mut out, &mut serializer)?;
        for (number, of) in (1..).zip(tally.distributions()) {
            log.write_comment(&format!(
                "{number}: {}, by {}, {}",
                of.kind, of.domain.clock, of.domain.scale
            ))?;
            let lasted = of.end.time - of.begin.time;
            let lasted_ns = u64::try_from(lasted.as_ps() / 1_000).unwrap_or_default();
            let tag = format!("{}-{number}", of.kind.name());
            let begin = since_1970(of) - first;
            log.write_histogram(&of.ps, begin, Duration::from_nanos(lasted_ns), Tag::new(&tag))
                .map_err(|error| io::Error::other(format!("{error:?}")))?;
        }
    }
    out.flush()
}
