//! TCP without FIX: an Ethernet frame in, through headers, checksums and connection, to an Ethernet
//! frame out, with bytes that nobody reads; and a segment taken in, alone.

use fixwire::tcp::{Config, Endpoint, Event, Stack};
use fixwire::time::Instant;
use fixwire::wire::tcp::{Flags, Options, Segment, SeqNumber};
use fixwire_hw::large_pages;
use fixwire_hw::tsc::Tsc;

use crate::alone::Alone;
use crate::case::{Bench, Caches, Case, US};
use crate::crowd::Crowd;
use crate::holes::{Dropped, Fill, Full, Holes, Late, Reader, Twice, Which};
use crate::line::{Line, Traffic};
use crate::messages::filler;
use crate::nic::Sums;
use crate::peer::{HOST_ADDR, PEER_ADDR, PEER_PORT};
use crate::respond::{Filler, MixedFiller, Responder};
use crate::ring::{Heard, Unheard};
use crate::tcp_host::{Setting, TcpHost};

/// smoltcp, on what ours is on.
#[cfg(feature = "rivals")]
type OnRings<R, D = Unheard> = crate::rivals::SmoltcpHost<R, crate::rivals::Rings<D>>;

/// Payloads in and out, in bytes: some 150 each way, and those of the benches' FIX messages.
const LENGTHS: [(usize, usize); 2] = [(150, 150), (211, 174)];

/// Connections, each frame another's, and how many frames come in at once.
const CROWDS: [(usize, usize); 4] = [(512, 1), (512, 32), (4_096, 1), (4_096, 32)];

/// Ranges of bytes held ahead of their turn. With half a pair behind one, 31 make as many as a connection holds.
const HELD: [usize; 3] = [1, 8, 31];
/// As many as a connection holds.
const HELD_MAX: usize = 32;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (received, sent) in LENGTHS {
        for sums in Sums::BOTH {
            let traffic = Traffic::Bytes { received, sent };
            let echoes = echoes(sums, traffic, move || Filler::new(sent));
            cases.extend(echoes.into_iter().map(|case| in_every_cache(case, received)));
        }
    }
    for sums in Sums::BOTH {
        cases.extend(echoes(sums, Traffic::MixedBytes, MixedFiller::default));
        for (count, burst) in CROWDS {
            cases.push(crowd(sums, count, burst));
        }
    }
    if Tsc::new().is_some() {
        for sums in Sums::BOTH {
            let traffic = Traffic::Bytes { received: 150, sent: 150 };
            cases.extend(alone(sums, traffic, || Filler::new(150)));
            cases.extend(alone(sums, Traffic::MixedBytes, MixedFiller::default));
        }
    }
    for sums in Sums::BOTH {
        cases.extend(acknowledged(sums));
        cases.extend(HELD.map(|held| ahead(sums, held, Setting::Usual)));
        cases.extend([Dropped::Farthest, Dropped::Itself].map(|dropped| full(sums, dropped)));
        cases.extend([1, HELD_MAX].map(|held| twice(sums, Which::Held, held)));
        cases.extend([0, HELD_MAX].map(|held| twice(sums, Which::Delivered, held)));
        cases.push(fill(sums, 1).untimed());
        cases.push(fill(sums, HELD_MAX));
        cases.push(late(sums));
        cases.extend(Setting::OTHERS.map(|setting| answered_where(sums, setting).untimed()));
        for setting in [Setting::Ecn, Setting::NoSack] {
            cases.push(acknowledged_where(sums, setting).untimed());
            cases.extend([1, 31].map(|held| ahead(sums, held, setting).untimed()));
        }
    }
    cases.extend(super::prepared::cases());
    cases.extend(super::acks::cases());
    cases.push(Case::new("tcp/segment in", US, || SegmentIn::new(150)));
    // The last: whoever comes after them in the same process has them, too.
    if large_pages::are_made() {
        for sums in Sums::BOTH {
            cases.extend([1, 32].map(|burst| crowd_in_large_pages(sums, 4_096, burst)));
        }
    }
    cases
}

fn in_every_cache(case: Case, received: usize) -> Case {
    if received == 150 {
        case.and(Caches::FrameInMemory).and(Caches::OutOfL2).and(Caches::OutOfL3)
    } else {
        case.and(Caches::OutOfL2)
    }
}

