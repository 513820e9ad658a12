//! The writer's copy of a frame, made what crossed the wire: checksums that were left to the device
//! completed, a tag that it stripped put back. What was done is said in the packet's comment.

use std::fmt::{self, Write};

use fixwire_offload::stamp::Domain;

use super::record::{Record, Way};
use super::ring::SNAP_LEN;
use crate::checksums::{self, OutsideFrame, TCP_CHECKSUM_OFFSET, UDP_CHECKSUM_OFFSET, Unfinished};

/// Where a VLAN tag stands: behind the two hardware addresses (IEEE 802.1Q, 9.3).
const TAG_AT: usize = 12;
pub(super) const TAG_LEN: usize = 4;
const TAG_ETHERTYPE: u16 = 0x8100;

/// The longest that a comment gets, in bytes: each of its sentences once.
pub(super) const COMMENT_LEN_MAX: usize = 512;

/// Room for one frame of the longest, and before it for a tag.
pub(super) struct Copy {
    room: Box<[u8]>,
    comment: String,
}

impl Copy {
    pub(super) fn new() -> Copy {
        let room = vec![0; TAG_LEN + SNAP_LEN].into_boxed_slice();
        Copy { room, comment: String::with_capacity(COMMENT_LEN_MAX) }
    }

    /// Where the frame's bytes are to be written.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.room[TAG_LEN..]
    }

    /// The frame as it crossed the wire, and what is to be said of it.
    pub(super) fn complete(&mut self, record: &Record) -> (&[u8], &mut String) {
        self.comment.clear();
        let end = TAG_LEN + (record.kept_len as usize).min(SNAP_LEN);
        let frame = &mut self.room[TAG_LEN..end];
        if record.kept_len < record.original_len {
            let (kept, whole) = (record.kept_len, record.original_len);
            remark(
                &mut self.comment,
                format_args!("the first {kept} bytes of {whole}, as they were"),
            );
        } else {
            finish(frame, record, &mut self.comment);
        }
        let begin = match record.vlan {
            Some(tci) if frame.len() >= TAG_AT => {
                self.room.copy_within(TAG_LEN..TAG_LEN + TAG_AT, 0);
                self.room[TAG_AT..TAG_AT + 2].copy_from_slice(&TAG_ETHERTYPE.to_be_bytes());
                self.room[TAG_AT + 2..TAG_AT + TAG_LEN].copy_from_slice(&tci.to_be_bytes());
                remark(&mut self.comment, "VLAN tag stripped by the device, put back in this copy");
                0
            }
            _ => TAG_LEN,
        };
        (&self.room[begin..end], &mut self.comment)
    }
}

/// Says where a frame's time is not what the description of its interface promises: `at` is the clock
/// that it was taken from, `described` the one promised.
pub(super) fn remark_clock(comment: &mut String, record: &Record, at: Domain, described: Domain) {
    if at != described {
        remark(comment, format_args!("stamped by the {}", at.in_words()));
    }
    if let Some((domain, ticks)) = record.stamp
        && domain != at
    {
        remark(comment, format_args!("the device's stamp: {ticks} by its {}", domain.in_words()));
    }
}

/// Says that the system's time was set before this frame, forward where it is positive.
pub(super) fn remark_set(comment: &mut String, set_ns: i64) {
    remark(
        comment,
        format_args!("the system's time was set by {set_ns} ns: times from here on are by it"),
    );
}

/// Completes what was left to the device, by the software twin.
fn finish(frame: &mut [u8], record: &Record, comment: &mut String) {
    let ipv4 = record.ipv4_unfinished.map(|(l2_len, l3_len)| {
        checksums::finish_ipv4(frame, usize::from(l2_len), usize::from(l3_len))
    });
    let l4 = record.l4_unfinished.map(|what| checksums::finish(frame, what));
    let l4_name = record.l4_unfinished.map_or("", protocol);
    let how = match record.way {
        Way::Received => "handed over unfinished",
        Way::Sent => "left to the device",
    };
    let named = |wanted: bool| match (is(ipv4, wanted), is(l4, wanted)) {
        (true, true) => ("IPv4 and ", l4_name, " checksums"),
        (true, false) => ("", "IPv4", " checksum"),
        _ => ("", l4_name, " checksum"),
    };
    for (done, what) in [(true, "completed in this copy"), (false, "and outside the frame")] {
        if is(ipv4, done) || is(l4, done) {
            let (and, name, checksum) = named(done);
            remark(comment, format_args!("{and}{name}{checksum} {how}, {what}"));
        }
    }
}

