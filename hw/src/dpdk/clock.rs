//! Stamps of received frames, and the clock that they are by (rte_mbuf_dyn.h, rte_ethdev.h).
#![allow(unsafe_code)]

use dpdk_sys as ffi;
use fixwire_offload::stamp::Domain;

use super::eal;
use super::error::Errno;
use super::mbuf::DynamicField;
use super::offloads::Stamping;

/// Makes room in every mbuf for a stamp, before a port that stamps is configured.
pub(super) fn register_stamps(domain: Domain) -> Result<Stamping, Errno> {
    let (mut offset, mut flag) = (0, 0);
    // SAFETY: both are numbers to write to.
    let answer = unsafe { ffi::rte_mbuf_dyn_rx_timestamp_register(&raw mut offset, &raw mut flag) };
    let field = DynamicField::at(offset).filter(|_| answer == 0);
    field.map(|field| Stamping { field, flag, domain }).ok_or_else(eal::errno)
}

/// A port's counter now; `None` where its driver does not read it (ENOTSUP).
pub(super) fn read(port: u16) -> Option<u64> {
    let mut clock = 0;
    // SAFETY: `clock` is a number to write to.
    let answer = unsafe { ffi::rte_eth_read_clock(port, &raw mut clock) };
    (answer == 0).then_some(clock)
}
