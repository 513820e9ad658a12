//! One connection after another between the two: whoever opens it, however it ends, on the four numbers of the last
//! one or on others. What is read is compared with what was written on that very connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::time::{Duration as StdDuration, Instant as StdInstant};

use fixwire::tcp::{Closed, ConnectionId, Count, Endpoint, Event, OpenRefusal, SendRefusal};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::end::{OURS, THEIRS};
use crate::host::{Host, PORT};
use crate::relay::random::Random;

/// The two, where something is counted for either.
pub(crate) const WE: usize = 0;
pub(crate) const THEY: usize = 1;
/// So long an end that was cut off is left to find out by itself.
const FINDS_OUT_IN: StdDuration = StdDuration::from_millis(300);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Whoever closes first lingers in TIME-WAIT.
    WeFirst,
    TheyFirst,
    AtOnce,
    /// In mid-transfer.
    WeAbort,
    TheyAbort,
}

pub(crate) const ENDINGS: [Ending; 5] =
    [Ending::WeFirst, Ending::TheyFirst, Ending::AtOnce, Ending::WeAbort, Ending::TheyAbort];

/// A connection that is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Who opens it, and from which port.
    pub(crate) opener: usize,
    pub(crate) port: u16,
    pub(crate) ending: Ending,
    /// What either writes.
    pub(crate) bytes: usize,
}

/// What either side has done on a connection.
#[derive(Default)]
struct Side {
    written: usize,
    read: usize,
    has_shut: bool,
    /// It neither reads nor writes from so many bytes read on, until then: its window closes.
    sleeps_at: Option<usize>,
    asleep_until: Option<StdInstant>,
}

/// Our end of a connection, and which one it is.
struct Ours {
    id: ConnectionId,
    number: u64,
    read: usize,
    closed: Option<Closed>,
}

/// The kernel's end of one that is over for the test, though not yet for the kernel.
struct Left {
    socket: TcpStream,
    number: u64,
    read: usize,
    since: StdInstant,
}

pub(crate) struct Rounds {
    pub(crate) host: Host,
    listener: TcpListener,
    number: u64,
    now: Option<Round>,
    ours: Vec<Ours>,
    left: Vec<Left>,
    random: Random,
    /// Whether applications sleep.
    pub(crate) sleeps: bool,
    pub(crate) slept: [u64; 2],
    pub(crate) bytes: u64,
    /// How often the kernel would not yet use the same four numbers again.
    pub(crate) waited_for_numbers: u64,
    /// Our SYNs, with an ACK or without, that went again: on which connection, and for how long of the time before nobody
    /// was polled.
    pub(crate) syns_again: Vec<(Round, StdDuration)>,
    begun: StdInstant,
    polled_at: StdInstant,
    stood_still: StdDuration,
}

/// Who is not polled for longer stands still.
const STANDS_STILL: StdDuration = StdDuration::from_millis(10);

/// How long a world may take. The kernel finds a black hole out by its back-off, which is half a minute for each connection
/// where frames are lost besides.
const PATIENCE: StdDuration = StdDuration::from_secs(180);

