//! A connection as RFC 9293, 3.10.7.4, tells it, step by step, from ESTABLISHED on: every byte by itself, no number
//! that wraps, no short path. What RFC 5961 and RFC 1337 say is in it, and what we allow ourselves is named.

use std::collections::BTreeMap;

/// RFC 9293, 3.3.2, where a connection has been established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
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

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

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
    snd_wnd_max: i64,
    snd_wl: (i64, i64),
    /// The right edge of the largest window that the peer gave.
    pub(crate) snd_edge: i64,
    pub(crate) rcv_nxt: i64,
    /// The right edge of the window that we gave.
    pub(crate) rcv_edge: i64,
    /// Every byte that came and was taken, by its number; and the number of the FIN.
    bytes: BTreeMap<i64, u8>,
    fin_at: Option<i64>,
    fin_received: bool,
    /// TS.Recent, where timestamps are agreed on, and what was acknowledged last.
    pub(crate) ts_recent: Option<u32>,
    pub(crate) last_ack_sent: i64,
}

impl Model {
    /// As a handshake leaves it, in which the peer gave `window`.
    pub(crate) fn established(window: i64, wl: (i64, i64)) -> Model {
        Model {
            state: State::Established,
            snd_una: 1,
            snd_nxt: 1,
            written: Vec::new(),
            has_shut: false,
            fin_sent: false,
            snd_wnd_max: window,
            snd_wl: wl,
            snd_edge: 1 + window,
            rcv_nxt: 1,
            rcv_edge: 1,
            bytes: BTreeMap::new(),
            fin_at: None,
            fin_received: false,
            ts_recent: None,
            last_ack_sent: 1,
        }
    }

    /// The stream that has come in order.
    pub(crate) fn received(&self) -> impl Iterator<Item = u8> + '_ {
        let end = self.rcv_nxt - i64::from(self.fin_received);
        self.bytes.range(..end).map(|(_, byte)| *byte)
    }

    pub(crate) fn shut_down(&mut self) {
        match self.state {
            State::Established => self.state = State::FinWait1,
            State::CloseWait => self.state = State::LastAck,
            _ => return,
        }
        self.has_shut = true;
    }

    /// Takes a segment in.
    pub(crate) fn arrive(&mut self, segment: &Segment<'_>) -> Answer {
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
        if segment.ack < self.snd_una - self.snd_wnd_max || segment.ack > self.snd_nxt {
            return Answer::Ack;
        }
        let is_fin_again = segment.flags & FIN != 0
            && segment.seq + segment.payload.len() as i64 + 1 == self.rcv_nxt;
        let takes_stamps = self.state != State::TimeWait || is_fin_again;
        self.take_ack(segment);
        // RFC 7323, 4.3; in TIME-WAIT of the FIN alone, of which it is to be a copy.
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

    fn take_ack(&mut self, segment: &Segment<'_>) {
        if segment.ack >= self.snd_una {
            self.snd_una = segment.ack;
            let wl = (segment.seq, segment.ack);
            if self.snd_wl.0 < wl.0 || self.snd_wl.0 == wl.0 && self.snd_wl.1 <= wl.1 {
                self.snd_wl = wl;
                self.snd_wnd_max = self.snd_wnd_max.max(segment.window);
                self.snd_edge = self.snd_edge.max(segment.ack + segment.window);
            }
        }
        if self.fin_sent && self.snd_una == self.snd_nxt {
            match self.state {
                State::FinWait1 => self.state = State::FinWait2,
                State::Closing => self.state = State::TimeWait,
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
                self.bytes.last_key_value().is_some_and(|(at, _)| *at >= end.max(self.rcv_nxt));
            if !is_contradicted {
                self.fin_at = Some(end);
            }
        }
        for (number, byte) in (segment.seq..).zip(segment.payload) {
            if number >= self.rcv_nxt && number < last {
                self.bytes.entry(number).or_insert(*byte);
            }
        }
        self.let_go_of_the_farthest();
        while self.bytes.contains_key(&self.rcv_nxt) {
            self.rcv_nxt += 1;
        }
        if self.fin_at == Some(self.rcv_nxt) {
            self.rcv_nxt += 1;
            self.fin_received = true;
            self.state = match self.state {
                State::Established => State::CloseWait,
                State::FinWait1 => State::Closing,
                State::FinWait2 => State::TimeWait,
                state => state,
            };
        }
        Answer::Ack
    }

    fn let_go_of_the_farthest(&mut self) {
        let ahead: Vec<i64> = self.bytes.range(self.rcv_nxt..).map(|(at, _)| *at).collect();
        let begins = |at: &&i64| **at > self.rcv_nxt && !self.bytes.contains_key(&(**at - 1));
        let ranges: Vec<i64> = ahead.iter().filter(begins).copied().collect();
        if ranges.len() > RANGES_MAX {
            self.bytes.split_off(&ranges[RANGES_MAX]);
        }
    }
}

/// Whether a timestamp is older than another, by half of all there are (RFC 7323, 5.2).
fn is_before(stamp: u32, other: u32) -> bool {
    stamp != other && other.wrapping_sub(stamp) < 1 << 31
}
