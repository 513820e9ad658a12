//! Our TCP against the Linux kernel's, on a TAP, with the relay's faults between them: bulk both ways, half-closes,
//! resets, closed windows, what the two agree on or not, paths that narrow, clocks that jump, sums that are lied about, and one
//! connection after another; then all of it at once, by a seed (`world`). Every byte is compared, and tshark looks at
//! what passed. A run that fails is named by the line that replays it, with a file of its frames (`replay`).

#[path = "../common/mod.rs"]
mod common;
mod end;
mod host;
mod jumps;
mod kernel;
mod mtu;
mod options;
mod path;
mod ping_pong;
mod reconnect;
mod relay;
mod repair;
mod replay;
mod rounds;
mod sums;
mod world;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration as StdDuration, Instant as StdInstant};

use common::captured::no_wireshark;
use common::inside::inside;
use common::{full, skip};
use end::THEIRS;
use fixwire::tcp::{Closed, Config, ConnectionId, Count, Event, SendRefusal};
use fixwire::time::Duration;
use host::{Host, PORT};
use kernel::Kernel;
use relay::Faults;

/// The end of a hang, and no measure of anything.
const PATIENCE: StdDuration = StdDuration::from_secs(40);

/// Nothing is sent again unasked sooner, as long as nothing is lost: what waits in the TAP is part of the round trips seen.
const PROBE_WAITS: StdDuration = StdDuration::from_millis(10);

/// How often bulk is tried on a machine that lets it stand still.
const TRIES: usize = 10;

/// Sets something of the kernel's TCP in this namespace.
fn set(name: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value)
        .unwrap_or_else(|why| panic!("{name}: {why}"));
}

/// The same of what not every kernel knows.
fn set_if_known(name: &str, value: &str) {
    if std::path::Path::new("/proc/sys/net/ipv4").join(name).exists() {
        set(name, value);
    }
}

/// Another route to us than the kernel makes.
fn set_route(route: &str) {
    let words = ["route", "replace"].into_iter().chain(route.split(' '));
    let status = Command::new("ip").args(words).status().expect("ip runs");
    assert!(status.success(), "{route}");
}

/// What `fast_repair` sets.
fn fast() -> Config {
    Config {
        rto_min: Duration::from_ms(1),
        peer_max_ack_delay: Duration::ZERO,
        ..Config::default()
    }
}

fn ours(at: usize) -> u8 {
    (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0]
}

fn theirs(at: usize) -> u8 {
    !ours(at)
}

/// One connection, and how far both sides have come.
struct Line {
    host: Host,
    id: ConnectionId,
    socket: TcpStream,
    kernel: Kernel,
    /// Bytes that we have committed, and that the kernel took to send.
    we_wrote: usize,
    they_wrote: usize,
    they_read: Vec<u8>,
    begun: StdInstant,
    /// The longest that nobody was polled.
    longest_pause: StdDuration,
}

impl Line {
    fn open(config: Config, faults: Faults) -> Line {
        Line::with(Host::new(config, faults))
    }

    /// The same with another route to us than the kernel makes.
    fn open_after(config: Config, faults: Faults, route: &str) -> Line {
        Line::by_route(Host::new(config, faults), route)
    }

    fn by_route(host: Host, route: &str) -> Line {
        set_route(route);
        Line::with(host)
    }

    fn with(mut host: Host) -> Line {
        let listener = TcpListener::bind((THEIRS, PORT)).expect("the kernel's address");
        listener.set_nonblocking(true).unwrap();
        let kernel = Kernel::from_now_on();
        let id = host.connect();
        let begun = StdInstant::now();
        let socket = loop {
            host.poll();
            match listener.accept() {
                Ok((socket, _)) => break socket,
                Err(why) if why.kind() == ErrorKind::WouldBlock => {}
                Err(why) => panic!("{why}"),
            }
            assert!(begun.elapsed() < PATIENCE, "no connection");
        };
        socket.set_nonblocking(true).unwrap();
        let (we_wrote, they_wrote, they_read) = (0, 0, Vec::new());
        let longest_pause = StdDuration::ZERO;
        Line { host, id, socket, kernel, we_wrote, they_wrote, they_read, begun, longest_pause }
    }

