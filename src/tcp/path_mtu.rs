//! How large segments may be on the way: ICMP errors that say so (RFC 1191), what to do where none come
//! (RFC 4821), and when to try larger ones again.
//!
//! An error counts only if it quotes something in flight (RFC 5927 4.1), and never lowers the MTU below 552
//! bytes. Where a large segment is lost again and again, the black hole is taken for one: segments become
//! as small as the next plateau and leave in the same order. What was lowered is forgotten after a while.

use super::connection::{Connection, Context, SEND_MSS_MIN};
use super::counters::Count;
use super::stack::Stack;
use crate::time::{Duration, Instant};
use crate::wire::icmp::Quoted;

/// Below this nothing lowers what is sent, in bytes of IP packet. Whoever quotes us correctly may still
/// lie (RFC 5927 7.1).
const PATH_MTU_MIN: u16 = 552;
/// IPv4 and TCP header without options, in bytes.
const HEADERS_LEN: u16 = 40;
/// Sizes to try when the router does not say (RFC 1191 5 and table 7-1).
const PATH_MTU_PLATEAUS: [u16; 5] = [8166, 4352, 2002, 1492, 1006];
/// RFC 1191 6.3: how long a lower MTU is believed.
const PATH_MTU_VALID: Duration = Duration::from_s(600);
/// So many timeouts in a row with a segment to be sent again that a smaller size would divide, and it is its size that
/// does not pass.
const BLACK_HOLE_TIMEOUTS: u32 = 3;

impl Stack {
    /// An ICMP error says that `quoted` was larger than a link of `mtu` bytes (RFC 1191). Segments
    /// become smaller, and what is in flight is sent again.
    pub fn on_path_mtu(&mut self, now: Instant, quoted: &Quoted, mtu: u16) {
        self.now = self.now.max(now);
        let Some(index) = self.find_quoted(quoted) else { return };
        self.step(index, |connection, cx| {
            let mtu = if mtu == 0 { connection.plateau_below(quoted.packet_len) } else { mtu };
            if !connection.lower_mtu(cx, mtu) {
                cx.count(Count::PathMtuIgnored);
                return;
            }
            cx.count(Count::PathMtuLowered);
            if connection.can_transmit() {
                connection.resend_all();
            }
        });
    }
}

impl Connection {
    /// What both ends take of a segment, options deducted: nothing on the way is known to be smaller.
    pub(super) fn set_ends_mss(&mut self, mss: u32) {
        self.apart.ends_mss = mss.min(u32::from(u16::MAX)) as u16;
        self.apart.raise_mtu_at = Instant::FAR_FUTURE;
    }

    /// One of the ends takes no more than `mss` from here on.
    pub(super) fn bound_ends_mss(&mut self, mss: u32) {
        self.apart.ends_mss = u32::from(self.apart.ends_mss).min(mss) as u16;
    }

    /// The next size down from a packet that was too long (RFC 1191 5), in bytes: where several of one size were,
    /// each error names the same. A router that tells no length, 0, means what is sent now.
    fn plateau_below(&self, packet_len: u16) -> u16 {
        let headers = HEADERS_LEN + self.options_len();
        let full = (self.snd_mss as u16).saturating_add(headers);
        let packet_len = if packet_len == 0 { full } else { packet_len };
        PATH_MTU_PLATEAUS.into_iter().find(|plateau| *plateau < packet_len).unwrap_or(PATH_MTU_MIN)
    }

    /// The options of every segment, in bytes.
    fn options_len(&self) -> u16 {
        u16::MAX - self.without_options(u16::MAX)
    }

    /// A full segment's payload where packets have `mtu` bytes at most, but 552 at least.
    fn mss_within(&self, mtu: u16) -> u32 {
        let mss = mtu.max(PATH_MTU_MIN) - HEADERS_LEN;
        u32::from(self.without_options(mss.max(SEND_MSS_MIN)))
    }

    /// Sends no packets larger than `mtu` from here on, but some of 552 bytes. Says whether that is less
    /// than before.
    fn lower_mtu(&mut self, cx: &Context<'_>, mtu: u16) -> bool {
        let mss = self.mss_within(mtu);
        if mss >= self.snd_mss {
            return false;
        }
        self.set_mss(mss);
        self.apart.raise_mtu_at = cx.now + PATH_MTU_VALID;
        self.settle_seldom();
        true
    }

    /// After a timeout: whether it is the segments' size that is lost. Says so once for each size. The segment need not
    /// be a full one, as the last of a message is not, nor one that left with SACK blocks.
    pub(super) fn suspect_black_hole(&mut self, cx: &mut Context<'_>) {
        if self.retries != BLACK_HOLE_TIMEOUTS {
            return;
        }
        let Some(len) = self.scoreboard.first_len(self.snd_una) else { return };
        let mut sizes = PATH_MTU_PLATEAUS.into_iter().chain([PATH_MTU_MIN]);
        // The largest that divides it.
        let mtu = sizes.find(|mtu| self.mss_within(*mtu) < len.min(self.snd_mss));
        if mtu.is_some_and(|mtu| self.lower_mtu(cx, mtu)) {
            cx.count(Count::PathBlackHole);
            // The same bytes are tried anew: as often again before they are taken for too large again.
            self.retries = 1;
        }
    }

    /// Segments may be as large as before: if the path still does not take them, it will say so.
    pub(super) fn raise_mtu(&mut self, cx: &mut Context<'_>) {
        self.apart.raise_mtu_at = Instant::FAR_FUTURE;
        let ends_mss = u32::from(self.apart.ends_mss);
        if self.snd_mss < ends_mss {
            cx.count(Count::PathMtuRaised);
            self.set_mss(ends_mss);
        }
    }

    fn set_mss(&mut self, mss: u32) {
        self.snd_mss = mss;
        self.congestion.on_mss(mss);
        self.settle_rest_max();
    }
}
