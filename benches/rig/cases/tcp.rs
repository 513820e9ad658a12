//! TCP without FIX: an Ethernet frame in, through headers, checksums and connection, to an Ethernet
//! frame out, with bytes that nobody reads; and a segment taken in, alone.

use fixwire::tcp::{Config, Endpoint, Event, Stack};
use fixwire::time::Instant;
use fixwire::wire::tcp::{Flags, Options, Segment, SeqNumber};

use crate::case::{Bench, Case, US};
use crate::crowd::Crowd;
use crate::line::{Line, Traffic};
use crate::messages::filler;
use crate::nic::Sums;
use crate::peer::{HOST_ADDR, PEER_ADDR, PEER_PORT};
use crate::respond::{Filler, MixedFiller};
use crate::tcp_host::TcpHost;

/// smoltcp, on what ours is on.
#[cfg(feature = "rivals")]
type OnRings<R> = crate::rivals::SmoltcpHost<R, crate::rivals::Rings>;

/// Payloads in and out, in bytes: some 150 each way, and those of the benches' FIX messages.
const LENGTHS: [(usize, usize); 2] = [(150, 150), (211, 174)];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (received, sent) in LENGTHS {
        for sums in Sums::BOTH {
            cases.extend(echoes(sums, received, sent));
        }
    }
    for sums in Sums::BOTH {
        cases.extend(mixed(sums));
        for (count, burst) in CROWDS {
            cases.push(crowd(sums, count, burst));
        }
    }
    cases.extend(super::prepared::cases());
    cases.push(Case::new("tcp/segment in", US, || SegmentIn::new(150)));
    cases
}

/// Connections, each frame another's, and how many frames come in at once.
const CROWDS: [(usize, usize); 4] = [(512, 1), (512, 32), (4_096, 1), (4_096, 32)];

/// 150 bytes each way on average, and no length that could be foreseen.
fn mixed(sums: Sums) -> Vec<Case> {
    let what = format!("tcp/22..277 in, 22..277 out/{}", sums.name());
    let ours = Case::new(what.clone(), US, move || {
        let host = TcpHost::new(sums, MixedFiller::default());
        Line::new(host, sums, Traffic::MixedBytes)
    });
    #[allow(unused_mut)]
    let mut cases = vec![ours];
    #[cfg(feature = "rivals")]
    cases.push(Case::new(what, "smoltcp", move || {
        let host = OnRings::new(sums, MixedFiller::default());
        Line::new(host, sums, Traffic::MixedBytes)
    }));
    cases
}

fn crowd(sums: Sums, count: usize, burst: usize) -> Case {
    let at_once = if burst > 1 { format!(", {burst} at once") } else { String::new() };
    let what = format!("tcp/150 in, 150 out, {count} connections{at_once}/{}", sums.name());
    Case::new(what, US, move || Crowd::new(sums, count, burst))
}

fn echoes(sums: Sums, received: usize, sent: usize) -> Vec<Case> {
    let what = format!("tcp/{received} in, {sent} out/{}", sums.name());
    let traffic = Traffic::Bytes { received, sent };
    let ours = Case::new(what.clone(), US, move || {
        Line::new(TcpHost::new(sums, Filler::new(sent)), sums, traffic)
    });
    #[allow(unused_mut)]
    let mut cases = vec![ours.and_cold()];
    #[cfg(feature = "rivals")]
    {
        let smoltcp = Case::new(what, "smoltcp", move || {
            let host = OnRings::new(sums, Filler::new(sent));
            Line::new(host, sums, traffic)
        });
        cases.push(smoltcp.and_cold());
    }
    cases
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
