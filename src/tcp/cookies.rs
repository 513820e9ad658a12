//! SYN cookies (RFC 4987 3.6): a listener whose backlog is full answers a SYN without keeping anything of
//! it. What it would have kept stands in the number of its SYN-ACK, keyed, and comes back with the ACK.
//!
//! The number: a bit that tells this 64 s from the last ones, three for the peer's MSS, rounded down to one
//! of eight, and 28 of a keyed hash over all that and the peer's number. Window scale, SACK and ECN have
//! no room there; they stand in the low bits of our timestamp, which is echoed. A peer without timestamps
//! gets none of them. A number can be guessed once in 2^28 tries: what it then opens is a connection with what its segment
//! brought, as for whoever had our SYN-ACK.
//!
//! It is found again by the peer's first number alone. A later segment that overtakes the first one finds no
//! connection, and is answered by a RST (RFC 9293 3.10.7.2), as by Linux: then the peer has to connect again.
//!
//! A cookie opens one connection (`used`). That first segment, come twice or sent again, is an old one once the connection is
//! over, whoever closed it: it is answered as any other of a connection that is over.

mod used;

pub(super) use used::Used;

use super::connection::SEND_MSS_DEFAULT;
use super::counters::Count;
use super::endpoint::Tuple;
use super::isn::Secret;
use super::reset::Reset;
use super::stack::Stack;
use super::timestamps::Timestamping;
use crate::time::{Duration, Instant};
use crate::wire::tcp::{Flags, Options, Repr, Segment, SeqNumber, Timestamps};

/// A cookie is good within the period that it was made in and the next.
const PERIOD: Duration = Duration::from_s(64);
/// The MSS that a cookie can remember, in bytes: the least that is honoured, and what links are made of.
const MSS_KEPT: [u16; 8] = [48, 256, SEND_MSS_DEFAULT, 1024, 1220, 1400, 1460, 8960];
const MSS_SHIFT: u32 = 28;
const HASH_MASK: u32 = (1 << MSS_SHIFT) - 1;
/// How much of a timestamp is options.
const STAMP_MASK: u32 = 63;
const SCALE_MASK: u32 = 15;
/// No window scale: the largest is 14.
const SCALE_NONE: u32 = 15;
const SACK_BIT: u32 = 1 << 4;
const ECN_BIT: u32 = 1 << 5;
/// In place of the options of a peer without timestamps.
const NOT_STAMPED: u32 = STAMP_MASK + 1;

/// What an ACK for a listener is worth.
pub(super) enum Judged {
    /// No cookie has been given of late.
    Never,
    /// It is of none that is good.
    Wrong,
    /// It is of one that has opened a connection before.
    Used,
    /// It is of one that is good.
    Right(Cookie),
}

/// A cookie that came back.
pub(super) struct Cookie {
    /// The SYN that it was given for, as far as it remembers it.
    options: Options,
    wants_ecn: bool,
    period: u64,
    hash: u64,
}

/// What the number of a SYN-ACK is a hash of, besides its period.
#[derive(Clone, Copy)]
struct Kept<'a> {
    tuple: &'a Tuple,
    irs: SeqNumber,
    /// An index of [`MSS_KEPT`].
    mss: u32,
    /// As in the low bits of the timestamp, or [`NOT_STAMPED`].
    options: u32,
}

impl Kept<'_> {
    /// Of all of it: its low bits stand in the number.
    fn hash(&self, secret: &Secret, key: u64, period: u64) -> u64 {
        let kept = self.mss << 8 | self.options;
        // None is 0, which stands for none where they are remembered.
        secret.cookie(self.tuple, self.irs.0, key, period, kept).max(1)
    }

    fn number(&self, hash: u64, period: u64) -> SeqNumber {
        SeqNumber((period as u32 & 1) << 31 | self.mss << MSS_SHIFT | hash as u32 & HASH_MASK)
    }
}

fn period_of(now: Instant) -> u64 {
    now.as_ns() / PERIOD.as_ns()
}

impl Stack {
    /// Answers a SYN for the full listener at `listener` by a cookie, or drops it.
    pub(super) fn answer_by_cookie(&mut self, tuple: Tuple, listener: usize, syn: &Segment<'_>) {
        if !self.config.syn_cookies || self.resets.is_full() {
            self.counters.count(Count::BacklogFull);
            return;
        }
        let theirs = &syn.options;
        let stamp = theirs.timestamps.filter(|_| self.config.timestamps);
        let terms = &self.listeners[listener].terms;
        let is_stamped = stamp.is_some();
        let scale = theirs.window_scale.filter(|_| is_stamped && self.config.window_scaling);
        let sack = is_stamped && terms.sack && theirs.sack_permitted;
        let setup = Flags::ECE.with(Flags::CWR);
        let ecn = is_stamped && terms.ecn && syn.flags.has(setup);
        let options = scale.map_or(SCALE_NONE, |shift| u32::from(shift.min(14)))
            | if sack { SACK_BIT } else { 0 }
            | if ecn { ECN_BIT } else { 0 };
        let told = theirs.mss.unwrap_or(SEND_MSS_DEFAULT);
        let kept = Kept {
            tuple: &tuple,
            irs: syn.seq,
            mss: MSS_KEPT.iter().rposition(|mss| *mss <= told).unwrap_or(0) as u32,
            options: if is_stamped { options } else { NOT_STAMPED },
        };
        let period = period_of(self.now);
        let hash = kept.hash(&self.secret, self.cookies_used.key(), period);
        if self.cookies_used.has(period, hash) {
            // An old SYN, or one like it: its number would be that of the connection before.
            self.counters.count(Count::BacklogFull);
            return;
        }
        let timestamps = stamp.map(|theirs| {
            let ours = Timestamping::new(self.secret.timestamp_offset(&tuple));
            let clock = ours.option(self.now).value;
            // Never ahead of the clock: the peer may not see it go back.
            let value = clock.wrapping_sub(clock.wrapping_sub(options) & STAMP_MASK);
            Timestamps { value, echo: theirs.value }
        });
        let header = Repr {
            src_port: tuple.local.port,
            dst_port: tuple.remote.port,
            seq: kept.number(hash, period),
            ack: syn.seq + 1,
            flags: Flags::SYN.with(Flags::ACK).with(if ecn { Flags::ECE } else { Flags::NONE }),
            window: self.config.receive_buffer_bytes.min(usize::from(u16::MAX)) as u16,
            options: Options {
                mss: Some(self.config.mss),
                window_scale: scale.map(|_| self.config.receive_window_scale()),
                sack_permitted: sack,
                timestamps,
                ..Options::NONE
            },
        };
        self.cookies_until = self.now + PERIOD + PERIOD;
        self.counters.count(Count::SynCookieOut);
        self.resets.push(Reset::cookie(tuple, header), &mut self.counters);
    }

