//! Captures that are read together, frame after frame in the order of time.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use fixwire::measure::capture::detect::{Detector, Found};
use fixwire::measure::capture::trailer::{Aside, Layout, NoStamp, Stamped};
use fixwire::measure::capture::{About, Capture, CaptureError, Frame, Skips};
use fixwire::measure::pairs::{Arrived, Mark, Matcher, NoTime, Place};
use fixwire::measure::stamp::{Clock, Domain, Stamp};
use fixwire::measure::wire_time::{Grain, WireSpan, WireTime};

use super::capture::Stamps;
use super::own;
use crate::cli::failure::Failure;

/// What is looked at of a file to find out about its stamps, in bytes: its first frames.
const HEAD_LEN: u64 = 512 * 1024;
/// The longest Ethernet frame without its check sequence, in bytes: with two VLAN tags. What is longer is several segments that were
/// joined, or not parted yet, unless the network has jumbo frames.
const FRAME_LEN_MAX: usize = 14 + 2 * 4 + 1_500;
/// Clocks of a file that are watched for being set back.
const CLOCKS_MAX: usize = 16;
type Source = Box<dyn Read>;

/// Where a frame's EtherType stands, unless a device moved it.
const ETHER_TYPE_AT: usize = 12;

/// Files, and the next frame of each.
pub(super) struct Inputs {
    files: Vec<Input>,
}

/// What was said of all of them.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) stamps: Stamps,
    /// One clock recorded them.
    pub(super) is_one_clock: bool,
    /// Long frames passed as they are.
    pub(super) has_jumbo_frames: bool,
}

/// One of them.
pub(super) struct Input {
    pub(super) name: String,
    capture: Capture<Source>,
    len: Option<u64>,
    /// What its frames are stamped by, and what says so.
    layout: Option<Layout>,
    pub(super) stamps: String,
    pub(super) terms: Terms,
    next: Option<Next>,
    pub(super) told: Told,
    trouble: Option<CaptureError>,
}

/// What a file has besides frames to be measured by.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Frames whose stamp the device calls degraded: their bytes count and their stamps do not.
    pub(super) degraded: u64,
    /// Frames that the device saw before, and frames whose check sequence was wrong.
    pub(super) duplicate: u64,
    pub(super) bad_fcs: u64,
    /// Frames that are longer than one that passed an Ethernet.
    pub(super) joined: u64,
    /// Frames without a stamp where others have one.
    pub(super) unstamped: u64,
    /// Frames that are stamped before the one in front of them of the same clock, and the most that one is.
    pub(super) backwards: u64,
    pub(super) backwards_most: WireSpan,
    /// What its frames' times are whole numbers of.
    grain: Grain,
    /// The last time by each clock.
    clocks: Vec<(Domain, WireTime)>,
    pub(super) first: Option<WireTime>,
    pub(super) last: Option<WireTime>,
}

/// What was found of the frame at hand.
#[derive(Clone, Copy)]
struct Next {
    time: WireTime,
    domain: Domain,
    /// The same in UTC: what the order of the files goes by.
    turn: WireTime,
    /// Nothing where its bytes are not to be looked at.
    stamp: Option<Result<Stamp, NoTime>>,
    ether_type_at: usize,
    end: usize,
}

impl Inputs {
    pub(super) fn open(paths: &[PathBuf], terms: Terms) -> Result<Inputs, Failure> {
        if paths.iter().filter(|path| is_stdin(path)).count() > 1 {
            return Err(Failure::Input("standard input is one file: name `-` once".into()));
        }
        let opened = (0..).zip(paths).map(|(file, path)| {
            let mut input = Input::open(path, file, terms)?;
            input.advance();
            Ok(input)
        });
        Ok(Inputs { files: opened.collect::<Result<_, Failure>>()? })
    }

    pub(super) fn files(&self) -> &[Input] {
        &self.files
    }

