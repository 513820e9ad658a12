//! Ethernet, IPv4 and TCP headers, parsed and written, around the payload of an ExecutionReport or a
//! NewOrderSingle. In software the sums are verified and written, too.

use std::hint::black_box;

use fixwire::emit::Emitter;
use fixwire::neighbor::Network;
use fixwire::offload::nic::RxMeta;
use fixwire::offload::observe::Observations;
use fixwire::tcp::{Config, ConnectionId, Endpoint, Stack, Transmit};
use fixwire::time::Instant;
use fixwire::verify::Verifier;
use fixwire::wire::tcp::{Flags, Options, SeqNumber, Timestamps};
use fixwire::wire::{Refusal, ethernet, ipv4, tcp};

use crate::case::{Bench, Case, Rotation, US};
use crate::messages::{self, REPORT_LEN};
use crate::nic::Sums;
use crate::peer::{HOST_ADDR, HOST_MAC, PEER_ADDR, PEER_MAC, PEER_PORT};

/// Frames and headers in rotation.
const DISTINCT: usize = 64;
/// The payload that is sent, in bytes.
const ORDER_LEN: usize = 174;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for sums in Sums::BOTH {
        let what = format!("wire/headers parsed/{}", sums.name());
        cases.push(Case::new(what.clone(), US, move || parsing(sums)));
        #[cfg(feature = "rivals")]
        cases.push(Case::new(what, "smoltcp", move || rival::parsing(sums)));
    }
    for sums in Sums::BOTH {
        let what = format!("wire/headers written/{}", sums.name());
        cases.push(Case::new(what.clone(), US, move || writing(sums)));
        #[cfg(feature = "rivals")]
        cases.push(Case::new(what, "smoltcp", move || rival::writing(sums)));
    }
    cases
}

const NETWORK: Network = Network {
    mac: HOST_MAC,
    addr: HOST_ADDR,
    prefix_len: 24,
    gateway: None,
    vlan: None,
    mtu: 1500,
};

/// Whose segments are written: nobody else's headers are kept for the next.
fn connection() -> ConnectionId {
    let mut tcp = Stack::new(Config::default(), [7; 16]);
    let local = Endpoint { addr: HOST_ADDR, port: 49_152 };
    let remote = Endpoint { addr: PEER_ADDR, port: PEER_PORT };
    tcp.connect(Instant::ZERO, local, remote).expect("the first connection")
}

fn transmit(connection: Option<ConnectionId>, number: u32, payload: &[u8]) -> Transmit<'_> {
    Transmit {
        connection,
        local: HOST_ADDR,
        remote: PEER_ADDR,
        header: tcp::Repr {
            src_port: 49_152,
            dst_port: PEER_PORT,
            seq: SeqNumber(1_000 * number),
            ack: SeqNumber(2_000 * number),
            flags: Flags::ACK.with(Flags::PSH),
            window: 512,
            options: Options {
                timestamps: Some(Timestamps { value: 1_000, echo: 1 }),
                ..Options::NONE
            },
        },
        payload: [payload, &[]],
        retransmission: false,
        is_ect: false,
    }
}

/// Frames with right sums. Who they are from does not matter here.
pub(super) fn frames() -> Vec<Vec<u8>> {
    let payload = messages::filler(REPORT_LEN);
    let mut emitter = Emitter::new(&Sums::InSoftware.plan(), NETWORK);
    (0..DISTINCT as u32)
        .map(|number| {
            let mut out = vec![0; 2048];
            let (len, _) = emitter.tcp(PEER_MAC, &transmit(None, number, &payload), &mut out);
            out.truncate(len);
            out
        })
        .collect()
}

fn parsing(sums: Sums) -> impl Bench {
    let (meta, plan) = (sums.rx_meta(), sums.plan());
    let (mut verifier, mut observations) = (Verifier::new(&plan), Observations::default());
    Rotation::new(frames(), move |frame: &Vec<u8>| {
        let parsed = parse(&mut verifier, &mut observations, &meta, black_box(frame));
        black_box(parsed.expect("a right frame"));
    })
}