/// What goes back and forth, as a case is called.
fn lengths(traffic: Traffic) -> String {
    match traffic {
        Traffic::Bytes { received, sent } => format!("{received} in, {sent} out"),
        _ => "22..277 in, 22..277 out".to_owned(),
    }
}

/// Frames back to back, each answered.
fn echoes<R: Responder + 'static>(
    sums: Sums,
    traffic: Traffic,
    responder: impl Fn() -> R + Copy + 'static,
) -> Vec<Case> {
    let what = format!("tcp/{}/{}", lengths(traffic), sums.name());
    back_to_back(&what, sums, traffic, responder)
}

/// By us, and by the rival.
fn back_to_back<R: Responder + 'static>(
    what: &str,
    sums: Sums,
    traffic: Traffic,
    responder: impl Fn() -> R + Copy + 'static,
) -> Vec<Case> {
    let ours = Case::new(what.to_owned(), US, move || {
        Line::new(TcpHost::<_, Unheard>::new(sums, responder()), sums, traffic)
    });
    #[allow(unused_mut)]
    let mut cases = vec![ours];
    #[cfg(feature = "rivals")]
    cases.push(Case::new(what.to_owned(), "smoltcp", move || {
        Line::new(OnRings::<_>::new(sums, responder()), sums, traffic)
    }));
    cases
}

/// One frame alone, to the doorbell. The instructions are those of the same back to back.
fn alone<R: Responder + 'static>(
    sums: Sums,
    traffic: Traffic,
    responder: impl Fn() -> R + Copy + 'static,
) -> Vec<Case> {
    let what = format!("tcp/{}, alone to the doorbell/{}", lengths(traffic), sums.name());
    let ours = Case::new(what.clone(), US, move || {
        Alone::new(Line::new(TcpHost::<_, Heard>::new(sums, responder()), sums, traffic))
    });
    #[allow(unused_mut)]
    let mut cases = vec![ours.uncounted()];
    #[cfg(feature = "rivals")]
    {
        let smoltcp = Case::new(what, "smoltcp", move || {
            Alone::new(Line::new(OnRings::<_, Heard>::new(sums, responder()), sums, traffic))
        });
        cases.push(smoltcp.uncounted());
    }
    cases
}

fn crowd(sums: Sums, count: usize, burst: usize) -> Case {
    let what = format!("{}/{}", crowded(count, burst), sums.name());
    Case::new(what, US, move || Crowd::new(sums, count, burst))
}

/// The instructions are those of the same in small pages.
fn crowd_in_large_pages(sums: Sums, count: usize, burst: usize) -> Case {
    let what = format!("{}, large pages/{}", crowded(count, burst), sums.name());
    Case::new(what, US, move || Crowd::new(sums, count, burst).in_large_pages()).uncounted()
}

fn crowded(count: usize, burst: usize) -> String {
    let at_once = if burst > 1 { format!(", {burst} at once") } else { String::new() };
    format!("tcp/150 in, 150 out, {count} connections{at_once}")
}

/// A segment in order, read, and acknowledged by a frame with nothing else in it.
fn acknowledged(sums: Sums) -> Vec<Case> {
    let what = format!("tcp/150 in, ACK out/{}", sums.name());
    let traffic = Traffic::Bytes { received: 150, sent: 0 };
    back_to_back(&what, sums, traffic, Reader::default)
}

/// So many ranges, as a case is called.
fn held(count: usize) -> String {
    format!("{count} {} held", if count == 1 { "range" } else { "ranges" })
}

/// The same of segments ahead of their turn, with so many ranges held.
fn ahead(sums: Sums, ranges: usize, setting: Setting) -> Case {
    let (held, name) = (held(ranges), setting.name());
    let what = format!("tcp/150 ahead, {held}, ACK out{name}/{}", sums.name());
    Case::new(what, US, move || Holes::new(sums, ranges, setting))
}

/// As many bytes in as out, where TCP is set so.
fn answered_where(sums: Sums, setting: Setting) -> Case {
    let what = format!("tcp/150 in, 150 out{}/{}", setting.name(), sums.name());
    Case::new(what, US, move || {
        let host = TcpHost::<_, Unheard>::with(sums, Filler::new(150), setting);
        Line::new(host, sums, Traffic::Bytes { received: 150, sent: 150 })
    })
}

