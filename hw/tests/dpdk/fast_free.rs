//! A ring that is told to be one that gives sent buffers back without a look (fast free): it gets frames of its own pool
//! and no others, whatever is sent.

use fixwire_hw::dpdk::{DeviceSpec, DpdkBackend, DpdkNic};
use fixwire_offload::capability::Capability;
use fixwire_offload::device::Device;
use fixwire_offload::flow::RuleSet;
use fixwire_offload::nic::{Burst, Frame as _, Nic, TxMeta};
use fixwire_offload::profile::{Policy, Profile};

use crate::chains::{pieces_in_use, send_chain};
use crate::connectx5::Claiming;
use crate::several::running;
use crate::{open, show};

/// The first ring, told so, and a second one with pools of its own.
fn rings() -> (DpdkNic, DpdkNic) {
    let profile = Profile::all(Policy::Prefer).with(Capability::HeldFrames, Policy::Off);
    let backend = open("net_ring0", &profile).unwrap();
    let spec = DeviceSpec::parse("net_ring1").unwrap();
    let other = DpdkBackend::beside(backend.eal(), spec, &profile).unwrap();
    let device = Device::probed(Claiming::these(backend, &[Capability::FastFree]));
    let configured = device.plan(&profile, RuleSet::EMPTY).configure().unwrap();
    let (nic, plan) = configured.start().unwrap().steer().unwrap();
    show(&plan);
    assert!(plan.uses(Capability::FastFree));
    (nic, running(other, &profile))
}

fn frame(nic: &mut DpdkNic, fill: u8) -> <DpdkNic as Nic>::Frame {
    let mut frame = nic.tx_frame().unwrap();
    frame.space()[..60].fill(fill);
    frame.finish(60, TxMeta::default());
    frame
}

/// What comes out of the ring, which is what was handed to its driver.
fn driver_got(nic: &mut DpdkNic) -> Burst<<DpdkNic as Nic>::Frame> {
    let mut burst = Burst::new();
    nic.rx_burst(&mut burst);
    burst
}

pub(crate) fn frames_of_another_pool_are_copied_into_the_queue_s_own() {
    let (mut nic, mut other) = rings();
    let (ours, theirs) = (nic.buffers_in_use(), other.buffers_in_use());
    let mut burst =
        Burst::from_iter([frame(&mut nic, 1), frame(&mut other, 2), frame(&mut nic, 3)]);
    assert_eq!((nic.tx_burst(&mut burst), burst.len()), (3, 0));
    assert_eq!((nic.counters().tx_copied, nic.counters().tx_frames), (1, 3));
    assert_eq!((nic.buffers_in_use(), other.buffers_in_use()), (ours + 3, theirs));
    let mut got = driver_got(&mut nic);
    let bytes: Vec<_> = got.iter().map(|frame| frame.bytes().to_vec()).collect();
    assert_eq!(bytes, [1, 2, 3].map(|fill| vec![fill; 60]));
    // What it received of its own pool it sends as it is.
    assert_eq!((nic.tx_burst(&mut got), nic.counters().tx_copied), (3, 1));
    drop(driver_got(&mut nic));
    assert_eq!((other.close(), nic.close()), (Some(0), Some(0)));
}

pub(crate) fn a_chain_of_another_pool_is_copied_whole() {
    let (mut nic, mut other) = rings();
    send_chain(1, &[&[7; 100], &[8; 1], &[9; 400]]);
    let mut burst = driver_got(&mut other);
    assert_eq!(burst[0].segments(), 3);
    assert_eq!(nic.tx_burst(&mut burst), 1);
    assert_eq!((nic.counters().tx_copied, pieces_in_use()), (1, 0));
    let got = driver_got(&mut nic);
    assert_eq!(got[0].bytes(), [vec![7; 100], vec![8; 1], vec![9; 400]].concat());
    drop(got);
    assert_eq!((other.close(), nic.close()), (Some(0), Some(0)));
}

pub(crate) fn a_frame_that_finds_no_buffer_to_be_copied_to_is_sent_later() {
    let (mut nic, mut other) = rings();
    let mut burst =
        Burst::from_iter([frame(&mut nic, 1), frame(&mut other, 2), frame(&mut nic, 3)]);
    let mut all: Vec<_> = std::iter::from_fn(|| nic.tx_frame()).collect();
    let refused = nic.counters().tx_no_buffer;
    assert_eq!((nic.tx_burst(&mut burst), burst.len()), (1, 2));
    assert_eq!((nic.counters().tx_copied, nic.counters().tx_no_buffer), (0, refused + 1));
    all.pop();
    assert_eq!((nic.tx_burst(&mut burst), burst.len()), (2, 0));
    assert_eq!((nic.counters().tx_copied, nic.counters().tx_frames), (1, 3));
    let bytes: Vec<_> = driver_got(&mut nic).iter().map(|frame| frame.bytes()[0]).collect();
    assert_eq!(bytes, [1, 2, 3]);
    drop(all);
    assert_eq!((other.close(), nic.close()), (Some(0), Some(0)));
}
