//! Frames in several buffers: handed over by a driver as they were sent, and made by one that has no larger buffer.
#![allow(unsafe_code)]

use std::ptr;

use dpdk_sys as ffi;
use fixwire_hw::dpdk::DpdkNic;
use fixwire_offload::nic::{Burst, Frame as _, Nic};

use crate::several::{leave_open, memif_pair, queues};
use crate::{eventually, ring};

/// Sends one frame that lies in a buffer for each of `pieces`, past our own types, by queue 0 of a port.
fn send_chain(port: u16, pieces: &[&[u8]]) {
    // SAFETY: the name is a C string, and DPDK runs.
    let pool = unsafe {
        let known = ffi::rte_mempool_lookup(c"pieces".as_ptr());
        if known.is_null() {
            ffi::rte_pktmbuf_pool_create(c"pieces".as_ptr(), 255, 0, 0, 4_352, -1)
        } else {
            known
        }
    };
    assert!(!pool.is_null());
    let mut head = ptr::null_mut();
    for piece in pieces.iter().rev() {
        // SAFETY: the pool lives, and has room for each piece; an mbuf of its is whole and ours until it is sent.
        head = unsafe {
            let raw = ffi::rte_pktmbuf_alloc(pool);
            let mbuf = raw.as_mut().expect("a buffer");
            let data = mbuf.buf_addr.cast::<u8>().add(usize::from(mbuf.data_off));
            ptr::copy_nonoverlapping(piece.as_ptr(), data, piece.len());
            mbuf.data_len = piece.len() as u16;
            let rest = head as *mut ffi::rte_mbuf;
            let (behind, segments) =
                rest.as_ref().map_or((0, 0), |rest| (rest.pkt_len, rest.nb_segs));
            (mbuf.pkt_len, mbuf.nb_segs) = (piece.len() as u32 + behind, segments + 1);
            mbuf.next = rest;
            raw
        };
    }
    // SAFETY: the port runs, and the chain is whole and ours.
    assert_eq!(unsafe { ffi::rte_eth_tx_burst(port, 0, &raw mut head, 1) }, 1);
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
    let counters = nic.counters();
    assert_eq!((counters.rx_frames, counters.rx_bytes), (500, 500 * 35 + 499 * 500 / 2));
    // SAFETY: the pool was made by the first of them.
    let pool = unsafe { ffi::rte_mempool_lookup(c"pieces".as_ptr()) };
    // SAFETY: it lives.
    assert_eq!(unsafe { ffi::rte_mempool_in_use_count(pool) }, 0);
    assert_eq!(nic.close(), Some(0));
}

pub(crate) fn a_driver_puts_a_frame_that_is_longer_than_a_buffer_into_several() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, client) = memif_pair(folder.path(), &queues(1, 1));
    let sent: Vec<u8> = (0..4_000u16).map(|at| (at % 251) as u8).collect();
    let before = server.buffers_in_use();
    send_chain(1, &[&sent[..1_500], &sent[1_500..]]);
    let found = pieces(&mut server);
    assert!(found.len() > 1, "{}", found.len());
    assert_eq!(found.concat(), sent);
    assert_eq!(server.buffers_in_use(), before);
    leave_open((server, client));
}
