//! Prepared sends: that they are what the usual way would send, that nothing stale leaves, and that every
//! refusal has its reason and changes nothing.

use super::super::*;
use super::{LOCAL, REMOTE, plain};
use crate::offload::checksum::Sum;
use crate::time::{Duration, Instant};
use crate::wire::tcp::{
    Flags, Options, Repr, SackBlocks, Segment, SeqNumber, Timestamps, UserTimeout,
};

const PEER_ISS: SeqNumber = SeqNumber(u32::MAX - 1);

/// A connection and its peer, who says what it is told to.
pub(super) struct Line {
    pub(super) stack: Stack,
    pub(super) id: ConnectionId,
    pub(super) now: Instant,
    pub(super) iss: SeqNumber,
    pub(super) peer: Segment<'static>,
}

impl Line {
    pub(super) fn new(config: Config) -> Line {
        let now = Instant::from_ms(5);
        let mut stack = Stack::new(config, *b"sixteen secret b");
        let id = stack.connect(now, LOCAL, REMOTE).unwrap();
        let syn = stack.poll_transmit(now).unwrap().header;
        let echo = syn.options.timestamps.map(|ours| Timestamps { value: 70, echo: ours.value });
        let mut peer = Segment {
            src_port: REMOTE.port,
            dst_port: LOCAL.port,
            seq: PEER_ISS,
            ack: syn.seq + 1,
            flags: Flags::SYN.with(Flags::ACK),
            window: 10_000,
            options: Options { timestamps: echo, ..syn.options },
            payload: &[],
            is_ce: false,
        };
        stack.on_segment(now, REMOTE.addr, LOCAL.addr, &peer);
        (peer.seq, peer.flags) = (PEER_ISS + 1, Flags::ACK);
        peer.options = Options { timestamps: echo, ..Options::NONE };
        let mut line = Line { stack, id, now, iss: syn.seq, peer };
        line.drain();
        line
    }

    pub(super) fn drain(&mut self) -> Vec<(Repr, Vec<u8>)> {
        let mut left = Vec::new();
        while let Some(transmit) = self.stack.poll_transmit(self.now) {
            left.push((transmit.header, transmit.payload.concat()));
        }
        left
    }

    pub(super) fn hear(&mut self, segment: Segment<'static>) {
        self.stack.on_segment(self.now, REMOTE.addr, LOCAL.addr, &segment);
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.stack.reserve(self.id, bytes.len()).unwrap().copy_from_slice(bytes);
        self.stack.commit(self.now, self.id, bytes.len());
    }

    pub(super) fn prepare(&mut self) -> Prepared {
        self.stack.prepare(self.now, self.id).unwrap()
    }

    fn send(
        &mut self,
        prepared: &Prepared,
        payload: &[u8],
    ) -> Result<PreparedOut, PreparedRefusal> {
        self.stack.send_prepared(self.now, prepared, payload, 9, true)
    }

    /// That `prepared` is refused, for `why`, which is counted, and that nothing else has changed.
    fn refuses(
        &mut self,
        prepared: &Prepared,
        payload: &[u8],
        why: PreparedRefusal,
        counter: &str,
    ) {
        let before = (self.stack.info(self.id), self.stack.messages(self.id));
        let counted = self.counter(counter);
        assert_eq!(self.send(prepared, payload).unwrap_err(), why);
        assert_eq!(self.counter(counter), counted + 1, "{counter}");
        assert_eq!((self.stack.info(self.id), self.stack.messages(self.id)), before);
        assert_eq!(self.counter("tcp_prepared_out"), 0);
    }

    pub(super) fn counter(&self, name: &str) -> u64 {
        self.stack.counters().iter().find(|(found, _)| *found == name).unwrap().1
    }
}

fn stamped() -> Config {
    Config { timestamps: true, ..plain() }
}

