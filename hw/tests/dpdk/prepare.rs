//! A ring whose driver is told to look at frames before they are sent, as drivers of hardware do: it takes some, writes
//! into what it takes, and refuses others. The function is put into the table that DPDK calls it by; the mbufs are real.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::slice;

use dpdk_sys as ffi;
use fixwire_offload::capability::Capability;
use fixwire_offload::checksum::Sum;
use fixwire_offload::device::Device;
use fixwire_offload::flow::RuleSet;
use fixwire_offload::nic::{Burst, Frame as _, Nic, TxChecksum, TxMeta};
use fixwire_offload::profile::{Policy, Profile};

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
        // SAFETY: each is whole, in one buffer, and nobody else's.
        let mbuf = unsafe { &**frame };
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

/// A TCP segment as the engine leaves it to a device: the pseudo-header's sum in the one field, nothing in the other.
fn left_to_device(last: u8) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([0x08, 0x00]);
    frame.extend([0x45, 0, 0, 48, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2]);
    frame.extend([0x30, 0x39, 0x13, 0x89, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 0xff, 0xff]);
    let seed = Sum::of_tcp_pseudo_header([10, 9, 0, 1], [10, 9, 0, 2], 28).folded();
    frame.extend([&seed.to_be_bytes()[..], &[0, 0], b"1234567", &[last]].concat());
    frame
}

fn is_finished(frame: &[u8]) -> bool {
    let pseudo_header = Sum::of_tcp_pseudo_header([10, 9, 0, 1], [10, 9, 0, 2], 28);
    Sum::of(&frame[14..34]).is_valid() && pseudo_header.plus(Sum::of(&frame[34..])).is_valid()
}

pub(crate) fn what_a_driver_refuses_to_sum_is_summed_in_software_and_sent_in_order() {
    let profile = Profile::all(Policy::Prefer);
    let claims = [Capability::TxIpv4Checksum, Capability::TxTcpChecksum];
    let device = Device::probed(Claiming::these(open("net_ring0", &profile).unwrap(), &claims));
    let configured = device.plan(&profile, RuleSet::EMPTY).configure().unwrap();
    let (mut nic, plan) = configured.start().unwrap().steer().unwrap();
    show(&plan);
    assert!(claims.into_iter().all(|capability| plan.uses(capability)));
    let table = (&raw mut ffi::rte_eth_fp_ops).cast::<ffi::rte_eth_fp_ops>();
    // SAFETY: port 0 runs, and is the only one; nobody sends by it meanwhile.
    unsafe { (*table).tx_pkt_prepare = Some(look) };
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
            // The driver wrote into the frame that it was handed, and into nothing that we keep to send again.
            assert_eq!(kept, &left_to_device(last));
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
