//! A ring whose driver is told to look at frames before they are sent, as drivers of hardware do: it takes some, writes
//! into what it takes, and refuses others. The function is put into the table that DPDK calls it by; the mbufs are real.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::slice;

use dpdk_sys as ffi;
use fixwire_hw::dpdk::DpdkNic;
use fixwire_offload::capability::Capability;
use fixwire_offload::checksum::Sum;
use fixwire_offload::device::Device;
use fixwire_offload::flow::RuleSet;
use fixwire_offload::nic::{Burst, Frame as _, Held as _, Nic, TxChecksum, TxMeta};
use fixwire_offload::profile::{Policy, Profile};

use crate::chains::{pieces_in_use, send_chain_with};
use crate::connectx5::Claiming;
use crate::{open, show};

/// The last byte of a frame: what is to become of it.
const TAKE: u8 = b't';
const REFUSE: u8 = b'r';
/// What is written over it in a frame that was taken.
const TAKEN: u8 = b'T';

unsafe extern "C" fn look(_: *mut c_void, frames: *mut *mut ffi::rte_mbuf, len: u16) -> u16 {
    // SAFETY: so many frames were handed over.
    let frames = unsafe { slice::from_raw_parts(frames, len.into()) };
    for (number, frame) in (0..).zip(frames) {
        // SAFETY: each is whole, and nobody else's.
        let mut mbuf = unsafe { &**frame };
        while !mbuf.next.is_null() {
            // SAFETY: the buffers of a frame are as whole as it is.
            mbuf = unsafe { &*mbuf.next };
        }
        let data = mbuf.buf_addr.cast::<u8>().wrapping_add(usize::from(mbuf.data_off));
        // SAFETY: no frame of the test's is empty.
        let last = unsafe { &mut *data.wrapping_add(usize::from(mbuf.data_len) - 1) };
        if *last == REFUSE {
            return number;
        }
        *last = TAKEN;
    }
    len
}

/// Ethernet, IPv4 and TCP without options.
const HEADERS_LEN: usize = 54;

/// A TCP segment as the engine leaves it to a device: the pseudo-header's sum in the one field, nothing in the other.
fn left_to_device(last: u8) -> Vec<u8> {
    left_to_device_with(HEADERS_LEN + 8, last)
}

/// The same, `len` bytes long.
fn left_to_device_with(len: usize, last: u8) -> Vec<u8> {
    let [high, low] = (len as u16 - 14).to_be_bytes();
    let mut frame = vec![2; 12];
    frame.extend([0x08, 0x00]);
    frame.extend([0x45, 0, high, low, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2]);
    frame.extend([0x30, 0x39, 0x13, 0x89, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 0xff, 0xff]);
    frame.extend([&pseudo_header(len).folded().to_be_bytes()[..], &[0, 0]].concat());
    frame.extend((HEADERS_LEN + 1..len).map(|at| at as u8));
    frame.push(last);
    frame
}

fn pseudo_header(len: usize) -> Sum {
    Sum::of_tcp_pseudo_header([10, 9, 0, 1], [10, 9, 0, 2], len as u16 - 34)
}

fn is_finished(frame: &[u8]) -> bool {
    let pseudo_header = pseudo_header(frame.len());
    Sum::of(&frame[14..34]).is_valid() && pseudo_header.plus(Sum::of(&frame[34..])).is_valid()
}

/// A ring that looks at frames before it sends them.
fn looking() -> DpdkNic {
    let profile = Profile::all(Policy::Prefer);
    let claims = [Capability::TxIpv4Checksum, Capability::TxTcpChecksum];
    let device = Device::probed(Claiming::these(open("net_ring0", &profile).unwrap(), &claims));
    let configured = device.plan(&profile, RuleSet::EMPTY).configure().unwrap();
    let (nic, plan) = configured.start().unwrap().steer().unwrap();
    show(&plan);
    assert!(claims.into_iter().all(|capability| plan.uses(capability)));
    let table = (&raw mut ffi::rte_eth_fp_ops).cast::<ffi::rte_eth_fp_ops>();
    // SAFETY: port 0 runs, and is the only one; nobody sends by it meanwhile.
    unsafe { (*table).tx_pkt_prepare = Some(look) };
    nic
}

pub(crate) fn what_a_driver_refuses_to_sum_is_summed_in_software_and_sent_in_order() {
    let mut nic = looking();
    let asked = [TAKE, REFUSE, REFUSE, TAKE, TAKE, REFUSE];
    let mut refused = 0;
    for len in 1..=asked.len() {
        let kept: Vec<Vec<u8>> = asked[..len].iter().map(|last| left_to_device(*last)).collect();
        let sums = TxChecksum::Partial;
        let meta =
            TxMeta { l2_len: 14, l3_len: 20, l4_len: 20, ipv4: sums, tcp: sums, stamp_token: 0 };
        let mut burst = Burst::new();
        for bytes in &kept {
            let mut frame = nic.tx_frame().unwrap();
            frame.space()[..bytes.len()].copy_from_slice(bytes);
            frame.finish(bytes.len(), meta);
            burst.push(frame);
        }
        assert_eq!((nic.tx_burst(&mut burst), burst.len()), (len, 0));
        refused += asked[..len].iter().filter(|last| **last == REFUSE).count() as u64;
        assert_eq!(nic.counters().tx_offload_refused, refused);
        let mut received = Burst::new();
        assert_eq!(nic.rx_burst(&mut received), len);
        for ((kept, sent), last) in kept.iter().zip(&received).zip(asked) {
            let (sent, before_last) = (sent.bytes(), kept.len() - 1);
            if last == REFUSE {
                assert!(is_finished(sent), "{sent:02x?}");
                assert_eq!(sent[before_last], REFUSE);
            } else {
                assert_eq!(
                    (&sent[..before_last], sent[before_last]),
                    (&kept[..before_last], TAKEN)
                );
            }
        }
    }
    assert_eq!(nic.close(), Some(0));
}

