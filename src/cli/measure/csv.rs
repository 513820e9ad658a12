//! A row for each message.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use fixwire::fix::tags;
use fixwire::measure::pairs::{Exclusion, Interval, Mark, Record};

use super::capture::unwritable;
use crate::cli::failure::Failure;

/// Files by their number on the command line, from 1; times in seconds since 1970 by the clock that stands beside them.
const HEADER: &str = "file,frame,time_s,last_frame,last_time_s,clock,timescale,port,from,to,msg_type,msg_seq_num,cl_ord_id,\
     trigger_file,trigger_frame,trigger_to_order_ns,trigger_excluded,\
     order_file,order_frame,order_to_answer_ns,order_excluded";

/// The file with the rows.
pub(super) struct Csv {
    out: BufWriter<File>,
    trouble: Option<io::Error>,
}

impl Csv {
    pub(super) fn create(path: &Path) -> Result<Csv, Failure> {
        let created = File::create(path).and_then(|file| {
            let mut out = BufWriter::with_capacity(256 * 1024, file);
            writeln!(out, "{HEADER}")?;
            Ok(out)
        });
        let out = created.map_err(|error| unwritable(path, &error))?;
        Ok(Csv { out, trouble: None })
    }

    pub(super) fn write(&mut self, record: &Record<'_>) {
        if self.trouble.is_none() {
            self.trouble = self.row(record).err();
        }
    }

    /// Whether nothing can be written any more.
    pub(super) fn is_over(&self) -> bool {
        self.trouble.is_some()
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.trouble.map_or(Ok(()), Err)?;
        self.out.flush()
    }

    /// Leaves nothing but the header: what was written rests on what turned out to be wrong. What went into a pipe is gone.
    pub(super) fn take_back(self) -> io::Result<()> {
        let (mut file, _) = self.out.into_parts();
        if !file.metadata()?.is_file() {
            return Ok(());
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{HEADER}")
    }

    fn row(&mut self, record: &Record<'_>) -> io::Result<()> {
        let out = &mut self.out;
        write!(out, "{},{},", record.first.place.file + 1, record.first.place.frame)?;
        time(out, &record.first)?;
        write!(out, ",{},", record.last.place.frame)?;
        time(out, &record.last)?;
        match record.first.stamp {
            Ok(stamp) => {
                write!(out, ",{},{},{}", stamp.domain.clock, stamp.domain.scale, stamp.port)?;
            }
            Err(_) => out.write_all(b",,,")?,
        }
        write!(out, ",{},{},", record.from, record.to)?;
        text(out, record.message.msg_type())?;
        out.write_all(b",")?;
        text(out, record.message.field(tags::MSG_SEQ_NUM).unwrap_or_default())?;
        out.write_all(b",")?;
        text(out, record.message.field(tags::CL_ORD_ID).unwrap_or_default())?;
        pair(out, record.trigger)?;
        pair(out, record.order)?;
        out.write_all(b"\n")
    }
}

fn time(out: &mut impl Write, mark: &Mark) -> io::Result<()> {
    mark.stamp.map_or(Ok(()), |stamp| write!(out, "{}", stamp.time))
}

fn pair(out: &mut impl Write, pair: Option<Result<Interval, Exclusion>>) -> io::Result<()> {
    match pair {
        None => out.write_all(b",,,,"),
        Some(Ok(Interval { from, span, .. })) => {
            let ps = span.as_ps();
            write!(out, ",{},{},{}.{:03},", from.file + 1, from.frame, ps / 1_000, ps % 1_000)
        }
        Some(Err(why)) => write!(out, ",,,,{}", why.reason().name()),
    }
}

/// A value as RFC 4180 has it.
fn text(out: &mut impl Write, value: &[u8]) -> io::Result<()> {
    let is_plain =
        !value.iter().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n') || !byte.is_ascii());
    if is_plain {
        return out.write_all(value);
    }
    write!(out, "\"{}\"", String::from_utf8_lossy(value).replace('"', "\"\""))
}