#[inline]
fn parse<'f>(
    verifier: &mut Verifier,
    observations: &mut Observations,
    meta: &RxMeta,
    bytes: &'f [u8],
) -> Result<tcp::Segment<'f>, Refusal> {
    let frame = ethernet::Packet::parse(bytes)?;
    let packet = ipv4::Packet::parse(frame.payload)?;
    verifier.ipv4(meta, &packet, observations)?;
    let segment = tcp::Packet::parse(packet.payload)?;
    verifier.tcp(meta, frame.header_len, &packet, &segment, observations)?;
    segment.segment()
}

fn writing(sums: Sums) -> impl Bench {
    let payload = messages::filler(ORDER_LEN);
    let (mut emitter, mut out) = (Emitter::new(&sums.plan(), NETWORK), vec![0; 2048]);
    let connection = Some(connection());
    let numbers: Vec<u32> = (0..DISTINCT as u32).collect();
    Rotation::new(numbers, move |number: &u32| {
        let segment = transmit(connection, black_box(*number), &payload);
        black_box(emitter.tcp(PEER_MAC, &segment, black_box(&mut out)));
    })
}

#[cfg(feature = "rivals")]
mod rival {
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpAddress, IpProtocol,
        Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, TcpTimestampRepr,
    };

    use super::*;

    fn checksums(sums: Sums) -> ChecksumCapabilities {
        match sums {
            Sums::Offloaded => ChecksumCapabilities::ignored(),
            Sums::InSoftware => ChecksumCapabilities::default(),
        }
    }

    pub(super) fn parsing(sums: Sums) -> impl Bench {
        let checksums = checksums(sums);
        Rotation::new(frames(), move |frame: &Vec<u8>| {
            let parsed = parse(&checksums, black_box(frame));
            black_box(parsed.expect("a right frame"));
        })
    }

    #[inline]
    fn parse<'f>(
        checksums: &ChecksumCapabilities,
        bytes: &'f [u8],
    ) -> Result<TcpRepr<'f>, smoltcp::wire::Error> {
        let frame = EthernetFrame::new_checked(bytes)?;
        EthernetRepr::parse(&frame)?;
        let packet = Ipv4Packet::new_checked(frame.payload())?;
        let header = Ipv4Repr::parse(&packet, checksums)?;
        let segment = TcpPacket::new_checked(packet.payload())?;
        let (src, dst) = (IpAddress::Ipv4(header.src_addr), IpAddress::Ipv4(header.dst_addr));
        TcpRepr::parse(&segment, &src, &dst, checksums)
    }

    pub(super) fn writing(sums: Sums) -> impl Bench {
        let checksums = checksums(sums);
        let payload = messages::filler(ORDER_LEN);
        let mut out = vec![0; 2048];
        let numbers: Vec<u32> = (0..DISTINCT as u32).collect();
        Rotation::new(numbers, move |number: &u32| {
            write(&checksums, black_box(*number), &payload, black_box(&mut out));
        })
    }

    #[inline]
    fn write(checksums: &ChecksumCapabilities, number: u32, payload: &[u8], out: &mut [u8]) {
        let segment = TcpRepr {
            src_port: 49_152,
            dst_port: PEER_PORT,
            control: TcpControl::Psh,
            seq_number: TcpSeqNumber(1_000 * number as i32),
            ack_number: Some(TcpSeqNumber(2_000 * number as i32)),
            window_len: 512,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: Some(TcpTimestampRepr { tsval: 1_000, tsecr: 1 }),
            payload,
        };
        let packet = Ipv4Repr {
            src_addr: HOST_ADDR,
            dst_addr: PEER_ADDR,
            next_header: IpProtocol::Tcp,
            payload_len: segment.buffer_len(),
            hop_limit: 64,
        };
        let link = EthernetRepr {
            src_addr: EthernetAddress(HOST_MAC.0),
            dst_addr: EthernetAddress(PEER_MAC.0),
            ethertype: EthernetProtocol::Ipv4,
        };
        let len = link.buffer_len() + packet.buffer_len() + segment.buffer_len();
        let mut frame = EthernetFrame::new_unchecked(&mut out[..len]);
        link.emit(&mut frame);
        let mut datagram = Ipv4Packet::new_unchecked(frame.payload_mut());
        packet.emit(&mut datagram, checksums);
        let mut bytes = TcpPacket::new_unchecked(datagram.payload_mut());
        let (src, dst) = (IpAddress::Ipv4(HOST_ADDR), IpAddress::Ipv4(PEER_ADDR));
        segment.emit(&mut bytes, &src, &dst, checksums);
    }
}