fn is(outcome: Option<Result<(), OutsideFrame>>, done: bool) -> bool {
    outcome.is_some_and(|outcome| outcome.is_ok() == done)
}

/// Whose field it is: each protocol has its own place for it.
fn protocol(what: Unfinished) -> &'static str {
    match what.csum_offset {
        TCP_CHECKSUM_OFFSET => "TCP",
        UDP_CHECKSUM_OFFSET => "UDP",
        _ => "transport",
    }
}

/// One more sentence. There is room for all of them, so that nothing is allocated.
fn remark(comment: &mut String, sentence: impl fmt::Display) {
    let between = if comment.is_empty() { "" } else { "; " };
    // Writing to a String does not fail.
    let _ = write!(comment, "{between}{sentence}");
}

#[cfg(test)]
mod tests {
    use fixwire_offload::nic::{RxMeta, TxChecksum, TxMeta};
    use fixwire_offload::verdict::Verdict;
    use proptest::prelude::*;

    use super::*;

    /// RFC 1071 4.1, word by word.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    /// A packet of `protocol` as an engine leaves it to a device, and where its parts begin.
    struct Left {
        frame: Vec<u8>,
        l3: usize,
        l4: usize,
        end: usize,
        csum_offset: u16,
    }

    fn left(protocol: u8, tagged: bool, options: usize, payload: &[u8], padding: usize) -> Left {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        if tagged {
            frame.extend([0x81, 0x00, 0x20, 0x07]);
        }
        frame.extend([0x08, 0x00]);
        let l3 = frame.len();
        let (l4_len, csum_offset) = if protocol == 6 { (20, 16) } else { (8, 6) };
        let total = 20 + options + l4_len + payload.len();
        frame.extend([0x40 | (5 + options / 4) as u8, 0]);
        frame.extend((total as u16).to_be_bytes());
        frame.extend([0, 1, 0x40, 0, 64, protocol, 0, 0, 10, 9, 0, 2, 10, 9, 0, 1]);
        frame.extend(vec![1; options]);
        let l4 = frame.len();
        frame.extend([0xc0, 0x00, 0x26, 0x96]);
        frame.extend(vec![0x5a; l4_len - 4]);
        frame.extend(payload);
        let end = frame.len();
        let pseudo = naive(&pseudo_header(protocol, (end - l4) as u16));
        let field = l4 + csum_offset;
        frame[field..field + 2].copy_from_slice(&pseudo.to_be_bytes());
        frame.extend(vec![0xee; padding]);
        Left { frame, l3, l4, end, csum_offset: csum_offset as u16 }
    }

    fn pseudo_header(protocol: u8, len: u16) -> Vec<u8> {
        let len = len.to_be_bytes();
        vec![10, 9, 0, 2, 10, 9, 0, 1, 0, protocol, len[0], len[1]]
    }

    fn copied(record: Record, frame: &[u8]) -> (Vec<u8>, String) {
        let mut copy = Copy::new();
        copy.room()[..frame.len()].copy_from_slice(frame);
        let len = frame.len() as u32;
        let (bytes, comment) =
            copy.complete(&Record { kept_len: len, original_len: len, ..record });
        (bytes.to_vec(), comment.clone())
    }

    fn sent(left: &Left) -> Record {
        let meta = TxMeta {
            l2_len: left.l3 as u8,
            l3_len: (left.l4 - left.l3) as u8,
            l4_len: 20,
            ipv4: TxChecksum::Partial,
            tcp: TxChecksum::Partial,
            stamp_token: 0,
        };
        Record::sent(&meta, 0)
    }

    fn received(left: &Left) -> Record {
        let meta = RxMeta {
            l4: Verdict::None,
            csum_start: left.l4 as u16,
            csum_offset: left.csum_offset,
            ..RxMeta::UNKNOWN
        };
        Record::received(&meta, None)
    }

