//! What the stack counts: one name for each thing that may go otherwise than straight on.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

macro_rules! counts {
    ($( $variant:ident $name:literal $doc:literal )*) => {
        /// Something that the stack counts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Count { $( #[doc = $doc] $variant, )* }

        impl Count {
            /// Every one, in the order of their numbers.
            pub const ALL: [Count; [$(stringify!($variant)),*].len()] = [$(Count::$variant),*];

            /// The counter's name.
            pub const fn name(self) -> &'static str {
                match self { $(Count::$variant => $name,)* }
            }

            /// What it means, in a line.
            pub const fn doc(self) -> &'static str {
                match self { $(Count::$variant => $doc,)* }
            }
        }
    };
}

counts! {
    SegmentIn "tcp_segment_in" "A segment came."
    OptionInvalid "tcp_option_invalid" "A segment had an option of a length or a value that its kind cannot have; the option was ignored, or brought within what it can."
    SegmentPredicted "tcp_segment_predicted" "It was the next in order on an established connection and took the short path."
    SegmentOut "tcp_segment_out" "A segment was handed over for sending."
    ConnectActive "tcp_connect_active" "We began to connect."
    ConnectPassive "tcp_connect_passive" "A SYN for a listener began a connection."
    Established "tcp_established" "A connection was established."
    TimeWaitCutShort "tcp_time_wait_cut_short" "The oldest connection that only waited for its end made room for another."
    ConnectionsFull "tcp_connections_full" "No connection was free: a SYN was dropped, or connect or import refused."
    ListenersFull "tcp_listeners_full" "`listen` was refused: every listener was in use."
    EndpointInvalid "tcp_endpoint_invalid" "`connect` or `listen` was refused: no connection can have this address or port."
    EndpointInUse "tcp_endpoint_in_use" "`connect`, `listen` or `import` was refused: the endpoints were connected already, or listened on."
    PortsExhausted "tcp_ports_exhausted" "`connect` was refused: every ephemeral port was in use towards this peer."
    BacklogFull "tcp_backlog_full" "The listener's SYN-RECEIVED connections were at their limit, or half of all connections were in SYN-RECEIVED: a SYN was dropped, where cookies are off or its cookie had been used already."
    SynCookieOut "tcp_syn_cookie_out" "They were at their limit: a SYN was answered by a cookie, and nothing kept of it (RFC 4987 3.6)."
    SynCookieAccepted "tcp_syn_cookie_accepted" "An ACK came of a cookie, and its connection began."
    SynCookieWrong "tcp_syn_cookie_wrong" "An ACK for a listener that had given cookies was of none that is good; answered by a reset."
    SynCookieUsed "tcp_syn_cookie_used" "An ACK for a listener was of a cookie that had opened a connection already, which is over; answered by a reset."
    SynCookieKeyChanged "tcp_syn_cookie_key_changed" "Cookies opened more connections within 64 s than are remembered: those that had not come back yet are good no more."
    PortUnreachable "tcp_port_unreachable" "A segment for no connection and no listener; answered by a reset."
    ListenAckUnexpected "tcp_listen_ack_unexpected" "An ACK for a listener; answered by a reset."
    ListenSegmentIgnored "tcp_listen_segment_ignored" "Neither SYN, ACK nor RST for a listener; dropped."
    ResetIgnored "tcp_reset_ignored" "A RST for no connection, out of the window, or in TIME-WAIT (RFC 1337)."
    ResetIn "tcp_reset_in" "A RST with the exact number ended a connection."
    ResetOut "tcp_reset_out" "A RST was sent."
    ResetQueueFull "tcp_reset_queue_full" "A RST was due and not sent: too many waited already."
    ResetUnresolved "tcp_reset_unresolved" "A RST or a SYN cookie was due and not sent: the next hop's address is not known."
    SynInWindow "tcp_syn_in_window" "A SYN on a synchronised connection; challenged (RFC 5961 4.2)."
    ResetInexact "tcp_reset_inexact" "A RST in the window but not at its edge; challenged (RFC 5961 3.2)."
    AckTooOld "tcp_ack_too_old" "An ACK older than any window we were given; challenged (RFC 5961 5.2)."
    AckOfUnsent "tcp_ack_of_unsent" "An ACK of what was never sent; challenged (RFC 5961 5.2)."
    AckMissing "tcp_ack_missing" "A segment without ACK on a synchronised connection; dropped (RFC 9293 3.10.7.4)."
    HandshakeDeferred "tcp_handshake_deferred" "An ACK of our SYN-ACK came without data, and was not waited for yet (`defer_accept`)."
    HandshakeAckWrong "tcp_handshake_ack_wrong" "An ACK during the handshake of anything but our SYN; answered by a reset."
    ChallengeAckOut "tcp_challenge_ack_out" "A challenge ACK was sent."
    ChallengeAckLimited "tcp_challenge_ack_limited" "A challenge ACK was due and held back by its limit (RFC 5961 7)."
    OutOfWindow "tcp_out_of_window" "A segment outside the window; acknowledged and dropped (RFC 9293 3.10.7.4)."
    DuplicateData "tcp_duplicate_data" "A segment of data received before; acknowledged and dropped."
    DuplicatePart "tcp_duplicate_part" "Bytes of a segment had come before; they were cut off, and what was new of it was taken."
    WindowProbeIn "tcp_window_probe_in" "Data came while our window was closed; acknowledged and dropped."
    TrimmedAtWindowEdge "tcp_trimmed_at_window_edge" "The part of a segment past our window was cut off."
    TimestampOld "tcp_timestamp_old" "A timestamp older than the last: acknowledged and dropped (PAWS, RFC 7323 5.3)."
    TimestampMissing "tcp_timestamp_missing" "No timestamp though agreed on: dropped (RFC 7323 3.2), unless `requires_timestamps` is off."
    UrgentIgnored "tcp_urgent_ignored" "URG was set; its data was taken in line."
    DataOnSynIgnored "tcp_data_on_syn_ignored" "A SYN carried data; left for the peer to send again."
    OutOfOrder "tcp_out_of_order" "Data came ahead of its turn and is held."
    ReassemblyFull "tcp_reassembly_full" "The held ranges were at their limit: the farthest was dropped."
    ReceiptsFull "tcp_receipts_full" "Pieces of different segments that are stored were at their limit: what came is told as if it had come by the segment that made it readable."
    DataAfterFin "tcp_data_after_fin" "Data or a FIN past the peer's FIN; cut off."
    DataAfterRelease "tcp_data_after_release" "Data for a connection that nobody reads any more; answered by a reset (RFC 9293 3.6.1)."
    AckOld "tcp_ack_old" "An ACK of less than another before it; it moves nothing (RFC 9293 3.10.7.4)."
    DuplicateAck "tcp_duplicate_ack" "A duplicate ACK (RFC 5681 2)."
    FastRetransmit "tcp_fast_retransmit" "Three duplicate ACKs, or SACK, showed a loss, and a recovery began."
    SackInvalid "tcp_sack_invalid" "A SACK block of what is not in flight, or of nothing; ignored."
    SackReneged "tcp_sack_reneged" "The peer let go of what it had said it holds; all such is sent again where it is lost (RFC 2018 8)."
    SackDisbelieved "tcp_sack_disbelieved" "It had done so again and again within a window: its blocks were ignored until that window was acknowledged (RFC 2018 8)."
    DsackIn "tcp_dsack_in" "The peer told of bytes that came twice (RFC 2883)."
    LossProbe "tcp_loss_probe" "Nothing was heard for the probe timeout: a segment went out to be answered (RFC 8985 7)."
    LossProbeRepaired "tcp_loss_probe_repaired" "A loss probe repaired the loss that it asked about."
    RecoveryUndone "tcp_recovery_undone" "A recovery was for nothing, by timestamp or DSACK: what it took was given back (RFC 3522, RFC 3708, RFC 4015)."
    UndoneTooOften "tcp_undone_too_often" "A repair was for nothing once more, after many within a window: what it took from the congestion window was not given back."
    SegmentsFull "tcp_segments_full" "Segments in flight were at their limit: what follows waits for an ACK, and leaves in fewer."
    SegmentEndsFull "tcp_segment_ends_full" "More ends of segments were asked for than are kept: what follows one may share its segment."
    CongestionExperienced "tcp_congestion_experienced" "The network marked data that came (RFC 3168): the peer is told."
    CongestionEchoed "tcp_congestion_echoed" "The peer told of a mark on what we sent."
    RetransmitTimeout "tcp_retransmit_timeout" "The retransmission timer went off."
    Retransmission "tcp_retransmission" "A segment was sent again."
    WindowProbeOut "tcp_window_probe_out" "The peer's closed window was probed."
    WindowShrunk "tcp_window_shrunk" "The peer took back window that it had given."
    WindowReopened "tcp_window_reopened" "A closed window opened again within a retransmission timeout: what had gone again for the last time did not once more."
    KeepAliveOut "tcp_keep_alive_out" "An idle peer was probed."
    SynRetransmission "tcp_syn_retransmission" "A SYN was sent again."
    SynMissing "tcp_syn_missing" "In SYN-SENT a segment came with neither SYN nor RST; dropped."
    MssRaised "tcp_mss_raised" "A SYN offered segments of less than 48 bytes: they are of 48 all the same (RFC 9293 3.7.1)."
    SynDuplicate "tcp_syn_duplicate" "The peer's SYN came again in SYN-RECEIVED; answered again."
    TimedOut "tcp_timed_out" "A connection was given up for want of an answer."
    KeepAliveTimedOut "tcp_keep_alive_timed_out" "A connection was given up: no keep-alive probe was answered."
    Stale "tcp_stale" "A message was not acknowledged in time: its connection was reset, so that it is not delivered late."
    MessagesMerged "tcp_messages_merged" "More messages waited for an ACK than are told apart: one became part of that before it."
    SendNotConnected "tcp_send_not_connected" "`reserve` or `write` was refused: the connection was not established yet."
    SendClosed "tcp_send_closed" "`reserve` or `write` was refused: our side was closed; or it was between `reserve` and `commit`."
    SendTooLong "tcp_send_too_long" "`reserve` or `write` was refused: longer than any message may be."
    SendNoRoom "tcp_send_no_room" "`reserve` or `write` was refused: the send buffer was full."
    PreparedOut "tcp_prepared_out" "A segment left as it had been prepared."
    PreparedOutdated "tcp_prepared_outdated" "A prepared send was refused: something came or left since."
    PreparedQueued "tcp_prepared_queued" "A prepared send was refused: bytes committed before had not left."
    PreparedRepairing "tcp_prepared_repairing" "A prepared send was refused: a loss was being repaired, or something to be reported."
    PreparedTooLong "tcp_prepared_too_long" "A prepared send was refused: no payload, or more than one segment or message takes."
    PreparedNoWindow "tcp_prepared_no_window" "A prepared send was refused: the peer's window was full."
    PreparedNoCongestionWindow "tcp_prepared_no_cwnd" "A prepared send was refused: the congestion window was full."
    PreparedQueueFull "tcp_prepared_queue_full" "A prepared send was refused: the send buffer was full."
    PreparedWaits "tcp_prepared_waits" "A prepared send was refused: Nagle's algorithm or pacing held it back."
    PreparedNotConnected "tcp_prepared_not_connected" "A prepared send was refused: the connection was not established yet."
    PreparedClosed "tcp_prepared_closed" "A prepared send was refused: our side was closed."
    PreparedNoNeighbor "tcp_prepared_no_neighbor" "A prepared send was refused: the next hop's hardware address was not known."
    PreparedNoFrame "tcp_prepared_no_frame" "A prepared send was refused: the device had no buffer."
    HeldOut "tcp_held_out" "The payload of a prepared segment stayed in its frame, and is sent again from there."
    HeldFull "tcp_held_full" "A prepared segment was copied all the same: as many of its connection's as may be, or of all, were held."
    HeldAgain "tcp_held_again" "A frame that was held was sent again, its headers written anew."
    HeldAgainCopied "tcp_held_again_copied" "What is held was sent again in another frame: the device still had the first."
    HeldParted "tcp_held_parted" "What is held was to be sent again by other bounds, and was copied into the ring."
    HeldForBuffers "tcp_held_for_buffers" "The device had no buffer, and what is held was copied into the ring to give one back."
    HeldMoved "tcp_held_moved" "What is held was copied into the ring for its connection to go on elsewhere."
    PathWarmed "tcp_path_warmed" "The whole way of a prepared send was gone, and nothing sent."
    Imported "tcp_imported" "A connection of another stack goes on here."
    ImportMalformed "tcp_import_malformed" "An import was refused: its bytes were cut short, too long, or contradicted each other."
    ImportBuffersTooSmall "tcp_import_buffers_too_small" "An import was refused: what it held found no room in this stack's buffers."
    ExportNotSynchronized "tcp_export_not_synchronized" "An export was refused: the connection was being opened, or was over."
    ExportPayloadsHeld "tcp_export_payloads_held" "An export was refused: what was sent was kept elsewhere."
    LetGo "tcp_let_go" "A connection was let go, to go on elsewhere."
    OrphanTimedOut "tcp_orphan_timed_out" "A released connection was given up: the peer did not take what was left, or its FIN did not come."
    UserTimeout "tcp_user_timeout" "What was sent stayed unacknowledged for the session's user timeout: the connection was given up (RFC 9293 3.10.8)."
    UserTimeoutTold "tcp_user_timeout_told" "The peer was told of our user timeout on an open connection (RFC 5482 3)."
    UserTimeoutAdopted "tcp_user_timeout_adopted" "The peer told of its user timeout, and ours goes by it (RFC 5482 3.1)."
    UserTimeoutIgnored "tcp_user_timeout_ignored" "The peer told of its user timeout, and ours may not go by it."
    TimeWaitReused "tcp_time_wait_reused" "A connection in TIME-WAIT gave way to its successor (RFC 9293 3.6.1)."
    PathMtuLowered "tcp_path_mtu_lowered" "An ICMP error lowered a connection's segment size (RFC 1191)."
    PathMtuIgnored "tcp_path_mtu_ignored" "An ICMP error named no smaller size than what is sent; ignored (RFC 1191 3)."
    PathMtuRaised "tcp_path_mtu_raised" "A size lowered ten minutes before was forgotten, and a larger one is tried (RFC 1191 6.3)."
    PathBlackHole "tcp_path_black_hole" "Full segments were lost again and again: smaller ones are tried (RFC 4821)."
    IcmpOutOfWindow "tcp_icmp_out_of_window" "An ICMP error quoted nothing that is in flight; ignored (RFC 5927 4.1)."
    IcmpHard "tcp_icmp_hard" "An ICMP unreachable ended a connection that was being opened (RFC 9293 3.9.2.2)."
    IcmpSoft "tcp_icmp_soft" "An ICMP unreachable that a connection outlives (RFC 5461)."
    StaleId "tcp_stale_id" "A call with the id of a connection that is no more."
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A cache line's: whoever reads them on another core takes no line away that holds anything else.
#[repr(align(64))]
#[derive(Debug)]
struct Cells([AtomicU64; Count::ALL.len()]);

impl Cells {
    fn of(&self, what: Count) -> u64 {
        self.0[what as usize].load(Ordering::Relaxed)
    }

    fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Count::ALL.into_iter().map(|what| (what.name(), self.of(what)))
    }
}