pub(crate) fn a_held_frame_that_a_driver_refuses_to_sum_is_summed_in_another() {
    let mut nic = looking();
    let before = nic.buffers_in_use();
    let bytes = left_to_device(REFUSE);
    let sums = TxChecksum::Partial;
    let mut frame = nic.tx_frame().unwrap();
    frame.space()[..bytes.len()].copy_from_slice(&bytes);
    frame.finish(
        bytes.len(),
        TxMeta { l2_len: 14, l3_len: 20, l4_len: 20, ipv4: sums, tcp: sums, stamp_token: 0 },
    );
    let held = frame.hold().unwrap();
    let mut burst = Burst::from_iter([frame]);
    assert_eq!((nic.tx_burst(&mut burst), burst.len()), (1, 0));
    assert_eq!((nic.counters().tx_offload_refused, nic.counters().tx_copied), (1, 1));
    assert_eq!(held.bytes(), bytes, "as it was handed over");
    let mut received = Burst::new();
    assert_eq!(nic.rx_burst(&mut received), 1);
    assert!(is_finished(received[0].bytes()));
    drop(received);
    let frame = held.into_frame().expect("the driver has another");
    drop(frame);
    assert_eq!(nic.buffers_in_use(), before);
    assert_eq!(nic.close(), Some(0));
}

pub(crate) fn a_chain_whose_sums_a_driver_refuses_is_summed_whole_or_not_sent() {
    let mut nic = looking();
    let before = nic.buffers_in_use();
    let flags =
        ffi::RTE_MBUF_F_TX_IPV4 | ffi::RTE_MBUF_F_TX_IP_CKSUM | ffi::RTE_MBUF_F_TX_TCP_CKSUM;
    let lens = 14u64
        | 20 << ffi::RTE_MBUF_L2_LEN_BITS
        | 20 << (ffi::RTE_MBUF_L2_LEN_BITS + ffi::RTE_MBUF_L3_LEN_BITS);
    // Odd pieces, headers in several of them, and two frames that no buffer to send is as long as.
    for (lens_of, is_sent) in [
        (&[100, 150, 50][..], true),
        (&[101, 1, 700, 99], true),
        (&[20, 13, 7, 260], true),
        (&[1_500, 2_000, 1_000], false),
        (&[2_000, 49], false),
        (&[1_000, 1_048], true),
    ] {
        let whole = left_to_device_with(lens_of.iter().sum(), REFUSE);
        let mut rest = &whole[..];
        let pieces = lens_of.iter().map(|len| rest.split_off(..*len).unwrap());
        send_chain_with(0, &pieces.collect::<Vec<_>>(), (flags, lens));
        let counted = nic.counters();
        let mut burst = Burst::new();
        assert_eq!(nic.rx_burst(&mut burst), 1);
        assert_eq!(burst[0].segments(), lens_of.len());
        let refused = u64::from(!is_sent);
        assert_eq!((nic.tx_burst(&mut burst), burst.len()), (usize::from(is_sent), 0));
        assert_eq!(pieces_in_use(), 0);
        let now = nic.counters();
        assert_eq!(now.tx_too_long - counted.tx_too_long, refused);
        assert_eq!(now.tx_copied - counted.tx_copied, 1 - refused);
        assert_eq!(now.tx_offload_refused - counted.tx_offload_refused, 1);
        assert_eq!(nic.rx_burst(&mut burst), usize::from(is_sent));
        for frame in &burst {
            assert_eq!((frame.segments(), frame.bytes().len()), (1, whole.len()));
            assert!(is_finished(frame.bytes()), "{lens_of:?}");
            assert_eq!(frame.bytes()[54..], whole[54..]);
        }
    }
    assert_eq!(nic.buffers_in_use(), before);
    assert_eq!(nic.close(), Some(0));
}

pub(crate) fn an_offload_that_is_off_when_read_back_is_the_host_s_with_the_reason() {
    let profile = Profile::all(Policy::Prefer);
    let claims = [Capability::TxTcpChecksum, Capability::RxIpv4Checksum];
    let backend = open("net_ring0", &profile).unwrap();
    let device = Device::probed(Claiming { claims: &claims, backend, stands_by_them: false });
    let planned = device.plan(&profile, RuleSet::EMPTY);
    assert!(claims.into_iter().all(|capability| planned.plan().uses(capability)));
    let configured = planned.configure().unwrap();
    for capability in claims {
        let row = configured.plan().row(capability);
        assert!(!configured.plan().uses(capability), "{row:?}");
        let said = "advertised, but refused: read back after it was asked for, it is off";
        assert!(row.reason.starts_with(said), "{row:?}");
    }
    let (nic, plan) = configured.start().unwrap().steer().unwrap();
    show(&plan);
    assert_eq!(nic.close(), Some(0));
}
