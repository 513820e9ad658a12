//! A connection as RFC 9293, 3.10.7.3 and 3.10.7.4, tell it, step by step, from its SYN on: every byte by itself, no
//! number that wraps, no short path. What RFC 5961 and RFC 1337 say is in it, and what we allow ourselves is named.

use std::collections::BTreeMap;

/// RFC 9293, 3.3.2, where there is a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
    Closed,
}

/// Ranges ahead of their turn that are held at most: the farthest is let go of.
const RANGES_MAX: usize = 32;

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;
pub(crate) const ECE: u8 = 0x40;
pub(crate) const CWR: u8 = 0x80;

/// A segment, its numbers counted from each side's SYN without end; negative ones lie before it.
pub(crate) struct Segment<'a> {
    pub(crate) flags: u8,
    pub(crate) seq: i64,
    pub(crate) ack: i64,
    pub(crate) window: i64,
    pub(crate) payload: &'a [u8],
    /// Where timestamps are agreed on.
    pub(crate) stamp: Option<u32>,
}

/// What has to leave for a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing at all.
    Nothing,
    /// An ACK, by itself or on something.
    Ack,
    /// A reset.
    Reset,
    /// What there is to send, if anything.
    Whatever,
}

/// The connection.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) state: State,
    pub(crate) snd_una: i64,
    pub(crate) snd_nxt: i64,
    /// All that the application has written.
    pub(crate) written: Vec<u8>,
    pub(crate) has_shut: bool,
    pub(crate) fin_sent: bool,
    /// From SND.UNA on.
    pub(crate) snd_wnd: i64,
    snd_wnd_max: i64,
    snd_wl: (i64, i64),
    /// The right edge of the largest window that the peer gave.
    pub(crate) snd_edge: i64,
    pub(crate) rcv_nxt: i64,
    /// The right edge of the window that we gave.
    pub(crate) rcv_edge: i64,
    /// All that has come in order; every byte that was taken ahead of its turn, by its number; and the number of the FIN.
    pub(crate) received: Vec<u8>,
    ahead: BTreeMap<i64, u8>,
    fin_at: Option<i64>,
    fin_received: bool,
    /// TS.Recent, where timestamps are agreed on, and what was acknowledged last.
    pub(crate) ts_recent: Option<u32>,
    pub(crate) last_ack_sent: i64,
    /// Every SYN has said that it knows of congestion notification, ours and those of the peer.
    pub(crate) ecn: bool,
    /// How often TIME-WAIT has begun.
    pub(crate) time_waits: u32,
}

impl Model {
    /// Our SYN has left.
    pub(crate) fn syn_sent(ecn: bool) -> Model {
        Model {
            state: State::SynSent,
            snd_una: 0,
            snd_nxt: 1,
            written: Vec::new(),
            has_shut: false,
            fin_sent: false,
            snd_wnd: 0,
            snd_wnd_max: 0,
            snd_wl: (0, 0),
            snd_edge: 1,
            rcv_nxt: 1,
            rcv_edge: 1,
            received: Vec::new(),
            ahead: BTreeMap::new(),
            fin_at: None,
            fin_received: false,
            ts_recent: None,
            last_ack_sent: 1,
            ecn,
            time_waits: 0,
        }
    }