    /// The file with the earliest frame. Others with a frame within its tick may have passed before it: where it acknowledges
    /// what `matcher` has not seen, the earliest of them that does not.
    pub(super) fn earliest(&self, matcher: &Matcher) -> Option<usize> {
        let turns = self.files.iter().enumerate();
        let turns = turns.filter_map(|(file, input)| Some((input.next?.turn, file)));
        let (turn, first) = turns.clone().min()?;
        let until = turn + self.files[first].told.grain.span().unwrap_or_default();
        let is_ahead = |file| self.frame(file).is_some_and(|frame| matcher.is_ahead(&frame));
        let mut others =
            turns.filter(|(at, file)| *file != first && (*at == turn || *at < until)).peekable();
        if others.peek().is_none() || !is_ahead(first) {
            return Some(first);
        }
        others
            .filter(|(_, file)| !is_ahead(*file))
            .min()
            .map_or(Some(first), |(_, file)| Some(file))
    }

    /// The frame at hand, unless it is set aside.
    pub(super) fn frame(&self, file: usize) -> Option<Arrived<'_>> {
        let input = &self.files[file];
        let (next, frame) = (input.next?, input.capture.frame()?);
        Some(Arrived {
            mark: Mark {
                place: Place { file: file as u32, frame: frame.number },
                stamp: next.stamp?,
            },
            bytes: &frame.bytes[..next.end],
            ether_type_at: next.ether_type_at,
            is_cut_off: frame.bytes.len() < frame.original_len as usize,
        })
    }

    /// What the clocks of their interfaces may be apart, where captures of our own say it.
    pub(super) fn apart(&self) -> WireSpan {
        own::apart(&self.files)
    }

    pub(super) fn advance(&mut self, file: usize) {
        self.files[file].advance();
    }

    /// Bytes of all files, unless one is a pipe.
    pub(super) fn len(&self) -> Option<u64> {
        self.files.iter().map(|input| input.len).sum()
    }

    /// Of these, how many are behind us.
    pub(super) fn offset(&self) -> u64 {
        self.files.iter().map(|input| input.capture.offset()).sum()
    }

    /// Why files were not read to their ends.
    pub(super) fn troubles(&self) -> impl Iterator<Item = &CaptureError> {
        self.files.iter().filter_map(|input| input.trouble.as_ref())
    }
}

impl Input {
    fn open(path: &Path, file: u32, terms: Terms) -> Result<Input, Failure> {
        let name =
            if is_stdin(path) { "standard input".into() } else { path.display().to_string() };
        let unreadable = |error: io::Error| {
            Failure::Input(format!(
                "{name} cannot be read: {error}; name a capture (pcap, pcapng or ERF), or `-`"
            ))
        };
        let (mut source, len): (Source, _) = if is_stdin(path) {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path).map_err(unreadable)?;
            let about = file.metadata().map_err(unreadable)?;
            if about.is_dir() {
                return Err(unreadable(io::ErrorKind::IsADirectory.into()));
            }
            (Box::new(file), about.is_file().then_some(about.len()))
        };
        let mut head = Vec::new();
        source.by_ref().take(HEAD_LEN).read_to_end(&mut head).map_err(unreadable)?;
        let (layout, words) = match terms.stamps {
            Stamps::Auto => detected(&name, &head)?,
            Stamps::None => (None, "the records' own times are used, as was asked for".into()),
            asked => {
                let layout = asked.layout();
                let words = layout.map(|layout| format!("{layout} are used, as was asked for"));
                (layout, words.unwrap_or_default())
            }
        };
        let source: Source = Box::new(Cursor::new(head).chain(source));
        let capture =
            Capture::open(&*name, file, source).map_err(|why| Failure::Input(why.to_string()))?;
        Ok(Input {
            name,
            capture,
            len,
            layout,
            stamps: words,
            terms,
            next: None,
            told: Told::default(),
            trouble: None,
        })
    }

    pub(super) fn frames(&self) -> u64 {
        self.capture.frames()
    }

    pub(super) fn skips(&self) -> &Skips {
        self.capture.skips()
    }

    /// What it says of itself, if its format can.
    pub(super) fn about(&self) -> Option<&About> {
        self.capture.about()
    }

    fn advance(&mut self) {
        self.next = match self.capture.next_frame() {
            Ok(Some(frame)) => Some(self.told.look(&frame, self.layout, self.terms)),
            Ok(None) => None,
            Err(trouble) => {
                self.trouble = Some(trouble);
                None
            }
        };
    }
}

