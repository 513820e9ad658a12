//! Segments with nearly valid numbers, thrown at every state by somebody who means ill.

use proptest::prelude::*;

use super::super::*;
use super::{LOCAL, REMOTE};
use crate::time::{Duration, Instant};
use crate::wire::icmp::Quoted;
use crate::wire::tcp::{Flags, Options, SackBlocks, Segment, SeqNumber, Timestamps, UserTimeout};

const PAYLOAD: [u8; 4000] = [0xa5; 4000];

/// What one blow is made of; numbers are relative to what the connection expects.
#[derive(Clone, Debug)]
struct Blow {
    seq: i64,
    ack: i64,
    flags: u8,
    window: u16,
    len: usize,
    timestamp: Option<i64>,
    sack: Option<Vec<(i64, i64)>>,
    options: Option<(u16, u8)>,
    action: u8,
    wait_ms: u64,
}

/// Numbers crowd round the edges at which decisions change.
fn near() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => -3i64..4,
        2 => -3000i64..3000,
        1 => 65_500i64..65_600,
        1 => -70_000i64..70_000,
        1 => any::<i32>().prop_map(i64::from),
    ]
}

fn blow() -> impl Strategy<Value = Blow> {
    let flags = prop_oneof![
        4 => Just(0x10u8),
        2 => Just(0x18u8),
        1 => Just(0x11u8),
        1 => Just(0x02u8),
        1 => Just(0x12u8),
        1 => Just(0x04u8),
        2 => any::<u8>(),
    ];
    let window = prop_oneof![Just(0u16), 1u16..50, any::<u16>()];
    let len = prop_oneof![Just(0usize), 1usize..20, 0usize..4000];
    let options = prop::option::weighted(0.2, (any::<u16>(), any::<u8>()));
    let timestamp = prop::option::weighted(0.7, near());
    let wait_ms = prop_oneof![6 => Just(0u64), 2 => 0u64..300, 1 => 0u64..100_000];
    let timestamp = (timestamp, sack());
    (near(), near(), flags, window, len, timestamp, options, any::<u8>(), wait_ms).prop_map(
        |(seq, ack, flags, window, len, (timestamp, sack), options, action, wait_ms)| Blow {
            seq,
            ack,
            flags,
            window,
            len,
            timestamp,
            sack,
            options,
            action,
            wait_ms,
        },
    )
}

/// Blocks of any kind: before, within and past what was sent, empty, backwards, overlapping.
fn sack() -> impl Strategy<Value = Option<Vec<(i64, i64)>>> {
    prop::option::weighted(0.4, prop::collection::vec((near(), near()), 1..5))
}

fn sack_blocks(una: SeqNumber, blocks: &[(i64, i64)]) -> SackBlocks {
    let mut edges =
        blocks.iter().map(|(left, len)| (una + *left as u32, una + (left + len) as u32));
    let (left, right) = edges.next().unwrap();
    let mut blocks = SackBlocks::of(left, right);
    edges.for_each(|(left, right)| _ = blocks.push(left, right));
    blocks
}

struct Victim {
    stack: Stack,
    now: Instant,
    id: Option<ConnectionId>,
    peer_clock: u32,
}

impl Victim {
    fn new(config: Config, is_active: bool) -> Victim {
        let mut stack = Stack::new(config, [6; 16]);
        stack.listen(LOCAL).unwrap();
        let now = Instant::from_ms(1);
        let id = is_active.then(|| {
            let local = Endpoint { port: 4000, ..LOCAL };
            stack.connect(now, local, REMOTE).unwrap()
        });
        Victim { stack, now, id, peer_clock: 1000 }
    }

    fn info(&self) -> Option<Info> {
        self.id.and_then(|id| self.stack.info(id))
    }

