//! A definition played over the kernel's sockets.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::definition::{Action, Step};
use crate::message::{complete, is_as_expected, len_of_first, now_s, shown};

/// How long anything expected may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection and what came by it unread.
struct Line {
    stream: TcpStream,
    received: Vec<u8>,
}

/// Plays the steps.
///
/// # Errors
/// The line of the step that failed, and what was expected and received.
pub(crate) fn play(at: SocketAddr, steps: &[Step]) -> Result<(), String> {
    let mut lines = BTreeMap::new();
    for step in steps {
        take(at, &mut lines, step).map_err(|why| format!("line {}: {why}", step.line))?;
    }
    Ok(())
}

fn take(at: SocketAddr, lines: &mut BTreeMap<u8, Line>, step: &Step) -> Result<(), String> {
    if step.action == Action::Connect {
        let stream =
            TcpStream::connect_timeout(&at, PATIENCE).map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        lines.insert(step.connection, Line { stream, received: Vec::new() });
        return Ok(());
    }
    let line = lines.get_mut(&step.connection).ok_or("no such connection")?;
    match &step.action {
        Action::Connect => Ok(()),
        Action::Disconnect => {
            lines.remove(&step.connection);
            Ok(())
        }
        Action::ExpectDisconnect => line.expect_end(),
        Action::Send(text) => {
            let message = complete(text, now_s());
            line.stream.write_all(&message).map_err(|error| format!("not sent: {error}"))
        }
        Action::Expect(text) => {
            let expected = complete(text, now_s());
            let received = line.message();
            if received.as_ref().is_ok_and(|received| is_as_expected(&expected, received)) {
                return Ok(());
            }
            let received = received.map_or_else(|why| why, |message| shown(&message));
            Err(format!("\n    expected {}\n    received {received}", shown(&expected)))
        }
    }
}

impl Line {
    /// The next message.
    fn message(&mut self) -> Result<Vec<u8>, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(len) = len_of_first(&self.received) {
                return Ok(self.received.drain(..len).collect());
            }
            if self.read(deadline)? == 0 {
                return Err(format!("the end, after {:?}", shown(&self.received)));
            }
        }
    }

    /// The end, and nothing before it.
    fn expect_end(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let ended = match self.received.is_empty() {
            true => self.read(deadline).map(|len| len == 0),
            false => Ok(false),
        };
        match ended {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(format!("\n    expected the end\n    received {}", shown(&self.received)))
            }
            Err(why) => Err(format!("\n    expected the end\n    received {why}")),
        }
    }

    fn read(&mut self, deadline: Instant) -> Result<usize, String> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(len) => {
                self.received.extend_from_slice(&chunk[..len]);
                Ok(len)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(0),
            Err(_) => Err(format!("nothing more than {:?}", shown(&self.received))),
        }
    }
}