/// What the usual way and a prepared send leave behind, and put on the wire.
#[test]
fn a_prepared_send_is_what_the_usual_way_would_send() {
    for config in [plain(), stamped(), Config { ecn: true, ..stamped() }] {
        for unread in [0, 400] {
            let [mut usual, mut ours] = [0, 1].map(|_| Line::new(config.clone()));
            let payload: Vec<u8> = (0..150).collect();
            for line in [&mut usual, &mut ours] {
                if unread > 0 {
                    let segment = Segment { payload: &[7; 400], ..line.peer };
                    line.hear(segment);
                    line.drain();
                }
            }
            let prepared = ours.prepare();
            for line in [&mut usual, &mut ours] {
                line.now = Instant::from_ms(12);
            }
            usual.write(&payload);
            let left = usual.drain();
            let [(header, bytes)] = &left[..] else { panic!("one segment: {left:?}") };
            let out = ours.send(&prepared, &payload).unwrap();
            let timestamps = out.timestamps;
            let options = Options { timestamps, ..prepared.header().options };
            assert_eq!(Repr { options, ..*prepared.header() }, *header);
            assert_eq!((out.sum.folded(), bytes), (Sum::of(&payload).folded(), &payload));
            assert_eq!(out.message, Some(MessageNumber(1)));
            assert!(ours.drain().is_empty(), "it has left already");
            let tags = |line: &Line| line.stack.outstanding(line.id).map(|m| m.tag).sum::<u32>();
            assert_eq!((tags(&usual), tags(&ours)), (0, 9));
            // What is not acknowledged is sent again from what was copied.
            for line in [&mut usual, &mut ours] {
                assert_eq!(line.stack.messages(line.id), Some((1, 0)));
                line.now = Instant::from_ms(5_000);
                line.stack.on_timeout(line.now);
            }
            assert_eq!(usual.stack.info(usual.id), ours.stack.info(ours.id));
            let (again, also) = (usual.drain(), ours.drain());
            assert_eq!((again.len(), &again), (1, &also));
            assert_eq!(also[0].1, payload);
        }
    }
}

/// One after the other, each acknowledged before the next: by the shortest way, and by the long one alone.
#[test]
fn a_prepared_send_by_the_shortest_way_is_that_by_the_long_one() {
    let [mut short, mut long] = [0, 1].map(|_| Line::new(Config::default()));
    long.stack.predicts_nothing = true;
    let mut seen = 0;
    for round in 0..40u32 {
        let lines = [&mut short, &mut long];
        let left = lines.map(|line| {
            line.peer.ack = line.stack.info(line.id).unwrap().snd_nxt;
            if round % 3 == 1 {
                line.hear(Segment { payload: b"asked", ..line.peer });
                line.peer.seq += 5;
            } else {
                line.hear(line.peer);
                line.drain();
            }
            line.now = line.now + Duration::from_us(u64::from(round) * 1_700);
            let prepared = line.prepare();
            let warmed = line.stack.warm_prepared(line.now, &prepared, &[1; 90], round % 2 == 0);
            let payload = vec![round as u8; 80 + round as usize];
            let out = line.stack.send_prepared(line.now, &prepared, &payload, round, true).unwrap();
            let told = (warmed.unwrap().sum, out.timestamps, out.sum, out.message);
            (*prepared.header(), told, line.drain(), line.stack.info(line.id))
        });
        assert_eq!(format!("{:?}", left[0]), format!("{:?}", left[1]), "round {round}");
        let outstanding = |line: &Line| line.stack.outstanding(line.id).collect::<Vec<_>>();
        assert_eq!(outstanding(&short), outstanding(&long));
        assert_eq!(short.stack.messages(short.id), long.stack.messages(long.id));
        seen += 1;
        assert_eq!((short.stack.prepared_fast, long.stack.prepared_fast), (seen, 0));
    }
    // And the last is sent again when nobody answers.
    let again = [&mut short, &mut long].map(|line| {
        while line.stack.next_timeout() < Instant::from_ms(9_000) {
            line.now = line.stack.next_timeout();
            line.stack.on_timeout(line.now);
            let left = line.drain();
            if !left.is_empty() {
                return Some((line.now, left));
            }
        }
        None
    });
    assert!(again[0].is_some());
    assert_eq!(again[0], again[1]);
}

#[test]
fn an_ack_rides_on_a_prepared_send() {
    let mut line = Line::new(plain());
    line.hear(Segment { payload: b"abc", ..line.peer });
    let prepared = line.prepare();
    assert_eq!(prepared.header().ack, PEER_ISS + 4);
    line.send(&prepared, b"answer").unwrap();
    assert!(line.drain().is_empty(), "no bare ACK is left to send");
}

