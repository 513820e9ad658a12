//! The rival: the same FIX session on the kernel's sockets, read without ever waiting.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};

use fixwire::app::Seated;
use fixwire::app::exchange::Exchange;
use fixwire::fix::{
    CompId, Disposition, Full, MemoryStore, Outlet, Role, Session, SessionConfig, Version,
};
use fixwire::time::Clock;
use fixwire_hw::clock::HostClock;

use crate::busy_poll;
use crate::client::{ASKER, SERVER};

/// How long the kernel looks at the device whenever nothing is there to be read.
const BUSY_POLL_US: u32 = 50;
/// Reads that find nothing between two looks at the session's timers.
const READS_PER_LOOK: u32 = 256;
const OUT_MAX: usize = 64 * 1024;

/// Serves one counterparty after the other.
pub(crate) fn serve(at: SocketAddr) -> Result<(), String> {
    let listener = TcpListener::bind(at).map_err(|error| format!("{at}: {error}"))?;
    println!("listening on {at}");
    for stream in listener.incoming() {
        converse(stream).map_err(|error| format!("{at}: {error}"))?;
    }
    Ok(())
}

fn converse(stream: std::io::Result<std::net::TcpStream>) -> std::io::Result<()> {
    let mut stream = stream?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    busy_poll::set(&stream, BUSY_POLL_US)?;
    let clock = HostClock::new();
    let id = |text| CompId::new(text).expect("a CompID");
    let config = SessionConfig::new(Version::Fix44, Role::Acceptor, id(SERVER), id(ASKER));
    let mut session = Session::new(config, MemoryStore::new(1024, 1024 * 1024));
    let mut exchange = Exchange::new();
    let mut app = Seated::new(&mut exchange, 0, None);
    let mut out = Out { bytes: vec![0; OUT_MAX], used: 0 };
    let mut chunk = vec![0; OUT_MAX];
    session.on_connect(clock.now(), &mut out);
    let mut empty = 0u32;
    while session.disposition() == Disposition::Keep {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(len) => {
                let _ = session.on_bytes(clock.now(), &chunk[..len], &mut out, &mut app);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                empty += 1;
                if empty.is_multiple_of(READS_PER_LOOK)
                    && session.next_timeout() <= clock.now().mono
                {
                    let _ = session.on_timeout(clock.now(), &mut out, &mut app);
                }
            }
            Err(_) => break,
        }
        if out.used > 0 {
            // An answer of a hundred bytes finds room, or the far side is gone.
            let written = stream.write_all(&out.bytes[..out.used]);
            out.used = 0;
            written?;
        }
    }
    session.on_disconnect(clock.now(), &mut app);
    Ok(())
}

/// What a session has written, up to the end of a round.
struct Out {
    bytes: Vec<u8>,
    used: usize,
}

impl Outlet for Out {
    fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full> {
        self.bytes.get_mut(self.used..self.used + len).ok_or(Full)
    }

    fn commit(&mut self, used: usize) {
        self.used += used;
    }
}