/// The byte at a place of what `who` writes on a connection.
fn byte(number: u64, who: usize, at: usize) -> u8 {
    let word = (at as u64 ^ number << 40 ^ (who as u64) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (word ^ word >> 29).to_be_bytes()[1]
}

fn compare(bytes: &[u8], number: u64, who: usize, from: usize) {
    for (offset, read) in bytes.iter().enumerate() {
        let at = from + offset;
        let whose = ["we", "the kernel"][who];
        assert_eq!(*read, byte(number, who, at), "connection {number}, {whose} wrote: byte {at}");
    }
}

impl Rounds {
    pub(crate) fn new(mut host: Host, seed: u64) -> Rounds {
        let listener = TcpListener::bind((THEIRS, PORT)).expect("the kernel's address");
        listener.set_nonblocking(true).unwrap();
        host.stack.listen(Endpoint { addr: OURS, port: PORT }).expect("a listener");
        Rounds {
            host,
            listener,
            number: 0,
            now: None,
            ours: Vec::new(),
            left: Vec::new(),
            random: Random::new(seed ^ 0x5eed),
            sleeps: false,
            slept: [0; 2],
            bytes: 0,
            waited_for_numbers: 0,
            syns_again: Vec::new(),
            begun: StdInstant::now(),
            polled_at: StdInstant::now(),
            stood_still: StdDuration::ZERO,
        }
    }

    /// Goes on until `done`.
    fn until<T>(&mut self, what: &str, mut done: impl FnMut(&mut Rounds) -> Option<T>) -> T {
        loop {
            if let Some(outcome) = done(self) {
                return outcome;
            }
            self.poll();
            assert!(self.begun.elapsed() < PATIENCE, "{what}: {}", self.story());
        }
    }

    /// Nothing is asked of anybody for a while.
    pub(crate) fn pause(&mut self, pause: StdDuration) {
        let begun = StdInstant::now();
        self.until("a pause", |_| (begun.elapsed() > pause).then_some(()));
    }

    fn story(&self) -> String {
        let counts = self.host.stack.counters().iter().filter(|(_, count)| *count > 0);
        let counts: Vec<_> = counts.collect();
        let current = self.ours.iter().rfind(|ours| ours.number == self.number);
        let info = current.map(|ours| (self.host.stack.info(ours.id), ours.closed));
        format!("{} of {:?}: {info:?} {counts:?}", self.number, self.now)
    }

    fn poll(&mut self) {
        let pause = self.polled_at.elapsed();
        if pause > STANDS_STILL {
            self.stood_still += pause;
        }
        self.polled_at = StdInstant::now();
        let syns_again = |host: &Host| host.stack.counters().of(Count::SynRetransmission);
        let before = syns_again(&self.host);
        self.host.poll();
        if syns_again(&self.host) > before
            && let Some(now) = self.now
        {
            self.syns_again.push((now, self.stood_still));
        }
        for (id, event) in std::mem::take(&mut self.host.events) {
            self.on_event(id, event);
        }
        let received = std::mem::take(&mut self.host.received);
        let mut rest = &received[..];
        for (id, len) in std::mem::take(&mut self.host.shares) {
            let (bytes, behind) = rest.split_at(len);
            rest = behind;
            let ours = self.ours.iter_mut().find(|ours| ours.id == id);
            let ours = ours.expect("bytes of a connection that nobody opened");
            compare(bytes, ours.number, THEY, ours.read);
            ours.read += len;
            self.bytes += len as u64;
        }
        self.left.retain_mut(|left| match read(&left.socket, left.number, left.read) {
            Ok(len) => {
                left.read += len;
                len > 0
            }
            Err(why) if why.kind() == ErrorKind::WouldBlock => left.since.elapsed() < FINDS_OUT_IN,
            Err(_) => false,
        });
    }

    fn on_event(&mut self, id: ConnectionId, event: Event) {
        let known = self.ours.iter().position(|ours| ours.id == id);
        match (known, event) {
            (None, Event::Connected) => {
                let info = self.host.stack.info(id).expect("it is there");
                let opened = self.now.filter(|now| now.opener == THEY).map(|now| now.port);
                assert_eq!(opened, Some(info.remote.port), "nobody opened {info:?}");
                self.ours.push(Ours { id, number: self.number, read: 0, closed: None });
            }
            (Some(at), Event::Closed(why)) => {
                self.ours[at].closed = Some(why);
                self.host.stack.release(id);
            }
            (Some(_), _) => {}
            (None, _) => panic!("{event:?} of a connection that nobody opened"),
        }
    }

    fn ours(&mut self) -> Option<&mut Ours> {
        let number = self.number;
        self.ours.iter_mut().rfind(|ours| ours.number == number)
    }

    /// Opens a connection, plays it and ends it.
    pub(crate) fn play(&mut self, round: Round) {
        self.number += 1;
        self.now = Some(round);
        (self.begun, self.stood_still) = (StdInstant::now(), StdDuration::ZERO);
        let socket = if round.opener == WE { self.open(round.port) } else { self.be_opened(round) };
        socket.set_nonblocking(true).unwrap();
        let mut sides = [Side::default(), Side::default()];
        if self.sleeps {
            for side in &mut sides {
                let at = self.random.below(2 * round.bytes as u64) as usize;
                side.sleeps_at = (at < round.bytes).then_some(at);
            }
        }
        let cut_at = match round.ending {
            Ending::WeAbort | Ending::TheyAbort => self.random.below(round.bytes as u64) as usize,
            _ => usize::MAX,
        };
        self.until("an end", |rounds| {
            rounds.sleep(&mut sides);
            rounds.write(&socket, &round, &mut sides);
            let has_ended = rounds.read(&socket, &mut sides);
            rounds.shut(&socket, &round, &mut sides, has_ended);
            let finished = rounds.ours().and_then(|ours| ours.closed);
            let is_cut = sides[WE].read + sides[THEY].read >= cut_at;
            (is_cut || has_ended && finished.is_some()).then_some(())
        });
        self.host.holds = false;
        match round.ending {
            Ending::WeAbort => self.abort(socket, &sides[THEY]),
            Ending::TheyAbort => self.be_aborted(&socket),
            _ => {
                let closed = self.ours().and_then(|ours| ours.closed);
                assert_eq!(closed, Some(Closed::Finished), "{round:?}");
                let read = sides.map(|side| side.read);
                assert_eq!(read, [round.bytes; 2], "{round:?}");
            }
        }
    }

    fn open(&mut self, port: u16) -> TcpStream {
        let (local, remote) =
            (Endpoint { addr: OURS, port }, Endpoint { addr: THEIRS, port: PORT });
        let asked = StdInstant::now();
        let id = self.until("a place for our end", |rounds| {
            let now = rounds.host.now();
            match rounds.host.stack.connect(now, local, remote) {
                Ok(id) => return Some(id),
                Err(OpenRefusal::EndpointInUse) => {}
                Err(why) => panic!("{why}"),
            }
            // The kernel's RST was lost, and we have nothing to say that would be answered by another.
            if asked.elapsed() > FINDS_OUT_IN {
                let open: Vec<_> =
                    rounds.ours.iter().filter(|ours| ours.closed.is_none()).collect();
                open.iter().for_each(|ours| rounds.host.stack.abort(now, ours.id));
            }
            None
        });
        self.ours.push(Ours { id, number: self.number, read: 0, closed: None });
        self.until("the kernel to accept", |rounds| match rounds.listener.accept() {
            Ok((socket, from)) => {
                assert_eq!(from.port(), port, "nobody opened it");
                Some(socket)
            }
            Err(why) if why.kind() == ErrorKind::WouldBlock => None,
            Err(why) => panic!("{why}"),
        })
    }

    fn be_opened(&mut self, round: Round) -> TcpStream {
        let socket = self.until("the kernel to connect", |rounds| {
            let socket = connect(round.port);
            rounds.waited_for_numbers += u64::from(socket.is_none());
            socket
        });
        self.until("both to be connected", |rounds| {
            if let Some(why) = socket.take_error().expect("it is a socket") {
                panic!("{why}: {}", rounds.story());
            }
            (socket.peer_addr().is_ok() && rounds.ours().is_some()).then_some(())
        });
        socket
    }

    /// Either falls asleep, or wakes up.
    fn sleep(&mut self, sides: &mut [Side; 2]) {
        for (who, side) in sides.iter_mut().enumerate() {
            if side.sleeps_at.is_some_and(|at| side.read >= at) {
                side.sleeps_at = None;
                let ms = 20 + self.random.below(200);
                side.asleep_until = Some(StdInstant::now() + StdDuration::from_millis(ms));
                self.slept[who] += 1;
            }
            side.asleep_until = side.asleep_until.filter(|until| StdInstant::now() < *until);
        }
        let (held, holds) = (self.host.holds, sides[WE].asleep_until.is_some());
        self.host.holds = holds;
        if held && !holds {
            let now = self.host.now();
            let id = self.ours().map(|ours| ours.id).expect("it is open");
            self.host.read(now, id);
        }
    }

    fn write(&mut self, socket: &TcpStream, round: &Round, sides: &mut [Side; 2]) {
        let (number, now) = (self.number, self.host.now());
        let id = self.ours().map(|ours| ours.id).expect("it is open");
        let [we, they] = sides;
        let len = (round.bytes - we.written).min(4_000);
        if len > 0 && we.asleep_until.is_none() {
            match self.host.stack.reserve(id, len) {
                Ok(room) => {
                    for (offset, out) in room.iter_mut().enumerate() {
                        *out = byte(number, WE, we.written + offset);
                    }
                    self.host.stack.commit(now, id, len);
                    we.written += len;
                }
                Err(SendRefusal::NoRoom | SendRefusal::NotConnected) => {}
                Err(why) => panic!("{why}: {}", self.story()),
            }
        }
        let len = (round.bytes - they.written).min(4_000);
        if len > 0 && they.asleep_until.is_none() {
            let bytes: Vec<u8> =
                (0..len).map(|offset| byte(number, THEY, they.written + offset)).collect();
            match (&*socket).write(&bytes) {
                Ok(len) => they.written += len,
                Err(why) if why.kind() == ErrorKind::WouldBlock => {}
                Err(why) => panic!("{why}: {}", self.story()),
            }
        }
    }

    /// Says whether the kernel has read our end.
    fn read(&mut self, socket: &TcpStream, sides: &mut [Side; 2]) -> bool {
        sides[WE].read = self.ours().map_or(0, |ours| ours.read);
        let they = &mut sides[THEY];
        if they.asleep_until.is_some() {
            return false;
        }
        match read(socket, self.number, they.read) {
            Ok(0) => true,
            Ok(len) => {
                they.read += len;
                self.bytes += len as u64;
                false
            }
            Err(why) if why.kind() == ErrorKind::WouldBlock => false,
            Err(why) => panic!("{why}: {}", self.story()),
        }
    }

    /// Closes what is to be closed by now.
    fn shut(
        &mut self,
        socket: &TcpStream,
        round: &Round,
        sides: &mut [Side; 2],
        they_have_read: bool,
    ) {
        let we_have_read = sides[WE].read == round.bytes && self.peer_has_closed();
        let may_close = match round.ending {
            Ending::WeFirst => [true, they_have_read],
            Ending::TheyFirst => [we_have_read, true],
            Ending::AtOnce => [true, true],
            Ending::WeAbort | Ending::TheyAbort => [false, false],
        };
        for who in [WE, THEY] {
            let side = &mut sides[who];
            if side.has_shut || side.written < round.bytes || !may_close[who] {
                continue;
            }
            side.has_shut = true;
            if who == WE {
                let now = self.host.now();
                let id = self.ours().map(|ours| ours.id).expect("it is open");
                self.host.stack.shutdown(now, id);
            } else {
                socket.shutdown(Shutdown::Write).unwrap_or_else(|why| panic!("{why}"));
            }
        }
    }

    fn peer_has_closed(&mut self) -> bool {
        let id = self.ours().map(|ours| ours.id).expect("it is open");
        let info = self.host.stack.info(id);
        info.is_some_and(|info| info.state == fixwire::tcp::State::CloseWait)
    }

    /// We abort. The kernel is left to read what it has, and to hear of it.
    fn abort(&mut self, socket: TcpStream, they: &Side) {
        let now = self.host.now();
        let id = self.ours().map(|ours| ours.id).expect("it is open");
        self.host.stack.abort(now, id);
        let (number, read) = (self.number, they.read);
        self.left.push(Left { socket, number, read, since: StdInstant::now() });
    }

    /// The kernel aborts. We are left to hear of it.
    fn be_aborted(&mut self, socket: &TcpStream) {
        sockopt::set_socket_linger(socket, Some(StdDuration::ZERO)).expect("it is TCP");
        let now = self.host.now();
        let id = self.ours().map(|ours| ours.id).expect("it is open");
        self.host.read(now, id);
    }
}

/// Reads what there is, and compares it with what we wrote on the connection.
fn read(mut socket: &TcpStream, number: u64, from: usize) -> std::io::Result<usize> {
    let mut bytes = [0; 16_000];
    let len = socket.read(&mut bytes)?;
    compare(&bytes[..len], number, WE, from);
    Ok(len)
}

/// The kernel begins to connect to us from a port; nothing if it will not yet, for the last one that it had there.
fn connect(port: u16) -> Option<TcpStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
    let socket = socket.expect("a socket");
    sockopt::set_socket_reuseaddr(&socket, true).expect("it is a socket");
    match rustix::net::bind(&socket, &SocketAddrV4::new(THEIRS, port)) {
        Ok(()) => {}
        Err(Errno::ADDRINUSE) => return None,
        Err(why) => panic!("{why}"),
    }
    match rustix::net::connect(&socket, &SocketAddrV4::new(OURS, PORT)) {
        Ok(()) | Err(Errno::INPROGRESS) => Some(TcpStream::from(socket)),
        Err(Errno::ADDRNOTAVAIL | Errno::ADDRINUSE) => None,
        Err(why) => panic!("{why}"),
    }
}