#[test]
fn data_in_makes_a_prepared_header_stale_and_so_does_a_newer_timestamp_and_a_send() {
    let mut line = Line::new(stamped());
    let outdated = PreparedRefusal::Outdated;
    let prepared = line.prepare();
    line.hear(Segment { payload: b"abc", ..line.peer });
    line.drain();
    line.refuses(&prepared, b"late", outdated, "tcp_prepared_outdated");
    line.peer.seq += 3;
    let prepared = line.prepare();
    line.peer.options.timestamps = Some(Timestamps { value: 71, echo: 0 });
    line.write(b"one");
    line.drain();
    line.refuses(&prepared, b"late", outdated, "tcp_prepared_outdated");
    let prepared = line.prepare();
    line.peer.ack += 3;
    line.hear(line.peer);
    line.refuses(&prepared, b"late", outdated, "tcp_prepared_outdated");
    assert_eq!(line.stack.prepared_room(line.now, &prepared), Err(outdated));
    let prepared = line.prepare();
    assert_eq!(line.stack.prepared_room(line.now, &prepared), Ok(988));
    assert!(line.send(&prepared, b"in time").is_ok());
    assert_eq!(line.send(&prepared, b"twice").unwrap_err(), outdated);
}

#[test]
fn an_ack_alone_leaves_a_header_without_timestamps_good() {
    let mut line = Line::new(plain());
    line.write(b"one");
    line.drain();
    let prepared = line.prepare();
    line.hear(Segment { ack: line.peer.ack + 3, ..line.peer });
    assert!(line.send(&prepared, b"two").is_ok());
}

#[test]
fn a_window_that_was_opened_since_is_not_taken_back() {
    let config = Config { receive_buffer_bytes: 2_000, ..plain() };
    let mut line = Line::new(config);
    let segment = Segment { payload: &[1; 1000], ..line.peer };
    line.hear(segment);
    line.stack.keep(line.id, &[1; 1000]);
    line.drain();
    let prepared = line.prepare();
    assert_eq!(prepared.header().window, 1_000);
    line.stack.consume(line.now, line.id, 1000);
    let told = line.drain();
    assert_eq!(told[0].0.window, 2_000, "a window update has left");
    line.refuses(&prepared, b"late", PreparedRefusal::Outdated, "tcp_prepared_outdated");
}

/// RFC 7323 2.4: what rounding takes back of a window is no offence, and no reason to refuse what was just prepared.
#[test]
fn a_window_that_is_rounded_to_its_scale_leaves_a_fresh_header_good() {
    let config = Config { window_scaling: true, receive_buffer_bytes: 300_000, ..plain() };
    let mut line = Line::new(config);
    let edge = |line: &Line| {
        let info = line.stack.info(line.id).unwrap();
        info.rcv_nxt + info.rcv_wnd
    };
    for len in 1..8 {
        let segment = Segment { payload: &[7; 8][..len], ..line.peer };
        line.hear(segment);
        // It lies unread, and the window's edge stays.
        line.stack.keep(line.id, segment.payload);
        line.drain();
        line.peer.seq += len as u32;
        let (prepared, before) = (line.prepare(), edge(&line));
        line.send(&prepared, b"fresh").unwrap();
        assert_eq!(edge(&line), before);
    }
}

