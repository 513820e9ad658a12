//! From nothing to ESTABLISHED: active, passive and simultaneous open (RFC 9293 3.5).

use super::config::{Config, Terms};
use super::connection::{
    Connection, Context, SEND_MSS_DEFAULT, SEND_MSS_MIN, State, TIMESTAMPS_LEN, WINDOW_FIELD_MAX,
};
use super::counters::Count;
use super::event::Closed;
use super::reset::Reset;
use super::terms::KeptTerms;
use super::timestamps::Timestamping;
use crate::time::Instant;
use crate::wire::tcp::{Flags, Options, Segment};

impl Connection {
    /// Begins an active open: a SYN is due.
    pub(super) fn open(&mut self, cx: &mut Context<'_>, timestamp_offset: u32) {
        cx.count(Count::ConnectActive);
        self.is_known = true;
        self.state = State::SynSent;
        self.offer_timestamps(cx.config, timestamp_offset);
        self.syn_due = true;
        // It runs from here on: a SYN that cannot even leave, for want of ARP, is given up too.
        self.start_retransmit_timer(cx);
    }

    fn offer_timestamps(&mut self, config: &Config, offset: u32) {
        self.set_stamps(config.timestamps.then(|| Timestamping::new(offset)));
    }

    /// Begins a passive open: `syn` came for a listener, and a SYN-ACK is due (RFC 9293 3.10.7.2).
    pub(super) fn accept(
        &mut self,
        cx: &mut Context<'_>,
        syn: &Segment<'_>,
        timestamp_offset: u32,
    ) {
        cx.count(Count::ConnectPassive);
        self.state = State::SynReceived;
        self.offer_timestamps(cx.config, timestamp_offset);
        self.take_syn(cx, syn);
        self.syn_due = true;
        // As of ours: a SYN-ACK that cannot even leave takes a place of the backlog for no longer than one that is lost.
        self.start_retransmit_timer(cx);
    }

    /// The SYN-ACK of this connection left before it began, as a cookie.
    pub(super) fn resume_from_cookie(&mut self, cx: &mut Context<'_>) {
        (self.syn_due, self.is_of_cookie) = (false, true);
        self.snd_nxt = self.iss + 1;
        self.start_retransmit_timer(cx);
    }

    /// A segment in SYN-SENT (RFC 9293 3.10.7.3).
    pub(super) fn on_segment_in_syn_sent(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        let has_ack = segment.flags.has(Flags::ACK);
        let is_reset = segment.flags.has(Flags::RST);
        // First, the ACK: only our SYN can be acknowledged, and only once it has left.
        if has_ack && (segment.ack != self.iss + 1 || self.snd_nxt != self.iss + 1) {
            cx.count(Count::HandshakeAckWrong);
            self.answer_by_reset(cx, segment);
            return;
        }
        // Second, the RST. Without an acceptable ACK it may be anybody's.
        if is_reset {
            if has_ack {
                self.end(cx, Closed::Refused);
            } else {
                cx.count(Count::ResetIgnored);
            }
            return;
        }
        if !segment.flags.has(Flags::SYN) {
            cx.count(Count::SynMissing);
            return;
        }
        // Fourth, the SYN.
        self.take_syn(cx, segment);
        if has_ack {
            self.syn_due = false;
            self.establish(cx, segment);
            self.owe_ack();
            self.take_text_of_syn_ack(cx, segment);
        } else {
            self.state = State::SynReceived;
            self.syn_due = true;
        }
    }

    /// RFC 9293 3.10.7.3: what else a SYN-ACK carries is taken like any other segment's. Nobody has been told
    /// yet that there is a connection: the text is kept until it is read.
    fn take_text_of_syn_ack(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        let flags = Flags(segment.flags.0 & !Flags::SYN.0);
        let rest = Segment { seq: segment.seq + 1, flags, ..*segment };
        if let Some(taken) = self.take_text_and_fin(cx, &rest) {
            self.note_receipt(cx, rest.seq + taken.fresh.start as u32, taken.fresh.len() as u32);
            self.receive.keep(&rest.payload[taken.fresh]);
        }
    }