    /// Both sums come out all ones over the finished packet (RFC 1071 1), and nothing else changed.
    fn assert_finished(left: &Left, protocol: u8, copy: &[u8], with_ipv4: bool) {
        let mut segment = pseudo_header(protocol, (left.end - left.l4) as u16);
        segment.extend(&copy[left.l4..left.end]);
        assert_eq!(naive(&segment), 0xffff);
        if with_ipv4 {
            assert_eq!(naive(&copy[left.l3..left.l4]), 0xffff);
        }
        let field = left.l4 + usize::from(left.csum_offset);
        let fields = [left.l3 + 10, left.l3 + 11, field, field + 1];
        for at in (0..copy.len()).filter(|at| !fields.contains(at)) {
            assert_eq!(copy[at], left.frame[at], "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn what_was_left_is_completed_whatever_the_frame(
            tagged: bool, options in 0usize..=10, padding in 0usize..7,
            payload in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            let left = left(6, tagged, 4 * options, &payload, padding);
            let (copy, comment) = copied(sent(&left), &left.frame);
            assert_finished(&left, 6, &copy, true);
            prop_assert_eq!(
                comment, "IPv4 and TCP checksums left to the device, completed in this copy");
            let (copy, comment) = copied(received(&left), &left.frame);
            assert_finished(&left, 6, &copy, false);
            prop_assert_eq!(comment, "TCP checksum handed over unfinished, completed in this copy");
        }

        #[test]
        fn a_record_that_points_anywhere_breaks_nothing(
            frame in proptest::collection::vec(any::<u8>(), 0..90), l2_len: u8, l3_len: u8,
            csum_start in 0u16..100, csum_offset in 0u16..100, vlan: Option<u16>
        ) {
            let record = Record {
                vlan,
                ipv4_unfinished: Some((l2_len, l3_len)),
                l4_unfinished: Some(Unfinished { csum_start, csum_offset }),
                ..Record::received(&RxMeta::UNKNOWN, None)
            };
            let (copy, comment) = copied(record, &frame);
            prop_assert!(copy.len() == frame.len() || copy.len() == frame.len() + 4);
            prop_assert!(comment.contains("checksum") && comment.len() <= COMMENT_LEN_MAX);
        }
    }

    #[test]
    fn a_frame_that_nobody_left_anything_in_is_copied_without_a_word() {
        let left = left(6, false, 0, b"8=FIX.4.4", 0);
        for record in
            [Record::received(&RxMeta::UNKNOWN, None), Record::sent(&TxMeta::default(), 0)]
        {
            assert_eq!(copied(record, &left.frame), (left.frame.clone(), String::new()));
        }
    }

    #[test]
    fn a_sum_of_zero_stays_zero_for_tcp_and_becomes_all_ones_for_udp() {
        for (protocol, expected, name) in [(6, 0x0000, "TCP"), (17, 0xffff, "UDP")] {
            // The last word is chosen so that the whole sums to all ones.
            let first = left(protocol, false, 0, &[0, 0], 0);
            let sum = naive(&first.frame[first.l4..first.end]);
            let left = left(protocol, false, 0, &(!sum).to_be_bytes(), 0);
            let (copy, comment) = copied(received(&left), &left.frame);
            let field = left.l4 + usize::from(left.csum_offset);
            assert_eq!(copy[field..field + 2], u16::to_be_bytes(expected), "{name}");
            assert!(comment.starts_with(name), "{comment}");
        }
    }

    #[test]
    fn a_stripped_tag_is_put_back_and_sums_are_completed_before() {
        let (plain, tagged) = (left(6, false, 0, b"odd", 3), left(6, true, 0, b"odd", 3));
        let record = Record { vlan: Some(0x2007), ..received(&plain) };
        let (copy, comment) = copied(record, &plain.frame);
        let (expected, _) = copied(received(&tagged), &tagged.frame);
        assert_eq!(copy, expected);
        assert!(comment.contains("completed") && comment.contains("VLAN"), "{comment}");
    }

    #[test]
    fn of_a_frame_that_was_cut_no_sum_can_be_completed() {
        let left = left(6, false, 0, b"8=FIX.4.4", 0);
        let mut copy = Copy::new();
        copy.room()[..60].copy_from_slice(&left.frame[..60]);
        let record = Record { kept_len: 60, original_len: 70_000, ..received(&left) };
        let (bytes, comment) = copy.complete(&record);
        assert_eq!(bytes, &left.frame[..60]);
        assert_eq!(comment, "the first 60 bytes of 70000, as they were");
    }

    #[test]
    fn a_clock_is_named_where_it_is_not_the_one_described() {
        let stamped = |stamp| Record { stamp, ..Record::received(&RxMeta::UNKNOWN, None) };
        for (stamp, at, described, expected) in [
            (Some((Domain::HostNs, 5)), Domain::HostNs, Domain::HostNs, ""),
            (None, Domain::HostNs, Domain::HostNs, ""),
            (None, Domain::HostNs, Domain::VirtualNs, "stamped by the host monotonic clock, ns"),
            (
                Some((Domain::NicTicks, 5)),
                Domain::HostNs,
                Domain::HostNs,
                "the device's stamp: 5 by its NIC counter, ticks",
            ),
        ] {
            let mut comment = String::new();
            remark_clock(&mut comment, &stamped(stamp), at, described);
            assert_eq!(comment, expected);
        }
    }
}