    /// Goes on until `done`.
    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Line) -> bool) {
        let mut last = StdInstant::now();
        while !done(self) {
            self.host.poll();
            self.longest_pause = self.longest_pause.max(last.elapsed());
            last = StdInstant::now();
            assert!(self.begun.elapsed() < PATIENCE, "{what}: {}", self.story());
        }
    }

    fn story(&self) -> String {
        let info = self.host.stack.info(self.id);
        let counts = self.host.stack.counters().iter().filter(|(_, count)| *count > 0);
        let (sent, read) = (self.host.received.len(), self.they_read.len());
        let counts: Vec<_> = counts.collect();
        format!(
            "{} and {read} read of {} and {sent}: {info:?} {counts:?}",
            self.we_wrote, self.they_wrote
        )
    }

    fn we_write(&mut self, all: usize) {
        while self.we_wrote < all {
            let len = (all - self.we_wrote).min(4_000);
            match self.host.stack.reserve(self.id, len) {
                Ok(room) => {
                    for (offset, byte) in room.iter_mut().enumerate() {
                        *byte = ours(self.we_wrote + offset);
                    }
                    let now = self.host.now();
                    self.host.stack.commit(now, self.id, len);
                    self.we_wrote += len;
                }
                Err(SendRefusal::NoRoom | SendRefusal::NotConnected) => break,
                Err(why) => panic!("{why}"),
            }
        }
    }

    fn they_write(&mut self, all: usize) {
        let end = all.min(self.they_wrote + 16_000);
        let bytes: Vec<u8> = (self.they_wrote..end).map(theirs).collect();
        match self.socket.write(&bytes) {
            Ok(len) => self.they_wrote += len,
            Err(why) if why.kind() == ErrorKind::WouldBlock => {}
            Err(why) => panic!("{why}"),
        }
    }

    fn they_read(&mut self) {
        let mut bytes = [0; 16_000];
        match self.socket.read(&mut bytes) {
            Ok(len) => self.they_read.extend_from_slice(&bytes[..len]),
            Err(why) if why.kind() == ErrorKind::WouldBlock => {}
            Err(why) => panic!("{why}"),
        }
    }

    fn count(&self, what: Count) -> u64 {
        self.host.stack.counters().of(what)
    }

    /// So many bytes each way, at once.
    fn bulk(&mut self, bytes: usize) {
        self.until("bulk", |line| {
            line.we_write(bytes);
            if line.they_wrote < bytes {
                line.they_write(bytes);
            }
            line.they_read();
            line.host.received.len() >= bytes && line.they_read.len() >= bytes
        });
        self.compare(bytes);
    }

    fn compare(&self, bytes: usize) {
        let differs = |read: &[u8], of: fn(usize) -> u8| {
            read.iter().enumerate().find(|(at, byte)| **byte != of(*at)).map(|(at, _)| at)
        };
        assert_eq!((self.they_read.len(), self.host.received.len()), (bytes, bytes));
        assert_eq!(differs(&self.they_read, ours), None, "what the kernel read");
        assert_eq!(differs(&self.host.received, theirs), None, "what we read");
    }

    /// Both close, we first, and the recording is looked at.
    fn close(self) {
        self.close_and_find(&[], &[]);
    }

    /// The same, and each of these filters passes something of it, or nothing of these.
    fn close_and_find(mut self, something: &[&str], nothing: &[&str]) {
        self.end();
        self.look_for(something, nothing);
    }

    /// Both close, we first.
    fn end(&mut self) {
        let now = self.host.now();
        self.host.stack.shutdown(now, self.id);
        self.until("our FIN", |line| {
            let mut byte = [0];
            matches!(line.socket.read(&mut byte), Ok(0))
        });
        self.socket.shutdown(Shutdown::Both).unwrap();
        let ended = (self.id, Event::Closed(Closed::Finished));
        self.until("their FIN", |line| line.host.events.contains(&ended));
        for what in [Count::AckOfUnsent, Count::SackInvalid, Count::ResetIn] {
            assert_eq!(self.count(what), 0, "{what}");
        }
        // The kernel may still close a line of before, of which this stack knows nothing.
        let strange = self.count(Count::PortUnreachable) + self.count(Count::HandshakeAckWrong);
        assert_eq!(self.count(Count::ResetOut), strange);
        self.agrees_on_duplicates();
    }

    fn look(self) {
        self.look_for(&[], &[]);
    }

    /// tshark finds no error in what passed, no more that was sent twice than either end says, and what is looked for.
    fn look_for(mut self, something: &[&str], nothing: &[&str]) {
        let ours = self.count(Count::Retransmission) + self.count(Count::SynRetransmission);
        // What comes is recorded behind the relay.
        let [_, inward] = self.host.ways();
        let theirs = self.kernel.count("TcpRetransSegs") + inward.repeated + inward.overtaken;
        let Some(passed) = Passed::of(&mut self.host) else { return };
        passed.has_no_error();
        for (whose, from, counted) in [("we", "10.9.0.2", ours), ("the kernel", "10.9.0.1", theirs)]
        {
            let again = format!(
                "ip.src == {from} && (tcp.analysis.retransmission || tcp.analysis.fast_retransmission)"
            );
            let seen = passed.frames(&again).len() as u64;
            assert!(seen <= counted, "tshark sees {seen} sent again, {whose} counted {counted}");
        }
        for filter in something {
            assert!(!passed.frames(filter).is_empty(), "nothing is {filter}");
        }
        for filter in nothing {
            assert_eq!(passed.frames(filter), Vec::<String>::new(), "something is {filter}");
        }
    }
}