impl Next {
    /// How long the frame was that passed, without its check sequence and what a device wrote into it, in bytes.
    fn len(&self, frame: &Frame<'_>) -> usize {
        let is_cut_off = frame.bytes.len() < frame.original_len as usize;
        let end = if is_cut_off { frame.original_len as usize } else { self.end };
        end.saturating_sub(self.ether_type_at - ETHER_TYPE_AT)
    }
}

impl Told {
    /// Finds out when a frame passed.
    fn look(&mut self, frame: &Frame<'_>, layout: Option<Layout>, terms: Terms) -> Next {
        let fcs_len = frame.fcs_len.map_or(0, usize::from);
        let mut recorded = Next {
            time: frame.stamp.time,
            domain: frame.stamp.domain,
            turn: frame.stamp.time_in_utc(),
            stamp: Some(Ok(frame.stamp)),
            ether_type_at: ETHER_TYPE_AT,
            // Of a frame that was cut off, the check sequence is gone already.
            end: if frame.bytes.len() < frame.original_len as usize {
                frame.bytes.len()
            } else {
                frame.bytes.len().saturating_sub(fcs_len)
            },
        };
        if terms.is_one_clock {
            let clock = Clock::Recorder { file: 0, interface: None };
            let domain = Domain { clock, ..frame.stamp.domain };
            recorded.stamp = Some(Ok(Stamp { domain, ..frame.stamp }));
        }
        let mut next = match layout.map(|layout| layout.read(frame)) {
            None => recorded,
            Some(Ok(stamped)) => self.stamped(&stamped),
            Some(Err(NoStamp::Absent | NoStamp::CutOff)) => {
                self.unstamped += 1;
                Next { stamp: Some(Err(NoTime::Absent)), ..recorded }
            }
        };
        if !terms.has_jumbo_frames && next.len(frame) > FRAME_LEN_MAX {
            self.joined += 1;
            next.stamp = next.stamp.map(|stamp| stamp.and(Err(NoTime::Joined)));
        }
        self.first.get_or_insert(next.time);
        self.last = Some(next.time);
        self.grain.note(next.turn);
        self.note_clock(&next);
        next
    }

    /// Whether a frame's clock went back since the frame before that is stamped by it.
    fn note_clock(&mut self, next: &Next) {
        let Some((_, last)) = self.clocks.iter_mut().find(|(domain, _)| *domain == next.domain)
        else {
            if self.clocks.len() < CLOCKS_MAX {
                self.clocks.push((next.domain, next.time));
            }
            return;
        };
        if next.time < *last {
            self.backwards += 1;
            self.backwards_most = self.backwards_most.max(*last - next.time);
        }
        *last = next.time;
    }

    fn stamped(&mut self, stamped: &Stamped) -> Next {
        let stamp = match stamped.aside {
            None => Some(Ok(stamped.stamp)),
            Some(Aside::Degraded) => {
                self.degraded += 1;
                Some(Err(NoTime::Degraded))
            }
            // Nobody got it twice, or at all.
            Some(Aside::Duplicate) => {
                self.duplicate += 1;
                None
            }
            Some(Aside::BadFcs) => {
                self.bad_fcs += 1;
                None
            }
        };
        Next {
            time: stamped.stamp.time,
            domain: stamped.stamp.domain,
            turn: stamped.stamp.time_in_utc(),
            stamp,
            ether_type_at: stamped.ether_type_at,
            end: stamped.end,
        }
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Which stamps the frames at a file's beginning have, and what is to be said of that.
fn detected(name: &str, head: &[u8]) -> Result<(Option<Layout>, String), Failure> {
    let mut detector = Detector::default();
    // What is wrong with the file is said when it is read.
    if let Ok(mut capture) = Capture::open(name, 0, head) {
        while let Ok(Some(frame)) = capture.next_frame() {
            if !detector.on_frame(&frame) {
                break;
            }
        }
    }
    let found = detector.found();
    match found {
        Found::Stamps(layout) => Ok((Some(layout), found.to_string())),
        Found::None | Found::CutOff => Ok((None, found.to_string())),
        Found::Some { .. } | Found::Either(..) => Err(Failure::Input(format!("{name}: {found}"))),
    }
}
