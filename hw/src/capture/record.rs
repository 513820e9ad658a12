//! What the polling core says of a frame that it copied: a fixed header before the bytes in the ring.
//! It says what was known there; what it means is worked out by the writer.

use fixwire_offload::nic::{RxMeta, TxChecksum, TxMeta};
use fixwire_offload::stamp::{Domain, RxStamp};
use fixwire_offload::verdict::Verdict;

use crate::checksums::{TCP_CHECKSUM_OFFSET, Unfinished};

/// The header's length in the ring, in bytes.
pub(super) const HEADER_LEN: usize = 48;

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Received = 0,
    Sent = 1,
}

/// One frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) way: Way,
    /// How many bytes of the frame follow.
    pub(super) kept_len: u32,
    /// How long the frame was, in bytes.
    pub(super) original_len: u32,
    /// How many frames had gone the same way before it, captured or not.
    pub(super) number: u64,
    /// The device's stamp.
    pub(super) stamp: Option<(Domain, u64)>,
    /// The host's counter, where it was read for this frame, in its ticks.
    pub(super) host: Option<u64>,
    /// The VLAN tag that the device stripped.
    pub(super) vlan: Option<u16>,
    /// Lengths of link and IPv4 header, where the IPv4 checksum was left to the device.
    pub(super) ipv4_unfinished: Option<(u8, u8)>,
    /// The checksum field above IPv4 that holds the pseudo-header's sum.
    pub(super) l4_unfinished: Option<Unfinished>,
}

impl Record {
    /// A received frame, as the device describes it.
    #[inline]
    pub(super) fn received(meta: &RxMeta, host: Option<u64>) -> Record {
        let RxMeta { csum_start, csum_offset, .. } = *meta;
        let unfinished = meta.l4 == Verdict::None;
        Record {
            stamp: meta.stamp.map(|RxStamp { domain, ticks, .. }| (domain, ticks)),
            host,
            vlan: meta.vlan,
            l4_unfinished: unfinished.then_some(Unfinished { csum_start, csum_offset }),
            ..Record::nothing(Way::Received)
        }
    }

    /// A frame to send, as the device was told of it.
    #[inline]
    pub(super) fn sent(meta: &TxMeta, host: u64) -> Record {
        let partial = |field| field == TxChecksum::Partial;
        Record {
            host: Some(host),
            ipv4_unfinished: partial(meta.ipv4).then_some((meta.l2_len, meta.l3_len)),
            l4_unfinished: partial(meta.tcp).then_some(Unfinished {
                csum_start: u16::from(meta.l2_len) + u16::from(meta.l3_len),
                csum_offset: TCP_CHECKSUM_OFFSET,
            }),
            ..Record::nothing(Way::Sent)
        }
    }

    fn nothing(way: Way) -> Record {
        Record {
            way,
            kept_len: 0,
            original_len: 0,
            number: 0,
            stamp: None,
            host: None,
            vlan: None,
            ipv4_unfinished: None,
            l4_unfinished: None,
        }
    }

    /// As it lies in the ring.
    #[inline]
    pub(super) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let (domain, ticks) = self.stamp.map_or((NO_DOMAIN, 0), |(d, ticks)| (number(d), ticks));
        let Unfinished { csum_start, csum_offset } =
            self.l4_unfinished.unwrap_or(Unfinished { csum_start: 0, csum_offset: 0 });
        let (l2_len, l3_len) = self.ipv4_unfinished.unwrap_or_default();
        let flags = flag(HAS_HOST, self.host.is_some())
            | flag(HAS_VLAN, self.vlan.is_some())
            | flag(IPV4_UNFINISHED, self.ipv4_unfinished.is_some())
            | flag(L4_UNFINISHED, self.l4_unfinished.is_some());
        let mut bytes = [0; HEADER_LEN];
        bytes[0..4].copy_from_slice(&self.kept_len.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.original_len.to_ne_bytes());
        bytes[8..13].copy_from_slice(&[self.way as u8, domain, flags, l2_len, l3_len]);
        bytes[14..16].copy_from_slice(&self.vlan.unwrap_or_default().to_ne_bytes());
        bytes[16..18].copy_from_slice(&csum_start.to_ne_bytes());
        bytes[18..20].copy_from_slice(&csum_offset.to_ne_bytes());
        bytes[24..32].copy_from_slice(&self.number.to_ne_bytes());
        bytes[32..40].copy_from_slice(&ticks.to_ne_bytes());
        bytes[40..48].copy_from_slice(&self.host.unwrap_or_default().to_ne_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Record {
        let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|byte| bytes[at + byte]));
        let long = |at: usize| {
            u64::from_ne_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|byte: usize| bytes[at + byte]))
        };
        let [way, domain, flags, l2_len, l3_len] = [8, 9, 10, 11, 12].map(|at: usize| bytes[at]);
        let has = |flag: u8| flags & flag != 0;
        let unfinished = Unfinished { csum_start: half(16), csum_offset: half(18) };
        Record {
            way: if way == Way::Received as u8 { Way::Received } else { Way::Sent },
            kept_len: word(0),
            original_len: word(4),
            number: long(24),
            stamp: DOMAINS.get(usize::from(domain)).map(|domain| (*domain, long(32))),
            host: has(HAS_HOST).then(|| long(40)),
            vlan: has(HAS_VLAN).then(|| half(14)),
            ipv4_unfinished: has(IPV4_UNFINISHED).then_some((l2_len, l3_len)),
            l4_unfinished: has(L4_UNFINISHED).then_some(unfinished),
        }
    }
}

