//! Captures read frame by frame, each with its time as the file has it: pcap, pcapng and ERF.
//!
//! A file is read through a window of fixed length, and a frame is lent out of it: nothing is allocated for one, and memory
//! does not grow with the file. What cannot be used is passed over with a reason, a count and a place ([`Skips`]); where records
//! cannot be told apart any more, reading ends with the file, the byte and a sentence ([`CaptureError`]).

mod about;
pub mod detect;
mod erf;
mod fault;
mod pcap;
mod pcapng;
mod skips;
pub mod trailer;
mod window;

use std::io::Read;

pub use about::{About, AboutInterface};
pub use fault::{CaptureError, Fault, Hint, LinkType};
pub use skips::{Skip, Skips};

use self::pcap::Pcap;
use self::pcapng::Pcapng;
use self::window::Window;
use super::stamp::{Clock, Domain, Stamp, Timescale};
use super::wire_time::WireTime;

/// A capture that is being read.
pub struct Capture<R> {
    name: String,
    /// Which of those that are read together.
    file: u32,
    window: Window<R>,
    format: Format,
    skips: Skips,
    frames: u64,
    /// The record that was lent last: the next one begins behind it.
    lent: Option<Record>,
}

enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
    Erf,
}

/// An Ethernet frame, as much of it as was captured.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// From the destination address on.
    pub bytes: &'a [u8],
    /// The length that it had on the wire, as the file says.
    pub original_len: u32,
    /// When it was recorded.
    pub stamp: Stamp,
    /// How many bytes of frame check sequence it ends with, where the file says so.
    pub fcs_len: Option<u8>,
    /// Of the record, from 1; those that were passed over count.
    pub number: u64,
    /// Where in the file its record begins.
    pub offset: u64,
}

/// A record with a frame, at the beginning of what a window has at hand.
#[derive(Clone, Copy, Debug)]
struct Record {
    /// Of the frame, from the record's beginning.
    begin: usize,
    len: usize,
    total: usize,
    original_len: u32,
    time: WireTime,
    interface: u32,
    fcs_len: Option<u8>,
}

impl<R: Read> Capture<R> {
    /// Begins to read what `name` stands for, the `file`th of those that are read together, from 0.
    ///
    /// # Errors
    /// Where it is no capture of Ethernet frames that can be read.
    pub fn open(name: impl Into<String>, file: u32, input: R) -> Result<Capture<R>, CaptureError> {
        let name = name.into();
        let mut window = Window::new(input);
        let format = match recognized(&mut window) {
            Ok(format) => format,
            Err(fault) => return Err(CaptureError { file: name, offset: window.offset(), fault }),
        };
        Ok(Capture { name, file, window, format, skips: Skips::default(), frames: 0, lent: None })
    }

