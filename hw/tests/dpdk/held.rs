//! Frames that are held beyond their being sent: nobody writes to one that a driver has, and none is lost.

use fixwire_hw::dpdk::{DeviceSpec, DpdkBackend, DpdkNic};
use fixwire_offload::capability::Capability;
use fixwire_offload::nic::{Burst, Frame as _, Held as _, Nic, TxMeta};
use fixwire_offload::profile::{Policy, Profile};

use crate::several::{leave_open, memif_pair, queues, running};
use crate::{eventually, open, up};

fn next(nic: &mut DpdkNic) -> <DpdkNic as Nic>::Frame {
    let mut burst = Burst::new();
    eventually("a frame", || (nic.rx_burst(&mut burst) > 0).then_some(()));
    burst.pop().expect("it came")
}

/// Sends a frame of `fill` and holds it.
fn send_held(
    nic: &mut DpdkNic,
    fill: u8,
) -> <<DpdkNic as Nic>::Frame as fixwire_offload::nic::Frame>::Held {
    let mut frame = nic.tx_frame().expect("a buffer");
    frame.space()[..80].fill(fill);
    frame.finish(80, TxMeta::default());
    let held = frame.hold().expect("an mbuf can be held");
    assert!(frame.space().is_empty(), "held, there is no room in it");
    let mut burst = Burst::from_iter([frame]);
    assert_eq!((nic.tx_burst(&mut burst), burst.len()), (1, 0));
    held
}

pub(crate) fn a_frame_is_written_to_again_once_the_driver_has_let_go_of_it() {
    // A ring hands the buffer itself over, and who receives has it as well.
    let (mut nic, plan) = up("net_ring0", &Profile::all(Policy::Prefer));
    assert!(plan.uses(Capability::HeldFrames), "{:?}", plan.row(Capability::HeldFrames));
    let before = nic.buffers_in_use();
    let held = send_held(&mut nic, 7);
    let held = held.into_frame().expect_err("it is in the ring");
    let mut received = next(&mut nic);
    assert_eq!((received.bytes(), held.bytes()), (&[7; 80][..], &[7; 80][..]));
    assert!(received.space().is_empty(), "nor is there for who received it");
    let held = held.into_frame().expect_err("it was received, and is there");
    drop(received);
    let mut frame = held.into_frame().expect("it is ours alone");
    assert_eq!(frame.bytes(), [7; 80]);
    frame.space()[..80].fill(8);
    let again = frame.hold().expect("once more");
    let mut burst = Burst::from_iter([frame]);
    assert_eq!(nic.tx_burst(&mut burst), 1);
    assert_eq!(next(&mut nic).bytes(), [8; 80]);
    drop(again);
    assert_eq!(nic.buffers_in_use(), before);
    assert_eq!(nic.close(), Some(0));
}

pub(crate) fn a_frame_that_a_driver_has_copied_is_ours_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut server, mut client) = memif_pair(folder.path(), &queues(1, 1));
    let held = send_held(&mut client, 9);
    assert_eq!(next(&mut server).bytes(), [9; 80]);
    // It has copied the frame.
    let frame = held.into_frame().expect("it is ours alone");
    assert_eq!(frame.bytes(), [9; 80]);
    drop(frame);
    leave_open((server, client));
}

pub(crate) fn what_is_held_when_a_port_is_closed_is_told() {
    let profile = Profile::all(Policy::Prefer);
    let mut first = running(open("net_null0", &profile).expect("DPDK starts"), &profile);
    let spec = DeviceSpec::parse("net_null1").expect("a device");
    let second = DpdkBackend::beside(first.eal(), spec, &profile).expect("another port");
    let mut second = running(second, &profile);
    drop(send_held(&mut first, 3));
    let held = send_held(&mut second, 3);
    assert_eq!((first.close(), second.close()), (Some(0), Some(1)), "one is held");
    drop(held);
}
