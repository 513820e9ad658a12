//! What a driver does by a default of its own that nobody asked for, on a ring that the test has DPDK call mlx5's: here the
//! name alone is mlx5's.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use dpdk_sys as ffi;
use fixwire_offload::Plan;
use fixwire_offload::capability::Capability;
use fixwire_offload::device::Device;
use fixwire_offload::flow::RuleSet;
use fixwire_offload::nic::Nic as _;
use fixwire_offload::profile::{Policy, Profile};

use crate::its_rules::{in_place_of, own};
use crate::{open, show};

static IS_MLX5: AtomicBool = AtomicBool::new(false);

type Ask = unsafe extern "C" fn(u16, *mut ffi::rte_eth_dev_info) -> c_int;

/// DPDK's own answer under mlx5's name.
fn renamed(port: u16, info: *mut ffi::rte_eth_dev_info) -> c_int {
    // SAFETY: it is of this shape (rte_ethdev.h).
    let ask: Ask = unsafe { own(c"rte_eth_dev_info_get") };
    // SAFETY: whoever calls has a whole one to write to.
    let answer = unsafe { ask(port, info) };
    // SAFETY: the same; the name is a C string that lives for ever.
    unsafe { (*info).driver_name = c"mlx5_pci".as_ptr() };
    answer
}

in_place_of!(rte_eth_dev_info_get(
    port: u16,
    info: *mut ffi::rte_eth_dev_info
) -> c_int, IS_MLX5.load(SeqCst).then(|| renamed(port, info)));

fn started(is_mlx5: bool) -> Plan {
    IS_MLX5.store(is_mlx5, SeqCst);
    let off = [Capability::CqeCompression, Capability::RxTimestamp];
    let prefers = Profile::all(Policy::Prefer);
    let profile = off.into_iter().fold(prefers, |profile, of| profile.with(of, Policy::Off));
    let device = Device::probed(open("net_ring0", &profile).unwrap());
    let configured = device.plan(&profile, RuleSet::EMPTY).configure().unwrap();
    let (nic, plan) = configured.start().unwrap().steer().unwrap();
    show(&plan);
    assert_eq!(nic.close(), Some(0));
    plan
}

pub(crate) fn what_mlx5_does_unasked_is_in_the_plan_of_a_port_that_runs() {
    let plan = started(true);
    let row = plan.row(Capability::CqeCompression);
    assert!(!plan.uses(Capability::CqeCompression), "{row:?}");
    let words = "not asked for, and mlx5 does it of frames without stamps unless its devargs";
    assert!(row.reason.starts_with(words), "{row:?}");
}

pub(crate) fn what_no_other_driver_does_unasked_is_said_of_none() {
    let plan = started(false);
    let row = plan.row(Capability::CqeCompression);
    assert!(!row.reason.contains("not asked for, and"), "{row:?}");
}
