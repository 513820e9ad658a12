//! Several ports in one process, and several queues of each.

use std::path::Path;

use fixwire_hw::dpdk::{DeviceSpec, DpdkBackend, DpdkError, DpdkNic};
use fixwire_offload::device::Device;
use fixwire_offload::flow::RuleSet;
use fixwire_offload::nic::{Burst, Frame as _, Link, Nic};
use fixwire_offload::profile::{Policy, Profile};

use crate::{eventually, open, send, show};

/// So many queues each way.
pub(crate) fn queues(rx: u16, tx: u16) -> Profile {
    let mut profile = Profile::all(Policy::Prefer);
    (profile.queues.rx, profile.queues.tx) = (rx, tx);
    profile
}

pub(crate) fn running(backend: DpdkBackend, profile: &Profile) -> DpdkNic {
    let device = Device::probed(backend).plan(profile, RuleSet::EMPTY).configure().unwrap();
    let (nic, plan) = device.start().unwrap().steer().unwrap();
    show(&plan);
    nic
}

/// Two ports of one process with a line between them, the second a profile's queues the other way round: what one sends
/// by a queue arrives at the other's queue of that number.
pub(crate) fn memif_pair(folder: &Path, profile: &Profile) -> (DpdkNic, DpdkNic) {
    let mut turned = profile.clone();
    (turned.queues.rx, turned.queues.tx) = (profile.queues.tx, profile.queues.rx);
    let device = |number, role| {
        let socket = folder.join("memif.sock");
        format!("net_memif{number},role={role},socket={},socket-abstract=no", socket.display())
    };
    let server = open(&device(0, "server"), profile).unwrap();
    let spec = DeviceSpec::parse(&device(1, "client")).unwrap();
    let client = DpdkBackend::beside(server.eal(), spec, &turned).unwrap();
    let (mut server, mut client) = (running(server, profile), running(client, &turned));
    eventually("the line is up", || {
        (server.link() == Link::Up && client.link() == Link::Up).then_some(())
    });
    (server, client)
}

/// Leaves both to the end of the process: memif's own thread, which sees the one end go, and the one that closes it free
/// the same memory (DPDK 22.11). What their close would say is asserted here: neither has a buffer in use.
pub(crate) fn leave_open(pair: (DpdkNic, DpdkNic)) {
    let in_use = (pair.0.buffers_in_use(), pair.1.buffers_in_use());
    std::mem::forget(pair);
    assert_eq!(in_use, (0, 0), "buffers are in use");
}

/// What one burst brings: the bytes of each frame, and the queue that it says it is of.
fn received(nic: &mut DpdkNic) -> Vec<(u16, Vec<u8>)> {
    let mut burst = Burst::new();
    nic.rx_burst(&mut burst);
    burst.iter().map(|frame| (nic.rx_meta(frame).queue, frame.bytes().to_vec())).collect()
}

pub(crate) fn two_ports_of_one_process_carry_frames_on_every_queue() {
    let folder = tempfile::tempdir().unwrap();
    let profile = queues(3, 3);
    let (server, client) = memif_pair(folder.path(), &profile);
    let all = |first: DpdkNic| {
        let others: Vec<DpdkNic> = (1..3).map(|number| first.queue(number).unwrap()).collect();
        let mut all = vec![first];
        all.extend(others);
        all
    };
    let (mut servers, mut clients) = (all(server), all(client));
    for round in 0..1_000u16 {
        for number in 0..3 {
            let bytes = [&[number as u8; 60][..], &round.to_be_bytes()].concat();
            send(&mut clients[usize::from(number)], &bytes);
            for (at, server) in servers.iter_mut().enumerate() {
                let expected = (at == usize::from(number)).then(|| (number, bytes.clone()));
                assert_eq!(received(server), Vec::from_iter(expected), "{round}: queue {at}");
            }
        }
    }
    for nic in servers.iter().chain(&clients) {
        let (sent, received) = (nic.counters().tx_frames, nic.counters().rx_frames);
        assert_eq!(sent + received, 1_000);
    }
    let first = |mut all: Vec<DpdkNic>| {
        all.drain(1..).for_each(|other| assert_eq!(other.close(), Some(0)));
        all.remove(0)
    };
    leave_open((first(servers), first(clients)));
}

pub(crate) fn queues_share_a_transmit_queue_where_there_are_fewer() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, mut client) = memif_pair(folder.path(), &queues(1, 2));
    let mut second = client.queue(1).unwrap();
    send(&mut second, &[7; 60]);
    send(&mut client, &[8; 60]);
    assert_eq!(received(&mut server), [(0, vec![7; 60]), (0, vec![8; 60])]);
    assert_eq!(second.close(), Some(0));
    leave_open((server, client));
}

pub(crate) fn a_port_that_was_closed_can_be_opened_again_beside_another() {
    let profile = Profile::all(Policy::Prefer);
    let first = running(open("net_ring0", &profile).unwrap(), &profile);
    for round in 0..3u8 {
        let spec = DeviceSpec::parse("net_ring1").unwrap();
        let backend = DpdkBackend::beside(first.eal(), spec, &profile).unwrap();
        let mut second = running(backend, &profile);
        send(&mut second, &[round; 60]);
        assert_eq!(received(&mut second), [(0, vec![round; 60])]);
        assert_eq!(second.close(), Some(0));
    }
    let refused = |spec: &str, profile: &Profile| {
        let spec = DeviceSpec::parse(spec).unwrap();
        DpdkBackend::beside(first.eal(), spec, profile).unwrap_err()
    };
    let error = refused("0000:3b:00.0", &profile);
    assert!(matches!(error, DpdkError::NoBus { .. }), "{error}");
    let error = refused("net_ring0", &profile);
    assert!(matches!(error, DpdkError::NotAdded { .. }), "{error}");
    let mut other = profile.clone();
    other.eal = vec!["--iova-mode=va".to_owned()];
    let error = refused("net_ring2", &other);
    assert!(matches!(error, DpdkError::OtherArgs { .. }), "{error}");
    assert_eq!(first.close(), Some(0));
}

pub(crate) fn what_a_profile_tells_dpdk_reaches_it() {
    let mut profile = Profile::all(Policy::Prefer);
    profile.eal = vec!["--iova-mode=nonsense".to_owned()];
    let error = open("net_ring0", &profile).unwrap_err();
    assert!(matches!(error, DpdkError::NotStarted { .. }), "{error:?}");
    assert!(error.to_string().contains("`eal` under [device]"), "{error}");
}

pub(crate) fn what_a_profile_tells_dpdk_is_taken() {
    let mut profile = Profile::all(Policy::Prefer);
    profile.eal = vec!["--iova-mode=va".to_owned(), "--log-level=lib.eal:error".to_owned()];
    let mut nic = running(open("net_ring0", &profile).unwrap(), &profile);
    send(&mut nic, &[1; 60]);
    assert_eq!(received(&mut nic).len(), 1);
    assert_eq!(nic.close(), Some(0));
}