    /// Our SYN is acknowledged by `segment`, and the peer's has come.
    pub(super) fn establish(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        cx.count(Count::Established);
        // A SYN that waited for an address left once, and one that went again for data to come (`defer_accept`) had been answered.
        let was_sent_again =
            self.retries > 0 && self.retransmissions > 0 && self.rack.min_rtt().is_none();
        if self.is_of_cookie {
            // Nobody knows when its SYN-ACK left.
        } else if let Some(rtt) = self.rack.min_rtt() {
            // That of the first ACK, which was not enough.
            self.take_late_round_trip(cx, rtt);
        } else if self.waits_for_data(cx) && !segment.payload.is_empty() {
            // Nobody knows how long the peer has thought about them.
        } else if self.retransmissions == 0 {
            let rtt = cx.now - self.last_sent;
            self.take_late_round_trip(cx, rtt);
            self.rack.on_handshake(cx.now, rtt);
        } else {
            self.measure_by_timestamp(cx, segment);
        }
        self.snd_una = segment.ack;
        let is_scaled = !segment.flags.has(Flags::SYN);
        let shift = if is_scaled { self.snd_wind_shift } else { 0 };
        self.snd_wnd = u32::from(segment.window) << shift;
        self.snd_wnd_max = self.snd_wnd;
        (self.snd_wl1, self.snd_wl2) = (segment.seq, segment.ack);
        self.congestion = (self.congestion.begin(self.snd_mss, self.iss))
            .widening_by(cx.config.slow_start_segments);
        self.ecn.establish(self.snd_una, self.congestion.is_dctcp());
        self.settle_calm();
        if was_sent_again {
            self.rtt.after_syn_loss(cx.config);
            self.congestion.on_syn_loss();
        }
        self.retries = 0;
        self.stop_retransmit_timer();
        self.last_sent = cx.now;
        self.patience.is_due = self.apart.terms.user_timeout_option().is_some();
        self.start_keep_alive(cx);
        self.is_known = true;
        self.pending.connected = true;
        self.state = if self.fin_queued { State::FinWait1 } else { State::Established };
    }

    /// Other terms than the stack's.
    pub(super) fn set_terms(&mut self, cx: &Context<'_>, terms: &Terms) {
        let before = self.apart.terms;
        self.apart.terms = KeptTerms::of(terms);
        let had_keep_alive = before.keep_alive();
        // As long as the peer may send: behind our FIN, and behind its own while we have not sent ours.
        let may_be_probed = matches!(
            self.state,
            State::Established | State::CloseWait | State::FinWait1 | State::FinWait2
        );
        if self.apart.terms.keep_alive() != had_keep_alive && may_be_probed {
            (self.deadlines.keep_alive, self.keep_alive_due) = (Instant::FAR_FUTURE, false);
            self.start_keep_alive(cx);
        }
        let tells = self.apart.terms.user_timeout_option();
        let is_open = self.can_transmit() || self.state == State::FinWait2;
        let told = before.user_timeout_option();
        self.patience.is_due |= is_open && tells.is_some() && tells != told;
        self.patience.is_due &= tells.is_some();
        self.settle_rest_max();
        let rto_min = terms.rto_min.max(cx.config.rto_least());
        self.rtt.set_terms(rto_min, terms.peer_max_ack_delay);
        self.congestion.set_control(terms.congestion);
        self.ecn.set_exact(self.congestion.is_dctcp());
        self.watch_oldest();
        self.settle_calm();
    }