#[test]
fn each_refusal_has_its_reason_and_its_counter_and_changes_nothing() {
    use PreparedRefusal::*;
    let mut line = Line::new(plain());
    let prepared = line.prepare();
    line.refuses(&prepared, b"", TooLong, "tcp_prepared_too_long");
    line.refuses(&prepared, &[0; 1001], TooLong, "tcp_prepared_too_long");
    // Of a message.
    let mut brief = Line::new(Config { message_bytes_max: 100, ..plain() });
    let of_brief = brief.prepare();
    brief.refuses(&of_brief, &[0; 101], TooLong, "tcp_prepared_too_long");
    // The peer's window.
    line.hear(Segment { window: 99, ..line.peer });
    line.refuses(&prepared, &[0; 100], NoWindow, "tcp_prepared_no_window");
    assert_eq!(line.stack.prepared_room(line.now, &prepared), Ok(99));
    // Bytes that wait for it.
    line.write(&[0; 500]);
    line.drain();
    line.refuses(&prepared, b"x", Queued, "tcp_prepared_queued");
    // The congestion window.
    let none = CongestionControl::None { in_flight_bytes_max: 1_000 };
    let mut line = Line::new(Config { congestion: none, ..plain() });
    line.write(&[0; 600]);
    line.drain();
    let prepared = line.prepare();
    line.refuses(&prepared, &[0; 500], NoCongestionWindow, "tcp_prepared_no_cwnd");
    // The send buffer.
    let small = Config { send_buffer_bytes: 700, message_bytes_max: 700, ..plain() };
    let mut line = Line::new(small);
    line.write(&[0; 600]);
    line.drain();
    let prepared = line.prepare();
    line.refuses(&prepared, &[0; 101], QueueFull, "tcp_prepared_queue_full");
    // By Nagle's algorithm, while anything is in flight.
    let mut line = Line::new(Config { nagle: true, ..plain() });
    line.write(&[0; 600]);
    line.drain();
    let prepared = line.prepare();
    line.refuses(&prepared, &[0; 999], Waits, "tcp_prepared_waits");
    assert_eq!(line.stack.prepared_room(line.now, &prepared), Err(Waits));
    // Whose turn has not come, where segments are paced.
    let mut line = Line::new(Config { pacing: true, ..plain() });
    line.write(&[0; 600]);
    line.drain();
    let prepared = line.prepare();
    line.refuses(&prepared, b"x", Waits, "tcp_prepared_waits");
    // A hole in what the peer sends, which the next segment has to tell of.
    let mut line = Line::new(plain());
    let prepared = line.prepare();
    line.hear(Segment { seq: line.peer.seq + 10, payload: b"ahead", ..line.peer });
    line.refuses(&prepared, b"x", Repairing, "tcp_prepared_repairing");
    // A loss of ours.
    let mut line = Line::new(plain());
    for _ in 0..2 {
        line.write(&[0; 300]);
        line.drain();
    }
    let prepared = line.prepare();
    let held = SackBlocks::of(line.iss + 301, line.iss + 601);
    let options = Options { sack: Some(held), ..Options::NONE };
    line.hear(Segment { options, ..line.peer });
    line.refuses(&prepared, b"x", Repairing, "tcp_prepared_repairing");
    // The end.
    let mut line = Line::new(plain());
    let prepared = line.prepare();
    line.stack.shutdown(line.now, line.id);
    line.refuses(&prepared, b"x", Closed, "tcp_prepared_closed");
    assert_eq!(line.stack.prepare(line.now, line.id).unwrap_err(), Closed);
    line.stack.abort(line.now, line.id);
    line.stack.release(line.id);
    line.refuses(&prepared, b"x", StaleId, "tcp_stale_id");
    // The beginning.
    let mut stack = Stack::new(plain(), [1; 16]);
    let id = stack.connect(Instant::ZERO, LOCAL, REMOTE).unwrap();
    assert_eq!(stack.prepare(Instant::ZERO, id).unwrap_err(), NotConnected);
    assert_eq!(stack.counters().of(Count::PreparedNotConnected), 1);
}

#[test]
fn a_prepared_send_is_paced_like_any_other() {
    let mut line = Line::new(Config { pacing: true, ..plain() });
    line.write(b"one");
    line.drain();
    line.now = line.now + Duration::from_ms(10);
    line.stack.on_timeout(line.now);
    line.hear(Segment { ack: line.peer.ack + 3, ..line.peer });
    let (prepared, next) = (line.prepare(), line.stack.next_timeout());
    line.stack.warm_prepared(line.now, &prepared, &[0; 600], true).unwrap();
    assert_eq!(line.stack.next_timeout(), next, "what is warmed takes no turn");
    line.send(&prepared, &[0; 600]).unwrap();
    let prepared = line.prepare();
    assert_eq!(line.send(&prepared, b"x").unwrap_err(), PreparedRefusal::Waits);
    assert_eq!(line.counter("tcp_prepared_waits"), 1);
    line.write(&[0; 600]);
    assert!(line.drain().is_empty(), "the usual way waits after it, too");
    let turn_at = line.stack.next_timeout();
    assert!(line.now < turn_at && turn_at < line.now + Duration::from_ms(1), "{turn_at:?}");
    line.now = turn_at;
    line.stack.on_timeout(line.now);
    assert_eq!(line.drain().len(), 1);
}

#[test]
fn nothing_stale_leaves_by_a_prepared_send_either() {
    let stale_after = Some(Duration::from_ms(100));
    let mut line = Line::new(Config { stale_after, ..plain() });
    line.write(b"old");
    line.drain();
    let prepared = line.prepare();
    line.now = Instant::from_ms(105);
    assert_eq!(line.send(&prepared, b"new").unwrap_err(), PreparedRefusal::Closed);
    let left = line.drain();
    assert!(left.len() == 1 && left[0].0.flags.has(Flags::RST), "{left:?}");
    // And what was sent by one is watched.
    let mut line = Line::new(Config { stale_after, ..plain() });
    let prepared = line.prepare();
    line.send(&prepared, b"new").unwrap();
    assert!(line.stack.next_timeout() <= Instant::from_ms(105));
    line.now = Instant::from_ms(105);
    line.stack.on_timeout(line.now);
    assert_eq!(line.stack.info(line.id).unwrap().state, State::Closed);
}