    fn hit(&mut self, blow: &Blow) {
        let info = self.info();
        let from = |number: Option<SeqNumber>, by: i64| number.unwrap_or_default() + by as u32;
        let segment = Segment {
            src_port: REMOTE.port,
            dst_port: info.map_or(LOCAL.port, |info| info.local.port),
            seq: from(info.map(|info| info.rcv_nxt), blow.seq),
            ack: from(info.map(|info| info.snd_nxt), blow.ack),
            flags: Flags(blow.flags),
            window: blow.window,
            options: Options {
                mss: blow.options.map(|options| options.0),
                window_scale: blow.options.map(|options| options.1),
                timestamps: blow.timestamp.map(|by| Timestamps {
                    value: self.peer_clock.wrapping_add(by as u32),
                    echo: by as u32,
                }),
                sack_permitted: blow.options.is_none_or(|options| options.0 & 1 == 0),
                sack: blow.sack.as_ref().map(|sack| {
                    sack_blocks(info.map(|info| info.snd_una).unwrap_or_default(), sack)
                }),
                user_timeout: blow
                    .options
                    .map(|options| UserTimeout::of(Duration::from_ms(u64::from(options.0)))),
                has_invalid: blow.action & 4 == 0,
            },
            payload: &PAYLOAD[..blow.len],
            is_ce: blow.action & 2 == 0,
        };
        let arrival = self.stack.on_segment(self.now, REMOTE.addr, LOCAL.addr, &segment);
        assert!(arrival.fresh.end <= blow.len && arrival.fresh.start <= arrival.fresh.end);
        if arrival.connection.is_some() && self.info().is_none() {
            self.id = arrival.connection;
        }
        if let Some(id) = arrival.connection
            && blow.action & 1 == 0
        {
            self.stack.keep(id, &segment.payload[arrival.fresh]);
        }
        self.peer_clock = self.peer_clock.wrapping_add(1);
    }

    fn act(&mut self, blow: &Blow) {
        let Some(id) = self.id else { return };
        match blow.action >> 1 {
            0..30 => {
                let len = usize::from(blow.window) % 3000;
                if self.stack.reserve(id, len).is_ok() {
                    self.stack.commit(self.now, id, len);
                }
            }
            30..60 => {
                let len = self.stack.readable(id).len();
                self.stack.consume(self.now, id, len.min(blow.len));
            }
            60..62 => self.stack.shutdown(self.now, id),
            62 => self.stack.abort(self.now, id),
            63 => self.stack.release(id),
            64..70 => {
                let Some(info) = self.info() else { return };
                let quoted = Quoted {
                    src: info.local.addr,
                    dst: info.remote.addr,
                    src_port: info.local.port,
                    dst_port: info.remote.port,
                    seq: info.snd_una + blow.ack as u32,
                    packet_len: blow.len as u16,
                };
                self.stack.on_path_mtu(self.now, &quoted, blow.window);
                self.stack.on_unreachable(self.now, &quoted, blow.flags);
            }
            _ => {}
        }
    }

    /// What leaves keeps to every limit, and it ends.
    fn drain(&mut self) {
        let mss_max = usize::from(self.stack.config.mss);
        for turn in 0.. {
            assert!(turn < 3000, "it never stops sending");
            let Some(transmit) = self.stack.poll_transmit(self.now) else { break };
            let len = transmit.payload[0].len() + transmit.payload[1].len();
            let options = transmit.header.options.len();
            assert!(len == 0 || len + options <= mss_max, "{len} bytes, {options} of options");
        }
        while self.stack.poll_event().is_some() {}
        if let Some(info) = self.info() {
            assert!(info.rcv_wnd as usize + info.receive_buffered_bytes <= 65_536);
            assert!(info.snd_nxt.since(info.snd_una) as usize <= info.send_buffered_bytes + 1);
        }
    }

    fn wait(&mut self, ms: u64) {
        let then = self.now + Duration::from_ms(ms);
        while self.stack.next_timeout() <= then {
            self.now = self.now.max(self.stack.next_timeout());
            self.stack.on_timeout(self.now);
            self.drain();
        }
        self.now = then;
    }
}

