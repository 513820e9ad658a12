//! Frames in several buffers: handed over by a driver as they were sent, and made by one that has no larger buffer.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::mem::zeroed;
use std::ptr;

use dpdk_sys as ffi;
use fixwire_hw::dpdk::DpdkNic;
use fixwire_offload::nic::{Burst, Frame as _, Nic};

use crate::several::{leave_open, memif_pair, queues};
use crate::{eventually, ring};

/// The pool that pieces lie in.
const POOL: &CStr = c"pieces";

/// Null until it was made.
fn known_pool() -> *mut ffi::rte_mempool {
    // SAFETY: the name is a C string, and DPDK runs.
    unsafe { ffi::rte_mempool_lookup(POOL.as_ptr()) }
}

/// Sends one frame that lies in a buffer for each of `pieces`, past our own types, by queue 0 of a port.
pub(crate) fn send_chain(port: u16, pieces: &[&[u8]]) {
    send_chain_with(port, pieces, (0, 0));
}

/// The same with flags and lengths of headers in it (`ol_flags`, `tx_offload`).
pub(crate) fn send_chain_with(port: u16, pieces: &[&[u8]], (flags, lens): (u64, u64)) {
    let mut pool = known_pool();
    if pool.is_null() {
        let name = POOL.as_ptr();
        // SAFETY: the name is a C string, and DPDK runs.
        pool = unsafe { ffi::rte_pktmbuf_pool_create(name, 255, 0, 0, 4_352, -1) };
    }
    assert!(!pool.is_null());
    let mut head: *mut ffi::rte_mbuf = ptr::null_mut();
    let tx_offload = ffi::rte_mbuf__bindgen_ty_3 { tx_offload: lens };
    for piece in pieces.iter().rev() {
        // SAFETY: the rest of the chain is none, or whole and ours.
        let behind = unsafe { head.as_ref() };
        let (len, segments) = behind.map_or((0, 0), |rest| (rest.pkt_len, rest.nb_segs));
        // SAFETY: the pool lives.
        let raw = unsafe { ffi::rte_pktmbuf_alloc(pool) };
        // SAFETY: an mbuf of a pool's is whole, and ours until it is sent.
        let mbuf = unsafe { raw.as_mut() }.expect("a buffer");
        let data = mbuf.buf_addr.cast::<u8>().wrapping_add(usize::from(mbuf.data_off));
        // SAFETY: each buffer has room for every piece.
        unsafe { ptr::copy_nonoverlapping(piece.as_ptr(), data, piece.len()) };
        mbuf.data_len = piece.len() as u16;
        (mbuf.pkt_len, mbuf.nb_segs) = (piece.len() as u32 + len, segments + 1);
        (mbuf.ol_flags, mbuf.__bindgen_anon_3) = (flags, tx_offload);
        mbuf.next = head;
        head = raw;
    }
    // SAFETY: the port runs, and the chain is whole and ours.
    assert_eq!(unsafe { ffi::rte_eth_tx_burst(port, 0, &raw mut head, 1) }, 1);
}

/// How many buffers of that pool are in use.
pub(crate) fn pieces_in_use() -> u32 {
    // SAFETY: the pool lives: chains were sent.
    unsafe { ffi::rte_mempool_in_use_count(known_pool()) }
}

/// The pieces of the one frame that comes.
fn pieces(nic: &mut DpdkNic) -> Vec<Vec<u8>> {
    let mut burst = Burst::new();
    eventually("a frame", || (nic.rx_burst(&mut burst) > 0).then_some(()));
    let frame = &burst[0];
    assert!(frame.segment(frame.segments()).is_empty(), "nothing past the last");
    (0..frame.segments()).map(|index| frame.segment(index).to_vec()).collect()
}

pub(crate) fn a_chain_arrives_piece_by_piece_and_goes_back_whole() {
    let (mut nic, _) = ring();
    for round in 0..500u16 {
        let [a, b, c] = [14, 20, 1 + usize::from(round)].map(|len| vec![round as u8; len]);
        send_chain(0, &[&a, &b, &c]);
        assert_eq!(pieces(&mut nic), [a, b, c]);
    }
    assert_eq!(nic.counters().rx_frames, 500);
    assert_eq!(pieces_in_use(), 0);
    assert_eq!(nic.close(), Some(0));
}

pub(crate) fn a_driver_that_takes_chains_is_told_of_them_and_gets_them() {
    let (mut nic, _) = ring();
    // SAFETY: it is made of numbers, for which zero is a value.
    let mut conf: ffi::rte_eth_conf = unsafe { zeroed() };
    // SAFETY: `conf` is a whole one to write to, and port 0 runs.
    assert_eq!(unsafe { ffi::rte_eth_dev_conf_get(0, &raw mut conf) }, 0);
    assert_ne!(conf.txmode.offloads & u64::from(ffi::RTE_ETH_TX_OFFLOAD_MULTI_SEGS), 0);
    let sent = [14, 20, 30].map(|len| vec![len as u8; len]);
    send_chain(0, &[&sent[0], &sent[1], &sent[2]]);
    let mut burst = Burst::new();
    assert_eq!((nic.rx_burst(&mut burst), nic.tx_burst(&mut burst)), (1, 1));
    assert_eq!((nic.counters().tx_copied, pieces(&mut nic)), (0, sent.to_vec()));
    assert_eq!(nic.close(), Some(0));
}

pub(crate) fn a_driver_puts_a_frame_that_is_longer_than_a_buffer_into_several() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, client) = memif_pair(folder.path(), &queues(1, 1));
    let sent: Vec<u8> = (0..4_000u16).map(|at| (at % 251) as u8).collect();
    send_chain(1, &[&sent[..1_500], &sent[1_500..]]);
    let found = pieces(&mut server);
    assert!(found.len() > 1, "{}", found.len());
    assert_eq!(found.concat(), sent);
    assert_eq!(pieces_in_use(), 0);
    assert_eq!((server.counters().rx_bytes, client.counters().tx_bytes), (4_000, 4_000));
    leave_open((server, client));
}