const HAS_HOST: u8 = 1;
const HAS_VLAN: u8 = 2;
const IPV4_UNFINISHED: u8 = 4;
const L4_UNFINISHED: u8 = 8;

#[inline]
fn flag(flag: u8, set: bool) -> u8 {
    if set { flag } else { 0 }
}

/// By number in the ring.
const DOMAINS: [Domain; 6] = [
    Domain::NicTicks,
    Domain::NicNs,
    Domain::Tsc,
    Domain::HostNs,
    Domain::VirtualNs,
    Domain::Captured,
];
const NO_DOMAIN: u8 = u8::MAX;

#[inline]
fn number(domain: Domain) -> u8 {
    match domain {
        Domain::NicTicks => 0,
        Domain::NicNs => 1,
        Domain::Tsc => 2,
        Domain::HostNs => 3,
        Domain::VirtualNs => 4,
        Domain::Captured => 5,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn records()(
            way in prop_oneof![Just(Way::Received), Just(Way::Sent)],
            lens in any::<(u32, u32)>(),
            number: u64,
            stamp in prop::option::of((prop::sample::select(&DOMAINS[..]), any::<u64>())),
            host in prop::option::of(any::<u64>()),
            vlan in prop::option::of(any::<u16>()),
            ipv4_unfinished in prop::option::of(any::<(u8, u8)>()),
            l4 in prop::option::of(any::<(u16, u16)>()),
        ) -> Record {
            Record {
                way,
                kept_len: lens.0,
                original_len: lens.1,
                number,
                stamp,
                host,
                vlan,
                ipv4_unfinished,
                l4_unfinished: l4.map(|(csum_start, csum_offset)| Unfinished { csum_start, csum_offset }),
            }
        }
    }

    proptest! {
        #[test]
        fn a_record_reads_back_as_it_was_written(record in records()) {
            prop_assert_eq!(Record::from_bytes(&record.to_bytes()), record);
        }
    }

    #[test]
    fn a_domain_has_its_place_by_number() {
        for domain in DOMAINS {
            assert_eq!(DOMAINS[usize::from(number(domain))], domain);
        }
    }

    #[test]
    fn only_what_is_partial_or_none_is_unfinished() {
        let meta = TxMeta { l2_len: 18, l3_len: 24, l4_len: 20, ..TxMeta::default() };
        let sent = |ipv4, tcp| Record::sent(&TxMeta { ipv4, tcp, ..meta }, 0);
        let (full, partial) = (TxChecksum::Full, TxChecksum::Partial);
        assert_eq!(sent(full, full).ipv4_unfinished, None);
        assert_eq!(sent(full, full).l4_unfinished, None);
        assert_eq!(sent(partial, full).ipv4_unfinished, Some((18, 24)));
        let place = Unfinished { csum_start: 42, csum_offset: 16 };
        assert_eq!(sent(full, partial).l4_unfinished, Some(place));

        let received = |l4| {
            let meta = RxMeta { l4, csum_start: 42, csum_offset: 16, ..RxMeta::UNKNOWN };
            Record::received(&meta, None).l4_unfinished
        };
        assert_eq!(received(Verdict::None), Some(place));
        for verdict in [Verdict::Unknown, Verdict::Bad, Verdict::Good] {
            assert_eq!(received(verdict), None);
        }
    }
}