/// One counter for each [`Count`]. They have one writer, so that counting takes no locked instruction.
#[derive(Debug)]
pub struct Counters(Arc<Cells>);

impl Default for Counters {
    fn default() -> Counters {
        Counters(Arc::new(Cells([const { AtomicU64::new(0) }; Count::ALL.len()])))
    }
}

impl Counters {
    /// Counts one.
    #[inline]
    pub(super) fn count(&mut self, what: Count) {
        self.add(what, 1);
    }

    /// Counts one of each.
    #[inline(always)]
    pub(super) fn count_both(&mut self, these: [Count; 2]) {
        let Cells(cells) = &*self.0;
        for what in these {
            let cell = &cells[what as usize];
            cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// Counts so many.
    #[inline]
    pub(super) fn add(&mut self, what: Count, times: u64) {
        let cell = &self.0.0[what as usize];
        cell.store(cell.load(Ordering::Relaxed) + times, Ordering::Relaxed);
    }

    /// How often `what` happened.
    pub fn of(&self, what: Count) -> u64 {
        self.0.of(what)
    }

    /// Every counter by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter()
    }

    /// The same counters for another thread, on another core: it sees them move, at no cost to whoever counts.
    pub fn reader(&self) -> CountersReader {
        CountersReader(Arc::clone(&self.0))
    }
}

/// Reads the counters of a stack that another thread drives.
///
/// Each is exact as of some moment not long ago, and none ever goes back. Two of them need not be of the
/// same moment: a segment may be counted as come and not yet as what it turned out to be.
#[derive(Clone, Debug)]
pub struct CountersReader(Arc<Cells>);

impl CountersReader {
    /// How often `what` happened.
    pub fn of(&self, what: Count) -> u64 {
        self.0.of(what)
    }