fn config(timestamps: bool, keep_alive: bool) -> Config {
    Config {
        connections_max: 2,
        timestamps,
        user_timeout_option: keep_alive.then_some(UserTimeoutOption {
            advertised: UserTimeout::of(Duration::from_s(9)),
            adopts: Some(UserTimeoutLimits { least: Duration::ZERO, most: Duration::from_s(40) }),
        }),
        keep_alive: keep_alive.then_some(KeepAlive {
            idle: Duration::from_ms(50),
            interval: Duration::from_ms(20),
            probes: 3,
        }),
        ..Config::default()
    }
}

/// The handshake, as an honest peer of an active or a passive open.
fn establish(victim: &mut Victim, is_active: bool) {
    let honest = Blow {
        seq: 0,
        ack: 0,
        flags: 0,
        window: 20_000,
        len: 0,
        timestamp: Some(0),
        sack: None,
        options: Some((1000, 2)),
        action: 255,
        wait_ms: 0,
    };
    victim.drain();
    victim.hit(&Blow { flags: if is_active { 0x12 } else { 0x02 }, ..honest.clone() });
    victim.drain();
    victim.hit(&Blow { flags: 0x10, options: None, ..honest });
    victim.drain();
    assert_eq!(victim.info().map(|info| info.state), Some(State::Established));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn no_series_of_segments_panics_or_breaks_a_limit(
        (timestamps, keep_alive, is_active, begins_established) in any::<(bool, bool, bool, bool)>(),
        blows in proptest::collection::vec(blow(), 1..60),
    ) {
        let mut victim = Victim::new(config(timestamps, keep_alive), is_active);
        if begins_established {
            establish(&mut victim, is_active);
        }
        for blow in &blows {
            victim.hit(blow);
            victim.act(blow);
            victim.drain();
            victim.wait(blow.wait_ms);
        }
        if let Some(id) = victim.id {
            victim.stack.abort(victim.now, id);
            victim.stack.release(id);
            prop_assert_eq!(victim.info(), None);
        }
        victim.drain();
    }

    #[test]
    fn nothing_outside_the_window_changes_an_established_stream(
        blows in proptest::collection::vec((blow(), 65_536i64..i64::from(i32::MAX), any::<bool>()), 1..40),
    ) {
        let mut victim = Victim::new(config(false, false), false);
        establish(&mut victim, false);
        let id = victim.id.unwrap();
        victim.stack.reserve(id, 100).unwrap().fill(7);
        victim.stack.commit(victim.now, id, 100);
        victim.drain();
        let unchanged = |info: Info| {
            (info.state, info.rcv_nxt, info.snd_una, info.snd_nxt, info.snd_wnd, info.receive_buffered_bytes)
        };
        let before = unchanged(victim.info().unwrap());
        for (blow, distance, is_behind) in &blows {
            // Past the right edge, or wholly before the left one.
            let seq = if *is_behind { -1 - blow.len as i64 - (distance - 65_536) % 1_000_000 - 2 } else { *distance };
            victim.hit(&Blow { seq, options: None, ..blow.clone() });
            victim.drain();
            prop_assert_eq!(unchanged(victim.info().unwrap()), before);
        }
    }

    #[test]
    fn no_ack_of_what_was_never_sent_moves_anything(
        ack in 1i64..i64::from(i32::MAX), window in any::<u16>(), len in 0usize..100,
    ) {
        let mut victim = Victim::new(config(false, false), false);
        establish(&mut victim, false);
        // But the window that our answer tells.
        let unmoved = |info: Option<Info>| info.map(|info| Info { rcv_wnd: 0, ..info });
        let before = unmoved(victim.info());
        let blow = Blow {
            seq: 0, ack, flags: 0x10, window, len, timestamp: None, sack: None, options: None, action: 1,
            wait_ms: 0,
        };
        victim.hit(&blow);
        victim.drain();
        prop_assert_eq!(unmoved(victim.info()), before);
    }
}
