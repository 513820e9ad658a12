//! A process that trades with a store in a file, killed at random: what left it is held against what the store says.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fixwire::fix::store::journal::{Durability, Ended, Kind};
use fixwire::fix::{
    CloseReason, Framed, Full, Handler, Message, Outlet, Sender, Session, State, Store, frame,
};
use fixwire::journal_file::{FileStore, ReadFile};
use fixwire::time::{Instant, Now, UtcTime};

use super::{config, open};
use crate::common::full;

/// Where the process that is killed finds its folder and its durability.
const FOLDER: &str = "FIXWIRE_TEST_STORE_FOLDER";
const DURABILITY: &str = "FIXWIRE_TEST_STORE_DURABILITY";
const SENT: &str = "sent";

/// What leaves the process: a file that outlives it.
struct Left {
    file: File,
    slot: Vec<u8>,
}

impl Outlet for Left {
    fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full> {
        self.slot.resize(len, 0);
        Ok(&mut self.slot)
    }

    fn commit(&mut self, used: usize) {
        self.file.write_all(&self.slot[..used]).unwrap();
    }
}

struct Nothing;

impl Handler for Nothing {
    fn on_logout(&mut self, reason: CloseReason) {
        panic!("{reason:?}");
    }

    fn on_message<S: Store, O: Outlet>(&mut self, _: &Message<'_>, _: &mut Sender<'_, S, O>) {}
}

/// A message of the counterparty's.
fn from_peer(seq: u32, msg_type: &str, fields: &str) -> Vec<u8> {
    let body = format!("35={msg_type}|34={seq}|49=VENUE|52=20260102-03:04:05.000|56=DESK|{fields}");
    let text = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01");
    let sum = text.bytes().fold(0u8, u8::wrapping_add);
    format!("{text}10={sum:03}\x01").into_bytes()
}

/// Not a test by itself: the process that is killed.
#[test]
fn the_process_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let durability = match std::env::var(DURABILITY).unwrap().as_str() {
        "none" => Durability::None,
        "async" => Durability::Async,
        _ => Durability::Sync,
    };
    let folder = Path::new(&folder);
    let file = File::options().append(true).create(true).open(folder.join(SENT)).unwrap();
    let mut out = Left { file, slot: Vec::new() };
    let store = open(folder, durability).unwrap_or_else(|why| panic!("{why}"));
    let mut session = Session::new(config(), store);
    let now = Now {
        mono: Instant::from_ms(1_000_000),
        utc: UtcTime::from_unix_ns(1_767_323_045_000_000_000),
    };
    let receive =
        |session: &mut Session<FileStore>, out: &mut Left, msg_type: &str, fields: &str| {
            let bytes = from_peer(session.next_in(), msg_type, fields);
            let _ = session.on_bytes(now, &bytes, out, &mut Nothing);
        };
    session.on_connect(now, &mut out);
    receive(&mut session, &mut out, "A", "98=0|108=30|");
    assert_eq!(session.state(), State::Active);
    for round in 0u32.. {
        match round % 7 {
            // Answered by a Heartbeat, which is not kept.
            3 => receive(&mut session, &mut out, "1", "112=T|"),
            5 => receive(&mut session, &mut out, "8", "37=1|"),
            _ => {
                let text = "x".repeat(round as usize * 37 % 400);
                let fill = |encoder: &mut fixwire::fix::Encoder<'_>| {
                    encoder
                        .put_u32(11, round)
                        .put_str(58, if text.is_empty() { "-" } else { &text });
                };
                match session.send(now, &mut out, b"D", fill) {
                    Ok(_) => {}
                    Err(fixwire::fix::SendError::Full) => std::thread::yield_now(),
                    Err(why) => panic!("{why}"),
                }
            }
        }
    }
}

/// An xorshift generator.
struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % below
    }
}

/// Each message that left, with its number and whether it is an application's.
fn messages(mut bytes: &[u8]) -> Vec<(u32, bool, Vec<u8>)> {
    let mut messages = Vec::new();
    while let Framed::Complete(whole) = frame(bytes, 1 << 16) {
        let (message, rest) = bytes.split_at(whole.len);
        let text = String::from_utf8_lossy(message);
        let value = |tag: &str| {
            text.split('\x01').find_map(|field| field.strip_prefix(tag).map(str::to_owned))
        };
        let seq = value("34=").unwrap().parse().unwrap();
        messages.push((seq, value("35=").as_deref() == Some("D"), message.to_vec()));
        bytes = rest;
    }
    messages
}