/// A segment in order, and its ACK, where TCP is set so.
fn acknowledged_where(sums: Sums, setting: Setting) -> Case {
    let what = format!("tcp/150 in, ACK out{}/{}", setting.name(), sums.name());
    Case::new(what, US, move || {
        let host = TcpHost::<_, Unheard>::with(sums, Reader, setting);
        Line::new(host, sums, Traffic::Bytes { received: 150, sent: 0 })
    })
}

/// The same where there is no room for one more.
fn full(sums: Sums, dropped: Dropped) -> Case {
    let (held, dropped_name) = (held(HELD_MAX), dropped.name());
    let what = format!("tcp/150 ahead, {held}, {dropped_name}, ACK out/{}", sums.name());
    Case::new(what, US, move || Full::new(sums, dropped))
}

/// The same of segments that come again, with so many ranges held.
fn twice(sums: Sums, which: Which, ranges: usize) -> Case {
    let what = format!("tcp/150 {}, {}, ACK out/{}", which.name(), held(ranges), sums.name());
    Case::new(what, US, move || Twice::new(sums, which, ranges))
}

/// The same of segments that fill the first hole, with so many ranges held before the first of them.
fn fill(sums: Sums, ranges: usize) -> Case {
    let what = format!("tcp/150 into a hole, {}, ACK out/{}", held(ranges), sums.name());
    Case::new(what, US, move || Fill::new(sums, ranges))
}

/// The same where each second one comes behind the one that follows it.
fn late(sums: Sums) -> Case {
    let what = format!("tcp/150 in, each second one late, ACK out/{}", sums.name());
    Case::new(what, US, move || Late::new(sums))
}

/// The clock stands still.
const NOW: Instant = Instant::from_ms(1_000);
/// So many segments are taken in before they are acknowledged, which is not measured.
const SEGMENTS: usize = 64;

/// The connection alone: a segment with data found its connection, checked and taken in order.
struct SegmentIn {
    stack: Stack,
    segments: Vec<Segment<'static>>,
    template: Segment<'static>,
    taken: usize,
}

impl SegmentIn {
    fn new(len: usize) -> SegmentIn {
        let mut stack = Stack::new(Config::default(), [7; 16]);
        let local = Endpoint { addr: HOST_ADDR, port: 49_152 };
        let remote = Endpoint { addr: PEER_ADDR, port: PEER_PORT };
        stack.connect(NOW, local, remote).expect("the first connection");
        let ours = stack.poll_transmit(NOW).expect("a SYN").header;
        let mut template = Segment {
            src_port: PEER_PORT,
            dst_port: ours.src_port,
            seq: SeqNumber(0x1000_0000),
            ack: ours.seq + 1,
            flags: Flags::SYN.with(Flags::ACK),
            window: u16::MAX,
            options: Options { timestamps: None, ..ours.options },
            payload: &[],
            is_ce: false,
        };
        if let Some(theirs) = ours.options.timestamps {
            let echo = fixwire::wire::tcp::Timestamps { value: 1, echo: theirs.value };
            template.options.timestamps = Some(echo);
        }
        stack.on_segment(NOW, PEER_ADDR, HOST_ADDR, &template);
        let (_, event) = stack.poll_event().expect("an event");
        assert_eq!(event, Event::Connected);
        template.seq += 1;
        template.flags = Flags::ACK.with(Flags::PSH);
        template.options = Options { timestamps: template.options.timestamps, ..Options::NONE };
        template.payload = filler(len).leak();
        SegmentIn { stack, segments: Vec::with_capacity(SEGMENTS), template, taken: 0 }
    }
}

impl Bench for SegmentIn {
    fn batch_max(&self) -> usize {
        SEGMENTS
    }

    fn prepare(&mut self, count: usize) {
        self.segments.clear();
        for _ in 0..count {
            self.segments.push(self.template);
            self.template.seq += self.template.payload.len() as u32;
        }
        self.taken = 0;
    }

    #[inline(never)]
    fn run(&mut self, count: usize) {
        for segment in &self.segments[..count] {
            let arrival = self.stack.on_segment(NOW, PEER_ADDR, HOST_ADDR, segment);
            self.taken += arrival.fresh.len();
        }
    }

    fn check(&mut self, count: usize) {
        assert_eq!(self.taken, count * self.template.payload.len(), "all of it is next in order");
        let ack = self.stack.poll_transmit(NOW).expect("an ACK").header.ack;
        assert_eq!(ack, self.template.seq);
    }
}