#[test]
fn warming_sends_nothing_and_changes_nothing() {
    for config in [plain(), stamped()] {
        for busy in [false, true] {
            let [mut warm, mut cold] = [0, 1].map(|_| Line::new(config.clone()));
            for line in [&mut warm, &mut cold] {
                line.hear(Segment { payload: b"abc", ..line.peer });
                if busy {
                    line.write(&[3; 200]);
                    line.drain();
                }
            }
            let prepared = warm.prepare();
            for _ in 0..3_000 {
                let out = warm.stack.warm_prepared(warm.now, &prepared, &[8; 500], true).unwrap();
                assert_eq!(out.message, None);
            }
            let of = |line: &Line| (line.stack.info(line.id), line.stack.messages(line.id));
            assert_eq!(of(&warm), of(&cold));
            assert_eq!(warm.stack.next_timeout(), cold.stack.next_timeout());
            let woken_by = |line: &Line| line.stack.connections[line.id.index()].woken_by;
            assert_eq!(woken_by(&warm), woken_by(&cold), "who is not woken forgets a deadline");
            assert_eq!(warm.drain(), cold.drain(), "the ACK is still owed, if it was");
            let counters = |line: &Line| -> Vec<_> {
                let all = line.stack.counters().iter();
                all.filter(|(name, _)| *name != "tcp_path_warmed").collect()
            };
            assert_eq!(counters(&warm), counters(&cold));
            assert_eq!(warm.counter("tcp_path_warmed"), 3_000);
            // What is sent after it is the same, and so is what is sent again.
            for line in [&mut warm, &mut cold] {
                let prepared = line.prepare();
                line.send(&prepared, b"the real one").unwrap();
                line.now = Instant::from_ms(5_000);
                line.stack.on_timeout(line.now);
            }
            assert_eq!(warm.drain(), cold.drain());
            assert_eq!(of(&warm), of(&cold));
        }
    }
}

#[test]
fn a_probe_that_is_due_still_leaves_after_warming() {
    let [idle, interval] = [1_000, 100].map(Duration::from_ms);
    let keep_alive = Some(KeepAlive { idle, interval, probes: 1 });
    for warms in [false, true] {
        let mut line = Line::new(Config { keep_alive, ..plain() });
        line.now = line.now + idle;
        let prepared = line.prepare();
        line.stack.on_timeout(line.now);
        if warms {
            line.stack.warm_prepared(line.now, &prepared, &[0; 50], false).unwrap();
        }
        assert_eq!(line.drain().len(), 1, "warmed: {warms}");
    }
}

#[test]
fn warming_is_refused_where_the_send_would_be() {
    let mut line = Line::new(plain());
    let prepared = line.prepare();
    line.hear(Segment { payload: b"abc", ..line.peer });
    let refused = line.stack.warm_prepared(line.now, &prepared, b"x", false).unwrap_err();
    assert_eq!(refused, PreparedRefusal::Outdated);
}

/// RFC 5482 3: no short cut forgets to tell of a user timeout that is due.
#[test]
fn user_timeout_that_is_due_leaves_the_long_way() {
    let mut line = Line::new(plain());
    let told = UserTimeout::of(Duration::from_s(90));
    let option = UserTimeoutOption { advertised: told, adopts: None };
    let terms = Terms { user_timeout_option: Some(option), ..line.stack.terms() };
    line.stack.set_terms(line.id, &terms);
    let prepared = line.prepare();
    line.refuses(&prepared, b"12", PreparedRefusal::Repairing, "tcp_prepared_repairing");
    line.write(b"12");
    let turn = line.stack.next_transmit().unwrap();
    assert_eq!(line.stack.rest(turn), None);
    let header = line.stack.transmit(line.now, turn).unwrap().header;
    assert_eq!(header.options.user_timeout, Some(told));
    line.write(b"34");
    let turn = line.stack.next_transmit().unwrap();
    assert!(line.stack.rest(turn).is_some(), "it is told once");
}
