//! A blocking call is done at the moment in virtual time at which it can be, however late its thread looks.

use std::net::Ipv4Addr;
use std::sync::Arc;

use fixwire::tcp::{Endpoint, Transmit};
use fixwire::time::Duration;
use fixwire::wire::ipv4;
use fixwire::wire::tcp::{Flags, Options, Packet, Repr, SeqNumber};
use fixwire_packetdrill::calls::{Call, Yield};
use fixwire_packetdrill::frames::{self, SynLayout};
use fixwire_packetdrill::host::Host;
use fixwire_packetdrill::report::Report;
use fixwire_packetdrill::shared::Shared;

const OURS: Endpoint = Endpoint { addr: Ipv4Addr::new(192, 168, 0, 1), port: 8080 };
const THEIRS: Endpoint = Endpoint { addr: Ipv4Addr::new(192, 0, 2, 1), port: 5000 };

fn shared() -> Arc<Shared> {
    // The link is PID/task/TID.
    let link = std::fs::read_link("/proc/thread-self").unwrap();
    let tid = link.file_name().unwrap().to_str().unwrap().parse().unwrap();
    Arc::new(Shared::new(Host::new("dialect=fixwire", Report::default()), tid))
}

fn segment(flags: Flags, seq: u32, ack: SeqNumber) -> Vec<u8> {
    let header = Repr {
        src_port: THEIRS.port,
        dst_port: OURS.port,
        seq: SeqNumber(seq),
        ack,
        flags,
        window: 5000,
        options: Options::NONE,
    };
    let transmit = Transmit {
        connection: None,
        local: THEIRS.addr,
        remote: OURS.addr,
        header,
        payload: [&[], &[]],
        retransmission: false,
        is_ect: false,
    };
    frames::packet(&transmit, SynLayout::Fixwire)
}

#[test]
fn accept_waits_in_its_thread_and_is_done_when_the_handshake_is() {
    let shared = shared();
    let fd = shared.with(|host| {
        let fd = host.new_socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_TCP).unwrap();
        host.bind(fd, OURS).unwrap();
        host.listen(fd, 1).unwrap();
        fd
    });
    let waiting = std::thread::spawn({
        let shared = shared.clone();
        move || (shared.call(Call::Accept { fd }), shared.read_clock())
    });
    while !shared.with(|host| host.is_waited_for()) {
        std::thread::yield_now();
    }
    let began = shared.read_clock();
    let answer = shared.with(|host| {
        host.sleep(Duration::from_s(3600));
        host.on_packet(&segment(Flags::SYN, 0, SeqNumber(0)));
        host.sniff().unwrap().1
    });
    let answer = ipv4::Packet::parse(&answer).unwrap();
    let answer = Packet::parse(answer.payload).unwrap().segment().unwrap();
    assert_eq!(answer.flags, Flags::SYN.with(Flags::ACK));
    shared.with(|host| {
        host.on_packet(&segment(Flags::ACK, 1, answer.seq + 1));
        host.sleep(Duration::from_s(60));
    });
    let (outcome, done_at) = waiting.join().unwrap();
    assert!(matches!(outcome, Ok(Yield::Accepted(_, THEIRS))), "{outcome:?}");
    assert_eq!(done_at, began + Duration::from_s(3600));
}

#[test]
fn poll_of_the_only_thread_ends_at_its_time() {
    let shared = shared();
    let fd = shared.with(|host| host.new_socket(libc::AF_INET, libc::SOCK_STREAM, 0).unwrap());
    let began = shared.read_clock();
    let call =
        Call::Poll { asked: vec![(fd, libc::POLLIN)], until: Some(began + Duration::from_s(7)) };
    // A socket that is not connected hangs up at once; one that nobody asks about never happens.
    assert_eq!(shared.call(call), Ok(Yield::Ready(vec![libc::POLLHUP])));
    let call = Call::Poll { asked: Vec::new(), until: Some(began + Duration::from_s(7)) };
    assert_eq!(shared.call(call), Ok(Yield::Ready(Vec::new())));
    assert_eq!(shared.read_clock(), began + Duration::from_s(7));
}

#[test]
fn what_is_not_offered_is_told_by_name() {
    let shared = shared();
    shared.with(|host| {
        assert!(host.new_socket(libc::AF_INET, libc::SOCK_DGRAM, 0).is_err());
        let fd = host.new_socket(libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
        assert!(host.set_option(fd, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, &[1, 0, 0, 0]).is_err());
        assert_eq!(
            host.told().collect::<Vec<_>>(),
            ["datagram sockets", "setsockopt TCP_FASTOPEN"]
        );
    });
}