    /// Takes in what a SYN says: its number, and its options.
    fn take_syn(&mut self, cx: &mut Context<'_>, syn: &Segment<'_>) {
        if !syn.payload.is_empty() && !syn.flags.has(Flags::ACK) {
            cx.count(Count::DataOnSynIgnored);
        }
        self.irs = syn.seq;
        self.rcv_nxt = syn.seq + 1;
        self.last_ack_sent = self.rcv_nxt;
        self.rcv_edge = self.rcv_nxt + self.syn_window();
        self.last_heard = cx.now;
        let is_asked = self.state == State::SynReceived || self.snd_nxt == self.iss;
        let terms = &self.apart.terms;
        let (wants_ecn, wants_sack) = match is_asked {
            true => (terms.ecn(), terms.sack()),
            false => (self.ecn.has_offered, self.sack.is_offered),
        };
        self.ecn.negotiate(wants_ecn, syn);
        // RFC 2018 2: SACK only if both SYNs permit it.
        self.sack.is_agreed = wants_sack && syn.options.sack_permitted;
        self.negotiate(cx, &syn.options);
        self.hear_user_timeout(cx, syn);
    }

    fn negotiate(&mut self, cx: &mut Context<'_>, theirs: &Options) {
        // RFC 7323 3.2: timestamps only if both SYNs carry them.
        match (self.stamps(), theirs.timestamps) {
            (Some(_), Some(theirs)) => self.begin_stamps(cx.now, theirs.value),
            _ => self.set_stamps(None),
        }
        // RFC 7323 2.2: scaling only if both SYNs carry it.
        (self.snd_wind_shift, self.rcv_wind_shift) = match theirs.window_scale {
            Some(shift) if cx.config.window_scaling => {
                (shift.min(14), cx.config.receive_window_scale())
            }
            _ => (0, 0),
        };
        let room = self.receive.room() as u32;
        self.rcv_wnd_max = room.min(WINDOW_FIELD_MAX << self.rcv_wind_shift);
        self.offers_scale = theirs.window_scale.is_some() && cx.config.window_scaling;
        // RFC 9293 3.7.1: neither more than the peer takes nor than our link; RFC 6691: the option
        // counts no options, so they are deducted here.
        let theirs = theirs.mss.unwrap_or(SEND_MSS_DEFAULT);
        if theirs < SEND_MSS_MIN {
            cx.count(Count::MssRaised);
        }
        let theirs = theirs.max(SEND_MSS_MIN);
        self.snd_mss = u32::from(self.without_options(theirs.min(cx.config.mss)));
        self.set_ends_mss(self.snd_mss);
        self.settle_rest_max();
    }

    /// After another size of segments, or other terms.
    pub(super) fn settle_rest_max(&mut self) {
        let may_wait = self.apart.terms.nagle() || self.apart.terms.pacing();
        self.rest_max = if may_wait { 0 } else { self.snd_mss };
    }

    /// The payload bytes of a segment of `mss` bytes.
    pub(super) fn without_options(&self, mss: u16) -> u16 {
        mss - if self.stamps().is_some() { TIMESTAMPS_LEN } else { 0 }
    }

    /// The options of our SYN or SYN-ACK.
    pub(super) fn syn_options(&self, cx: &Context<'_>) -> Options {
        Options {
            mss: Some(cx.config.mss),
            window_scale: self.offers_scale(cx.config).then(|| cx.config.receive_window_scale()),
            sack_permitted: self.sack.is_agreed
                || (self.state == State::SynSent && self.sack.is_offered),
            timestamps: self.stamps().map(|ours| ours.option(cx.now)),
            user_timeout: self.apart.terms.user_timeout_option().map(|option| option.advertised),
            ..Options::NONE
        }
    }

    fn offers_scale(&self, config: &Config) -> bool {
        if self.state == State::SynSent { config.window_scaling } else { self.offers_scale }
    }

    /// The window of a SYN, which is never scaled (RFC 7323 2.2).
    pub(super) fn syn_window(&self) -> u32 {
        (self.receive.room() as u32).min(WINDOW_FIELD_MAX)
    }

    /// Answers a segment of somebody else's connection.
    pub(super) fn answer_by_reset(&self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        if let Some(reset) = Reset::answering(self.tuple, segment) {
            cx.resets.push(reset, cx.counters);
        }
    }
}