    /// The next frame, or none where the file ends.
    ///
    /// # Errors
    /// Where records cannot be told apart any more: nothing can be read behind that.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        if let Some(lent) = self.lent.take() {
            self.window.consume(lent.total);
        }
        let found = match &mut self.format {
            Format::Pcap(pcap) => pcap.record(&mut self.window, &mut self.skips),
            Format::Pcapng(pcapng) => pcapng.record(&mut self.window, &mut self.skips),
            Format::Erf => erf::record(&mut self.window, &mut self.skips),
        };
        match found {
            Ok(record) => {
                self.frames += u64::from(record.is_some());
                self.lent = record;
                Ok(self.frame())
            }
            Err(fault) => {
                let offset = self.window.offset();
                Err(CaptureError { file: self.name.clone(), offset, fault })
            }
        }
    }

    /// The frame that [`next_frame`](Capture::next_frame) lent last, again.
    #[inline]
    pub fn frame(&self) -> Option<Frame<'_>> {
        let record = self.lent?;
        Some(Frame {
            bytes: &self.window.bytes()[record.begin..record.begin + record.len],
            original_len: record.original_len,
            stamp: Stamp {
                time: record.time,
                domain: self.domain(record.interface),
                port: record.interface,
            },
            fcs_len: record.fcs_len,
            number: self.frames + self.skips.total(),
            offset: self.window.offset(),
        })
    }

    /// What its records' own times are by.
    fn domain(&self, interface: u32) -> Domain {
        let file = self.file;
        let clock = match &self.format {
            Format::Pcapng(of) if of.is_merged(interface) => Clock::Merged { file },
            Format::Pcapng(_) => Clock::Recorder { file, interface: Some(interface) },
            // The ports of a DAG card have one clock.
            Format::Pcap(_) | Format::Erf => Clock::Recorder { file, interface: None },
        };
        // pcap and pcapng count from 1970 in UTC, and so do DAG cards.
        Domain { clock, scale: Timescale::Utc }
    }

    /// What it says of itself, as far as it was read: of the formats pcapng alone does.
    pub fn about(&self) -> Option<&About> {
        match &self.format {
            Format::Pcapng(of) => Some(of.about()),
            Format::Pcap(_) | Format::Erf => None,
        }
    }

    /// What it was opened as.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Frames that were lent so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Records that were passed over so far.
    pub fn skips(&self) -> &Skips {
        &self.skips
    }

    /// Bytes of the file that are behind us: how far reading has come.
    pub fn offset(&self) -> u64 {
        self.window.offset()
    }
}

fn recognized<R: Read>(window: &mut Window<R>) -> Result<Format, Fault> {
    const HEAD_LEN: usize = 12;
    let is_whole = window.fill(HEAD_LEN)?;
    let head = window.bytes();
    if head.is_empty() {
        return Err(Fault::Empty);
    }
    if is_whole {
        if let Some(order) = pcap::order(head) {
            return Pcap::open(window, order).map(Format::Pcap);
        }
        if head.starts_with(&pcapng::SECTION) {
            return Ok(Format::Pcapng(Pcapng::new()));
        }
    }
    let hint = hint(head);
    // A record of ERF's has a time in front, and mostly zeros behind it.
    if matches!(hint, Hint::Unknown(_)) && !is_text(head) && erf::is_likely(window)? {
        return Ok(Format::Erf);
    }
    Err(Fault::NotACapture(hint))
}

/// Whether a file begins like a log of messages, its first sixteen bytes being letters and SOHs.
fn is_text(head: &[u8]) -> bool {
    head.iter().take(16).all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 1 | b' '..=b'~'))
}

/// What a file is, by its first bytes, that is no capture.
fn hint(head: &[u8]) -> Hint {
    /// A log's line has its first message in so many bytes.
    const LOG_LINE_LEN: usize = 256;
    let compressed: [(&[u8], &str); 4] = [
        (&[0x1f, 0x8b], "gzip"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
        (&[0xfd, b'7', b'z', b'X'], "xz"),
        (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
    ];
    let by_magic = compressed.into_iter().find(|(magic, _)| head.starts_with(magic));
    if let Some((_, program)) = by_magic {
        return Hint::Compressed(program);
    }
    if is_text(head) && head.windows(5).take(LOG_LINE_LEN).any(|bytes| bytes == b"8=FIX") {
        return Hint::Log;
    }
    let mut first = [0; 4];
    first.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
    Hint::Unknown(first)
}

/// The length of a frame check sequence in bytes, which some write in bits.
fn frame_check_len(said: u8) -> Option<u8> {
    match said {
        0 => Some(0),
        4 | 32 => Some(4),
        _ => None,
    }
}

/// Byte orders that a format leaves to whoever writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    #[inline]
    fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let two = [bytes[at], bytes[at + 1]];
        if self == Order::Big { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) }
    }

    #[inline]
    fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let four = *bytes[at..].first_chunk().expect("who calls has looked at the length");
        if self == Order::Big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    }

    #[inline]
    fn u64(self, bytes: &[u8], at: usize) -> u64 {
        let eight = *bytes[at..].first_chunk().expect("who calls has looked at the length");
        if self == Order::Big { u64::from_be_bytes(eight) } else { u64::from_le_bytes(eight) }
    }
}