    /// Every counter by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_counts_stay_apart() {
        let mut counters = Counters::default();
        for what in Count::ALL {
            assert_eq!(Count::ALL.iter().filter(|other| other.name() == what.name()).count(), 1);
        }
        counters.count(Count::StaleId);
        counters.count(Count::StaleId);
        assert_eq!((counters.of(Count::StaleId), counters.of(Count::SegmentIn)), (2, 0));
        assert_eq!(counters.iter().map(|(_, count)| count).sum::<u64>(), 2);
    }

    #[test]
    fn another_thread_sees_them_move_and_never_back() {
        let mut counters = Counters::default();
        let reader = counters.reader();
        let watch = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while seen.last() != Some(&100_000) {
                let now = reader.of(Count::SegmentIn);
                assert!(seen.last().is_none_or(|last| *last <= now), "{now} after {seen:?}");
                if seen.last() != Some(&now) {
                    seen.push(now);
                }
            }
            reader.iter().map(|(_, count)| count).sum::<u64>()
        });
        for _ in 0..50_000 {
            counters.count(Count::SegmentIn);
            counters.add(Count::SegmentIn, 1);
            counters.count(Count::SegmentOut);
        }
        counters.count(Count::StaleId);
        let sum = watch.join().expect("it saw all of them");
        assert!((100_000..=150_001).contains(&sum), "{sum}");
        assert_eq!(counters.reader().of(Count::SegmentOut), 50_000);
    }
}