    /// A SYN has come to a listener.
    pub(crate) fn syn_received(ecn: bool, flags: u8) -> Model {
        let mut model = Model { state: State::SynReceived, ..Model::syn_sent(ecn) };
        model.hear_syn(flags);
        model
    }

    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state, State::SynSent | State::SynReceived)
    }

    pub(crate) fn shut_down(&mut self) {
        match self.state {
            State::Established => self.state = State::FinWait1,
            State::CloseWait => self.state = State::LastAck,
            _ => return,
        }
        self.has_shut = true;
    }

    /// RFC 9293, 3.10.7.3. A SYN has the number 0, and no text.
    fn arrive_in_syn_sent(&mut self, segment: &Segment<'_>) -> Answer {
        let has = |flag| segment.flags & flag != 0;
        if has(ACK) && segment.ack != self.snd_nxt {
            return if has(RST) { Answer::Nothing } else { Answer::Reset };
        }
        if has(RST) {
            if has(ACK) {
                self.state = State::Closed;
            }
            return Answer::Nothing;
        }
        if !has(SYN) {
            return Answer::Nothing;
        }
        self.hear_syn(segment.flags);
        self.state = State::SynReceived;
        self.ts_recent = segment.stamp;
        if has(ACK) {
            self.establish(segment);
        }
        Answer::Ack
    }

    /// RFC 3168, 6.1.1 and 6.1.1.1: asked by both flags, answered by one; and a SYN that does neither ends it.
    fn hear_syn(&mut self, flags: u8) {
        self.ecn &= flags & (ECE | CWR) == if flags & ACK == 0 { ECE | CWR } else { ECE };
    }

    /// The first ACK: its window counts wherever it begins, and no SYN's before it does.
    fn establish(&mut self, segment: &Segment<'_>) {
        self.state = State::Established;
        self.snd_una = segment.ack;
        (self.snd_wnd, self.snd_wnd_max) = (segment.window, segment.window);
        self.snd_wl = (segment.seq, segment.ack);
        self.snd_edge = segment.ack + segment.window;
    }

    /// The peer's SYN again, or what ends a simultaneous open (RFC 9293, 3.5, figure 7): a SYN-ACK. We take it for that
    /// where we have not opened ourselves, too.
    fn arrive_as_syn_again(&mut self, segment: &Segment<'_>) -> Answer {
        self.hear_syn(segment.flags);
        if segment.flags & ACK != 0 {
            if segment.ack != self.snd_nxt {
                return Answer::Reset;
            }
            self.establish(segment);
            // RFC 7323, 4.3: it begins before what was acknowledged.
            if let (Some(recent), Some(stamp)) = (&mut self.ts_recent, segment.stamp) {
                *recent = stamp;
            }
        }
        Answer::Ack
    }

    /// Takes a segment in.
    pub(crate) fn arrive(&mut self, segment: &Segment<'_>) -> Answer {
        if self.state == State::SynSent {
            return self.arrive_in_syn_sent(segment);
        }
        // RFC 7323, 5.3, R1, and 3.2: the timestamp.
        if let (Some(recent), 0) = (self.ts_recent, segment.flags & RST) {
            match segment.stamp {
                Some(stamp) if is_before(stamp, recent) => return Answer::Ack,
                Some(_) => {}
                // A peer that has lost its memory is to be told.
                None if segment.flags & SYN != 0 => {}
                None => return Answer::Nothing,
            }
        }
        let is_syn = segment.flags & (SYN | RST) == SYN;
        if self.state == State::SynReceived && is_syn && segment.seq == 0 {
            return self.arrive_as_syn_again(segment);
        }
        // 3.10.7.4, TIME-WAIT: what can arrive is the FIN again, though it lies before the window.
        if self.state == State::TimeWait && self.is_fin_again(segment) {
            self.time_waits += 1;
            self.ts_recent = self.ts_recent.and(segment.stamp);
            return Answer::Ack;
        }
        // First: the sequence number.
        if !self.is_acceptable(segment) {
            return if segment.flags & RST != 0 { Answer::Nothing } else { Answer::Ack };
        }
        // Second: the RST. RFC 1337 keeps TIME-WAIT from it, RFC 5961, 3.2, wants the exact number.
        if segment.flags & RST != 0 {
            if self.state == State::TimeWait {
                return Answer::Nothing;
            }
            if segment.seq != self.rcv_nxt {
                return Answer::Ack;
            }
            self.state = State::Closed;
            return Answer::Nothing;
        }
        // Fourth: the SYN, RFC 5961, 4.2.
        if segment.flags & SYN != 0 {
            return Answer::Ack;
        }
        // Fifth: the ACK, RFC 5961, 5.2.
        if segment.flags & ACK == 0 {
            return Answer::Nothing;
        }
        if self.state == State::SynReceived {
            if segment.ack != self.snd_nxt {
                return Answer::Reset;
            }
            self.establish(segment);
        }
        if segment.ack < self.snd_una - self.snd_wnd_max || segment.ack > self.snd_nxt {
            return Answer::Ack;
        }
        let takes_stamps = self.state != State::TimeWait;
        self.take_ack(segment);
        // RFC 7323, 4.3; in TIME-WAIT of the FIN alone, which is a copy of what was acceptable.
        if takes_stamps
            && let (Some(recent), Some(stamp)) = (&mut self.ts_recent, segment.stamp)
            && segment.seq <= self.last_ack_sent
        {
            *recent = stamp;
        }
        if matches!(self.state, State::TimeWait | State::Closed) {
            return Answer::Whatever;
        }
        self.take_text(segment)
    }

    /// Table 6, and two allowances: with the window closed what begins at RCV.NXT is looked at for its ACK, and a
    /// segment with nothing in it may stand at the right edge.
    fn is_acceptable(&self, segment: &Segment<'_>) -> bool {
        let is_syn = i64::from(segment.flags & SYN != 0);
        let is_fin = i64::from(segment.flags & FIN != 0);
        let len = segment.payload.len() as i64 + is_syn + is_fin;
        let (nxt, edge) = (self.rcv_nxt, self.rcv_edge.max(self.rcv_nxt));
        let is_within = |number: i64| nxt <= number && number < edge;
        if len == 0 {
            let is_at_edge = segment.seq == edge && segment.flags & RST == 0;
            return segment.seq == nxt || is_within(segment.seq) || is_at_edge;
        }
        segment.seq == nxt || is_within(segment.seq) || is_within(segment.seq + len - 1)
    }

    /// RFC 9293, 3.10.7.4, eighth; of TIME-WAIT, where the FIN is the last number.
    fn is_fin_again(&self, segment: &Segment<'_>) -> bool {
        let end = segment.seq + segment.payload.len() as i64;
        segment.flags & (FIN | SYN | RST | ACK) == FIN | ACK && end + 1 == self.rcv_nxt
    }

    fn begin_time_wait(&mut self) {
        self.state = State::TimeWait;
        self.time_waits += 1;
    }

    /// An ACK of something new whose window is older than the last one uses up of that: it does not move its edge.
    fn take_ack(&mut self, segment: &Segment<'_>) {
        if segment.ack >= self.snd_una {
            self.snd_wnd = (self.snd_wnd - (segment.ack - self.snd_una)).max(0);
            self.snd_una = segment.ack;
            let wl = (segment.seq, segment.ack);
            if self.snd_wl.0 < wl.0 || self.snd_wl.0 == wl.0 && self.snd_wl.1 <= wl.1 {
                self.snd_wl = wl;
                self.snd_wnd = segment.window;
                self.snd_wnd_max = self.snd_wnd_max.max(segment.window);
                self.snd_edge = self.snd_edge.max(segment.ack + segment.window);
            }
        }
        if self.fin_sent && self.snd_una == self.snd_nxt {
            match self.state {
                State::FinWait1 => self.state = State::FinWait2,
                State::Closing => self.begin_time_wait(),
                State::LastAck => self.state = State::Closed,
                _ => {}
            }
        }
    }

    /// Seventh and eighth: the text and the FIN.
    fn take_text(&mut self, segment: &Segment<'_>) -> Answer {
        let is_fin = segment.flags & FIN != 0;
        if segment.payload.is_empty() && !is_fin {
            return Answer::Whatever;
        }
        if self.fin_received {
            return Answer::Ack;
        }
        let end = segment.seq + segment.payload.len() as i64;
        let last = self.fin_at.map_or(self.rcv_edge, |fin| fin.min(self.rcv_edge));
        if is_fin && self.fin_at.is_none() && end <= last && end >= self.rcv_nxt {
            // A FIN before bytes that are held contradicts them: what came first is believed.
            let is_contradicted =
                self.ahead.last_key_value().is_some_and(|(at, _)| *at >= end.max(self.rcv_nxt));
            if !is_contradicted {
                self.fin_at = Some(end);
            }
        }
        for (number, byte) in (segment.seq..).zip(segment.payload) {
            if number >= self.rcv_nxt && number < last {
                self.ahead.entry(number).or_insert(*byte);
            }
        }
        self.let_go_of_the_farthest();
        while let Some(byte) = self.ahead.remove(&self.rcv_nxt) {
            self.received.push(byte);
            self.rcv_nxt += 1;
        }
        if self.fin_at == Some(self.rcv_nxt) {
            self.rcv_nxt += 1;
            self.fin_received = true;
            match self.state {
                State::Established => self.state = State::CloseWait,
                State::FinWait1 => self.state = State::Closing,
                State::FinWait2 => self.begin_time_wait(),
                _ => {}
            }
        }
        Answer::Ack
    }

    fn let_go_of_the_farthest(&mut self) {
        let begins = |at: &i64| *at > self.rcv_nxt && !self.ahead.contains_key(&(at - 1));
        let ranges: Vec<i64> = self.ahead.keys().copied().filter(begins).collect();
        if ranges.len() > RANGES_MAX {
            self.ahead.split_off(&ranges[RANGES_MAX]);
        }
    }
}

/// Whether a timestamp is older than another, by half of all there are (RFC 7323, 5.2).
fn is_before(stamp: u32, other: u32) -> bool {
    stamp != other && other.wrapping_sub(stamp) < 1 << 31
}