    /// Whether `segment`, an ACK for a listener, answers a cookie.
    pub(super) fn judge_cookie(&self, tuple: &Tuple, segment: &Segment<'_>) -> Judged {
        if !self.config.syn_cookies || self.now >= self.cookies_until {
            return Judged::Never;
        }
        let number = segment.ack - 1;
        let stamps = segment.options.timestamps;
        let options = stamps.map_or(NOT_STAMPED, |stamps| stamps.echo & STAMP_MASK);
        let mss = number.0 >> MSS_SHIFT & (MSS_KEPT.len() as u32 - 1);
        let kept = Kept { tuple, irs: segment.seq - 1, mss, options };
        let now = period_of(self.now);
        let mut periods = [Some(now), now.checked_sub(1)].into_iter().flatten();
        let found = periods.find_map(|period| {
            let hash = kept.hash(&self.secret, self.cookies_used.key(), period);
            (kept.number(hash, period) == number).then_some((period, hash))
        });
        let Some((period, hash)) = found else { return Judged::Wrong };
        if self.cookies_used.has(period, hash) {
            return Judged::Used;
        }
        let is_stamped = stamps.is_some();
        let scale = options & SCALE_MASK;
        Judged::Right(Cookie {
            period,
            hash,
            wants_ecn: is_stamped && options & ECN_BIT != 0,
            options: Options {
                mss: Some(MSS_KEPT[mss as usize]),
                window_scale: (is_stamped && scale != SCALE_NONE).then_some(scale as u8),
                sack_permitted: is_stamped && options & SACK_BIT != 0,
                timestamps: stamps,
                ..Options::NONE
            },
        })
    }

    /// Opens the connection that `segment` completes, up to where its SYN-ACK has left. `None` if there is
    /// no room: the peer's data, sent again, may find some.
    pub(super) fn open_by_cookie(
        &mut self,
        tuple: Tuple,
        listener: usize,
        segment: &Segment<'_>,
        cookie: &Cookie,
    ) -> Option<usize> {
        let index = self.begin_at(tuple, segment.ack - 1)?;
        self.counters.count(Count::SynCookieAccepted);
        let Cookie { options, wants_ecn, period, hash } = *cookie;
        if !self.cookies_used.add(period, hash) {
            self.counters.count(Count::SynCookieKeyChanged);
        }
        let setup = Flags::ECE.with(Flags::CWR);
        let syn = Segment {
            seq: segment.seq - 1,
            ack: SeqNumber(0),
            flags: Flags::SYN.with(if wants_ecn { setup } else { Flags::NONE }),
            options,
            payload: &[],
            ..*segment
        };
        self.accept_at(index, listener, &syn);
        self.step(index, |connection, cx| connection.resume_from_cookie(cx));
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::Endpoint;
    use core::net::Ipv4Addr;

    #[test]
    fn number_depends_on_all_that_it_remembers_and_on_the_period() {
        let endpoint = |last, port| Endpoint { addr: Ipv4Addr::new(10, 0, 0, last), port };
        let tuple = |port| Tuple { local: endpoint(1, 9878), remote: endpoint(2, port) };
        let (one, other, secret) = (tuple(5), tuple(6), Secret::new([7; 16]));
        let kept = Kept { tuple: &one, irs: SeqNumber(9), mss: 2, options: 17 };
        let number = |kept: Kept<'_>, secret: &Secret, key, period| {
            kept.number(kept.hash(secret, key, period), period)
        };
        let first = number(kept, &secret, 0, 4);
        for changed in [
            Kept { tuple: &other, ..kept },
            Kept { irs: SeqNumber(10), ..kept },
            Kept { mss: 3, ..kept },
            Kept { options: NOT_STAMPED, ..kept },
        ] {
            assert_ne!(number(changed, &secret, 0, 4).0 & HASH_MASK, first.0 & HASH_MASK);
        }
        assert_ne!(number(kept, &secret, 0, 6), first, "periods of one parity differ");
        assert_ne!(number(kept, &secret, 1, 4), first);
        assert_ne!(number(kept, &Secret::new([8; 16]), 0, 4), first);
        assert_eq!(number(kept, &secret, 0, 4), first);
    }
}