/// What passed, as tshark sees it.
struct Passed(std::path::PathBuf);

impl Passed {
    /// What a host has recorded so far, if there is tshark. The file stays the host's.
    fn of(host: &mut Host) -> Option<Passed> {
        if let Some(why) = no_wireshark() {
            skip("what tshark says of a line", &why);
            return None;
        }
        Some(Passed(host.written()))
    }

    fn has_no_error(&self) {
        assert_eq!(self.frames("_ws.expert.severity == error"), Vec::<String>::new());
    }

    /// What tshark says of the frames that a filter passes.
    fn frames(&self, filter: &str) -> Vec<String> {
        let mut tshark = Command::new("tshark");
        tshark.arg("-r").arg(&self.0).args(["-d", "tcp.port==9878,data", "-Y", filter]);
        for option in ["tcp.check_checksum", "ip.check_checksum"] {
            tshark.args(["-o", &format!("{option}:TRUE")]);
        }
        // What is made of several segments is nobody's protocol here.
        tshark.args(["-o", "tcp.desegment_tcp_streams:FALSE"]);
        let output = tshark.output().expect("tshark runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}

fn megabytes() -> usize {
    if full() { 32 << 20 } else { 3 << 20 }
}

#[test]
fn bulk_both_ways_arrives_whole_and_nothing_is_sent_twice() {
    inside("bulk_both_ways_arrives_whole_and_nothing_is_sent_twice", || {
        let is_shown = (1..=TRIES).any(|run| {
            if run > TRIES / 2 {
                // Then the kernel waits for 200 ms before it sends anything again.
                set("tcp_early_retrans", "0");
            }
            let mut line = Line::open(Config::default(), Faults::default());
            line.bulk(megabytes());
            let info = line.host.stack.info(line.id).unwrap();
            let agreed = info.uses_timestamps && info.uses_sack && info.window_shifts.0 > 0;
            assert!(agreed, "{info:?}");
            // Where the machine stood still for as long as a probe waits, something may go twice that need not have.
            let (twice, pause) = (line.twice(), line.longest_pause);
            let unexplained = twice.iter().find(|twice| pause < twice.patience);
            if let Some(what) = unexplained {
                panic!(
                    "{what}, and the loop never stood still for more than {pause:?}: {}",
                    line.story()
                );
            }
            line.close();
            for what in &twice {
                println!("run {run}: {what}; the loop stood still for {pause:?}: once more");
            }
            twice.is_empty()
        });
        assert!(is_shown, "the machine stands still in each of {TRIES} runs: nothing is shown");
    });
}

#[test]
fn half_closed_line_goes_on_the_other_way() {
    inside("half_closed_line_goes_on_the_other_way", || {
        let mut line = Line::open(Config::default(), Faults::default());
        line.socket.shutdown(Shutdown::Write).unwrap();
        let closed = (line.id, Event::PeerClosed);
        line.until("their FIN", |line| line.host.events.contains(&closed));
        line.until("our bytes", |line| {
            line.we_write(300_000);
            line.they_read();
            line.they_read.len() >= 300_000
        });
        let now = line.host.now();
        line.host.stack.shutdown(now, line.id);
        let ended = (line.id, Event::Closed(Closed::Finished));
        line.until("the end", |line| line.host.events.contains(&ended));
        line.look();
    });
}

#[test]
fn kernel_that_is_closed_on_unread_bytes_resets_and_so_do_we() {
    inside("kernel_that_is_closed_on_unread_bytes_resets_and_so_do_we", || {
        let mut line = Line::open(Config::default(), Faults::default());
        line.we_write(1_000);
        line.until("our bytes", |line| {
            line.host.stack.info(line.id).is_some_and(|info| info.send_buffered_bytes == 0)
                && line.we_wrote == 1_000
        });
        // Closed with bytes unread: RFC 2525 2.17.
        let Line { host, id, socket, .. } = line;
        drop(socket);
        let mut host = host;
        let begun = StdInstant::now();
        while !host.events.contains(&(id, Event::Closed(Closed::Reset))) {
            host.poll();
            assert!(begun.elapsed() < PATIENCE, "no reset");
        }
        drop(host);

        let mut line = Line::open(Config::default(), Faults::default());
        let now = line.host.now();
        line.host.stack.abort(now, line.id);
        line.until("our reset", |line| {
            let mut byte = [0];
            line.socket.read(&mut byte).is_err_and(|why| why.kind() == ErrorKind::ConnectionReset)
        });
        line.look();
    });
}

#[test]
fn windows_that_close_on_either_side_are_probed_and_open_again() {
    inside("windows_that_close_on_either_side_are_probed_and_open_again", || {
        let config = Config { receive_buffer_bytes: 20_000, ..Config::default() };
        let mut line = Line::open(config, Faults::default());
        line.host.holds = true;
        let bytes = 8 << 20;
        let begun = StdInstant::now();
        line.until("both windows closed", |line| {
            line.we_write(bytes);
            line.they_write(bytes);
            begun.elapsed() > StdDuration::from_millis(1_500)
        });
        assert!(line.count(Count::WindowProbeOut) > 0, "{}", line.story());
        // Linux probes with a number from before, and nothing in it.
        assert!(line.count(Count::OutOfWindow) > 0, "{}", line.story());
        line.host.holds = false;
        let id = line.id;
        let now = line.host.now();
        line.host.read(now, id);
        line.until("the rest", |line| {
            line.we_write(bytes);
            if line.they_wrote < bytes {
                line.they_write(bytes);
            }
            line.they_read();
            line.host.received.len() >= bytes && line.they_read.len() >= bytes
        });
        line.compare(bytes);
        line.close();
    });
}
