//! What a port says of itself after its set-up, on `net_tap`: which offloads its queues have, by the test's own answer to
//! DPDK's question, since the virtual drivers of 22.11 tell nothing; and its MTU.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::mem::zeroed;
use std::sync::Mutex;

use dpdk_sys as ffi;
use fixwire_hw::tap::namespace;
use fixwire_offload::capability::Capability;
use fixwire_offload::device::Device;
use fixwire_offload::flow::RuleSet;
use fixwire_offload::nic::Nic as _;
use fixwire_offload::profile::{Policy, Profile};

use crate::its_rules::in_place_of;
use crate::{harness, open, show};

/// What a queue says it has, receive and transmit; DPDK's own functions are called while there is nothing.
static ON: Mutex<Option<(u64, u64)>> = Mutex::new(None);

in_place_of!(rte_eth_rx_queue_info_get(
    port: u16,
    queue: u16,
    info: *mut ffi::rte_eth_rxq_info
) -> c_int, ON.lock().unwrap().map(|(rx, _)| {
    // SAFETY: whoever calls has a whole one to write to.
    unsafe { (*info).conf.offloads = rx };
    0
}));

in_place_of!(rte_eth_tx_queue_info_get(
    port: u16,
    queue: u16,
    info: *mut ffi::rte_eth_txq_info
) -> c_int, ON.lock().unwrap().map(|(_, tx)| {
    // SAFETY: the same.
    unsafe { (*info).conf.offloads = tx };
    0
}));

pub(crate) fn an_offload_that_a_queue_says_is_off_is_the_host_s_whatever_was_asked_of_the_port() {
    if let Err(error) = namespace::enter() {
        harness::skip(&error.to_string());
    }
    let profile = Profile::all(Policy::Prefer);
    let planned = Device::probed(open("net_tap0,iface=dtap0", &profile).unwrap())
        .plan(&profile, RuleSet::EMPTY);
    let on = [Capability::RxIpv4Checksum, Capability::TxTcpChecksum];
    let off = [Capability::RxTcpChecksum, Capability::TxIpv4Checksum];
    assert!(on.iter().chain(&off).all(|capability| planned.plan().uses(*capability)));
    *ON.lock().unwrap() =
        Some((ffi::RTE_ETH_RX_OFFLOAD_IPV4_CKSUM.into(), ffi::RTE_ETH_TX_OFFLOAD_TCP_CKSUM.into()));
    let (nic, plan) = planned.configure().unwrap().start().unwrap().steer().unwrap();
    show(&plan);
    assert!(on.into_iter().all(|capability| plan.uses(capability)), "{plan:?}");
    for capability in off {
        let row = plan.row(capability);
        assert!(!plan.uses(capability), "{row:?}");
        let said = "advertised, but refused: read back after it was asked for, it is off";
        assert!(row.reason.starts_with(said), "{row:?}");
    }
    assert_eq!(nic.close(), Some(0));
}

pub(crate) fn a_port_s_mtu_outlives_its_set_up() {
    const MTU: usize = 1_400;
    if let Err(error) = namespace::enter() {
        harness::skip(&error.to_string());
    }
    let profile = Profile::all(Policy::Prefer);
    let backend = open("net_tap0,iface=dtap0", &profile).unwrap();
    assert_eq!(backend.mtu(), 1_500);
    // SAFETY: it is made of numbers, for which zero is a value.
    let mut conf: ffi::rte_eth_conf = unsafe { zeroed() };
    conf.rxmode.mtu = MTU as u32;
    // Now the port has one of its own, as with a driver that reads its device's when it finds it, such as mlx5. net_tap
    // of 22.11 takes none above 1500.
    // SAFETY: port 0 is there, the only one and not started; `conf` is whole and read during the call.
    assert_eq!(unsafe { ffi::rte_eth_dev_configure(0, 1, 1, &raw const conf) }, 0);
    assert_eq!(backend.mtu(), MTU);
    let planned = Device::probed(backend).plan(&profile, RuleSet::EMPTY);
    let (nic, plan) = planned.configure().unwrap().start().unwrap().steer().unwrap();
    show(&plan);
    assert_eq!(nic.mtu(), MTU);
    assert_eq!(nic.close(), Some(0));
}