/// Starts the process, and kills it: sometimes while it is starting, mostly while it sends.
fn start_and_kill(folder: &Path, durability: &str, random: &mut Random) {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::killed::the_process_that_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .env(DURABILITY, durability)
        .env("RUST_BACKTRACE", "0")
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    if random.below(8) > 0 {
        let has_begun = || std::fs::metadata(folder.join(SENT)).is_ok_and(|file| file.len() > 0);
        let begun = std::time::Instant::now();
        while !has_begun() {
            assert_eq!(process.try_wait().unwrap(), None, "it has ended by itself");
            assert!(begun.elapsed() < Duration::from_secs(60), "it sends nothing");
        }
        std::thread::sleep(Duration::from_micros(random.below(12_000)));
    } else {
        std::thread::sleep(Duration::from_micros(random.below(8_000)));
    }
    assert_eq!(process.try_wait().unwrap(), None, "it has ended by itself");
    process.kill().unwrap();
    process.wait().unwrap();
}

/// What is known of all processes so far.
struct Past {
    /// The last number that was used.
    last: u32,
    next_in: u32,
    left: usize,
    unknown: HashSet<RangeInclusive<u32>>,
}

impl Past {
    /// Takes what has left the process that was killed now: with no number that was used before.
    fn take_what_left(&mut self, folder: &Path) -> Vec<(u32, bool, Vec<u8>)> {
        let sent = folder.join(SENT);
        let left = messages(&std::fs::read(&sent).unwrap_or_default());
        let _ = std::fs::remove_file(&sent);
        for (seq, _, bytes) in &left {
            let last = self.last;
            assert!(*seq > last, "{seq} after {last}: {}", String::from_utf8_lossy(bytes));
            self.last = *seq;
        }
        self.left += left.len();
        left
    }

    /// Holds it against what the store says, and says with which numbers that goes on.
    fn hold_against(
        &mut self,
        file: &ReadFile,
        left: &[(u32, bool, Vec<u8>)],
        time: usize,
    ) -> (u32, u32) {
        assert!(file.damage().is_empty(), "kill {time}: {:?}", file.damage());
        let resumption = file.intact().resumption;
        assert!(
            resumption.is_proven && resumption.ended != Ended::PowerMayBeLost,
            "{resumption:?}"
        );
        let (last, next_in) = (self.last, self.next_in);
        assert!(resumption.next_out > last && resumption.next_out <= last + 2, "{resumption:?}");
        assert!(resumption.next_in >= next_in, "{resumption:?}: {next_in}");
        self.next_in = resumption.next_in;
        let kept: HashMap<u32, &[u8]> = file
            .survey
            .records
            .iter()
            .filter(|record| record.kind == Kind::Message)
            .map(|record| (record.seq, file.survey.content(&file.bytes, record)))
            .collect();
        let oldest = kept.keys().copied().min().unwrap_or(u32::MAX);
        for (seq, is_application_s, bytes) in left {
            match kept.get(seq) {
                Some(kept) => assert_eq!(kept, bytes, "kill {time}"),
                None => assert!(!is_application_s || *seq < oldest, "kill {time}: {seq} is lost"),
            }
        }
        for range in &resumption.unknown {
            // What was not told of yet is found again.
            let is_new = self.unknown.insert(range.clone());
            assert!(!is_new || *range.start() > last, "kill {time}: {range:?} has left whole");
        }
        // What was taken is gone, whether it left or not.
        self.last = resumption.next_out - 1;
        (resumption.next_out, resumption.next_in)
    }
}

#[test]
fn a_killed_process_has_used_no_number_twice_and_keeps_all_that_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("FIX.4.4-DESK-VENUE.journal");
    let times = if full() { 1_000 } else { 50 };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut past = Past { last: 0, next_in: 1, left: 0, unknown: HashSet::new() };
    for time in 0..times {
        start_and_kill(folder.path(), ["none", "async", "sync"][time % 3], &mut random);
        let left = past.take_what_left(folder.path());
        if !path.exists() {
            continue;
        }
        let file = ReadFile::of(&path).unwrap_or_else(|why| panic!("kill {time}: {why}"));
        let numbers = past.hold_against(&file, &left, time);
        if time % 10 == 9 {
            let store = open(folder.path(), Durability::Async).unwrap();
            assert_eq!((store.next_out(), store.next_in()), numbers);
            if let Some((seq, _, bytes)) =
                left.iter().rev().find(|(_, is_application_s, _)| *is_application_s)
            {
                assert_eq!(store.first_from(*seq), Some((*seq, &bytes[..])));
            }
        }
    }
    let Past { left, unknown, .. } = past;
    assert!(left > 100 * times, "only {left} messages left");
    println!("{times} kills, {left} messages, {} of unknown fate", unknown.len());
}
