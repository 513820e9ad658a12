//! How the two begin: from the first SYN to an open connection, with what comes in between that is no part of it.

use fixwire::tcp::{Config, Stack};
use fixwire::time::Instant;
use fixwire::wire::tcp::{Flags, Options, SeqNumber, Timestamps};

use super::drive::{LOCAL, PEER_ISS, Pair, Played, REMOTE, Told, segment};
use super::leaving::look_at_marks;
use super::model::{ACK, CWR, ECE, Model, SYN, State};
use super::ops::{Beginning, Op, Ops};

/// By so much the peer's windows are shifted where scaling is agreed on (RFC 7323 2.2), and its first timestamp: they wrap
/// before long, too.
const PEER_SHIFT: u8 = 3;
const PEER_STAMP: u32 = u32::MAX - 5_000;

impl Pair {
    /// A SYN of ours has left, or one has come to a listener.
    pub(crate) fn begin(beginning: &Beginning) -> Pair {
        let config = Config {
            connections_max: 1,
            receive_buffer_bytes: beginning.receive_buffer_bytes,
            mss: 1_000,
            timestamps: beginning.ours.timestamps,
            window_scaling: beginning.ours.scaling,
            sack: beginning.ours.sack,
            ecn: beginning.ours.ecn,
            // Whether an answer is due is what is compared, not how many are let out.
            challenge_acks_per_s: u16::MAX,
            ..Config::default()
        };
        let mut stack = Stack::new(config.clone(), [7; 16]);
        let now = Instant::from_ms(1);
        let (id, model, listener) = if beginning.is_active {
            let id = stack.connect(now, LOCAL, REMOTE).expect("nothing is in the way");
            (id, Model::syn_sent(beginning.ours.ecn), None)
        } else {
            let listener = stack.listen(LOCAL).expect("nothing is in the way");
            let flags = SYN | marks(beginning, false);
            let (ack, options) = (SeqNumber(0), syn_options(beginning, 0));
            let syn = segment(Flags(flags), PEER_ISS, ack, beginning.window, options, &[]);
            let arrival = stack.on_segment(now, REMOTE.addr, LOCAL.addr, &syn);
            (
                arrival.connection.expect("a connection"),
                Model::syn_received(beginning.ours.ecn, flags),
                Some(listener),
            )
        };
        let transmit = stack.poll_transmit(now).expect("a SYN");
        look_at_marks(&model, &transmit);
        let sent = transmit.header;
        let shift = sent.options.window_scale.unwrap_or(0);
        let mut pair = Pair {
            config,
            stack,
            id,
            model,
            now,
            our_iss: sent.seq,
            their_iss: PEER_ISS,
            read: Vec::new(),
            is_active: beginning.is_active,
            is_connected: false,
            closed: None,
            shifts: (0, 0),
            our_shift: shift,
            stamp: sent.options.timestamps.map_or(0, |stamps| stamps.value),
            kept: None,
            waits_until: Instant::FAR_FUTURE,
            listener,
            played: Played::default(),
        };
        pair.model.rcv_edge = 1 + i64::from(sent.window);
        let told = (beginning.receive_buffer_bytes as i64).min(65_535);
        assert_eq!(i64::from(sent.window), told, "the window of our SYN");
        if !beginning.is_active {
            let theirs = &beginning.theirs;
            pair.agree(theirs.scaling, theirs.timestamps.then_some(PEER_STAMP));
        }
        pair
    }

    /// What a SYN of the peer's has agreed on.
    pub(crate) fn agree(&mut self, scaling: bool, stamp: Option<u32>) {
        if scaling && self.config.window_scaling {
            self.shifts = (PEER_SHIFT, self.our_shift);
        }
        self.model.ts_recent = stamp.filter(|_| self.config.timestamps);
    }

    /// Segments that are no part of the handshake, and then those that are.
    pub(crate) fn open(&mut self, beginning: &Beginning, ops: &mut Ops<'_>) {
        for op in ops.by_ref().take(beginning.hostile.into()) {
            let Op::Comes(coming) = op else { continue };
            if self.model.is_open() {
                break;
            }
            let op = Op::Comes(coming.of_handshake());
            self.step(&op);
            self.compare(&op);
            self.played.hostile += 1;
        }
        let (window, theirs) = (beginning.window, &beginning.theirs);
        if self.model.state == State::SynSent {
            let ack = if beginning.is_simultaneous { 0 } else { ACK };
            self.their_iss = PEER_ISS;
            let flags = SYN | ack | marks(beginning, !beginning.is_simultaneous);
            let syn = Told { flags, seq: 0, ack: 1, window, payload: &[] };
            self.hear(&syn, syn_options(beginning, self.stamp), &"a SYN");
            let stamp = (beginning.ours.timestamps && theirs.timestamps).then_some(PEER_STAMP);
            assert_eq!(self.model.ts_recent, stamp);
        }
        if self.model.state == State::SynReceived {
            let timestamps =
                self.model.ts_recent.map(|value| Timestamps { value, echo: self.stamp });
            let (flags, seq) = if beginning.ends_by_syn {
                (SYN | ACK | marks(beginning, true), 0)
            } else {
                (ACK, 1)
            };
            let last = Told { flags, seq, ack: 1, window, payload: &[] };
            self.hear(&last, Options { timestamps, ..Options::NONE }, &"the last ACK");
        }
        if let Some(listener) = self.listener.take() {
            // A SYN in TIME-WAIT would begin another connection, of which the model knows nothing.
            self.stack.unlisten(listener);
        }
        self.played.refused += u64::from(self.model.state == State::Closed);
        self.compare(&Op::Wait { ms: 0 });
    }
}

/// The options of the peer's SYN.
fn syn_options(beginning: &Beginning, echo: u32) -> Options {
    Options {
        mss: Some(beginning.mss),
        sack_permitted: beginning.theirs.sack,
        window_scale: beginning.theirs.scaling.then_some(PEER_SHIFT),
        timestamps: beginning.theirs.timestamps.then_some(Timestamps { value: PEER_STAMP, echo }),
        ..Options::NONE
    }
}

/// What the peer's SYN says of congestion notification, or its SYN-ACK (RFC 3168 6.1.1).
fn marks(beginning: &Beginning, has_ack: bool) -> u8 {
    match (beginning.theirs.ecn, has_ack != beginning.mistakes_marks) {
        (false, _) => 0,
        (true, false) => ECE | CWR,
        (true, true) => ECE,
    }
}
