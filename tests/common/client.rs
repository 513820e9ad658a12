//! A FIX counterparty on the kernel's sockets that does only what it is told.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Instant;

use fixwire::fix::timestamp::Formatter;
use fixwire::fix::{Decoder, Encoder, Framed, Precision, Whole, frame};
use fixwire::time::UtcTime;

use super::inside::PATIENCE;

/// One connection of a counterparty.
pub struct Client {
    stream: TcpStream,
    begin_string: String,
    us: String,
    them: String,
    /// The MsgSeqNum that the next message gets.
    pub next_out: u32,
    received: Vec<u8>,
}

impl Client {
    /// Connects as `us` to `them`; keeps trying for as long as nobody listens yet.
    pub fn connect(at: SocketAddr, begin_string: &str, us: &str, them: &str) -> Client {
        let deadline = Instant::now() + PATIENCE;
        let stream = loop {
            match TcpStream::connect_timeout(&at, PATIENCE) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "{at}: {error}"),
            }
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            begin_string: begin_string.into(),
            us: us.into(),
            them: them.into(),
            next_out: 1,
            received: Vec::new(),
        }
    }

    /// The same, logged on with these extra fields.
    pub fn log_on(mut self, fields: &str) -> Client {
        self.send("A", &format!("98=0|108=30|{fields}"));
        let answer = self.next();
        assert!(answer.starts_with("A "), "{answer}");
        self
    }

    /// Where it connects from.
    pub fn addr(&self) -> String {
        self.stream.local_addr().unwrap().to_string()
    }

    /// Sends a message under the next number: `fields` with `|` for SOH.
    pub fn send(&mut self, msg_type: &str, fields: &str) {
        let bytes = self.message(msg_type, fields);
        self.send_bytes(&bytes);
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// A message under the next number, which it takes.
    pub fn message(&mut self, msg_type: &str, fields: &str) -> Vec<u8> {
        let body = format!(
            "35={msg_type}|34={}|49={}|52={}|56={}|{fields}",
            self.next_out,
            self.us,
            sending_time(),
            self.them,
        );
        self.next_out += 1;
        let body = body.replace('|', "\x01");
        let mut message = format!("8={}\x019={}\x01{body}", self.begin_string, body.len());
        let sum = message.bytes().fold(0u8, u8::wrapping_add);
        message += &format!("10={sum:03}\x01");
        message.into_bytes()
    }

    /// The next message, as `TYPE SEQ|tag=value|...` without the fields that frame and address it.
    pub fn next(&mut self) -> String {
        loop {
            match frame(&self.received, usize::MAX) {
                Framed::Complete(Whole { len, .. }) => {
                    let message: Vec<u8> = self.received.drain(..len).collect();
                    return self.shown(&message);
                }
                Framed::Incomplete { .. } => {
                    let mut chunk = [0; 4096];
                    let len = match self.stream.read(&mut chunk) {
                        // net_tap in the same process tells of frames by a signal.
                        Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                        read => read.unwrap_or_else(|error| panic!("{error}")),
                    };
                    assert!(len > 0, "closed after {:?}", self.received.escape_ascii().to_string());
                    self.received.extend_from_slice(&chunk[..len]);
                }
                garbled => panic!("{garbled:?}: {}", self.received.escape_ascii()),
            }
        }
    }

    fn shown(&self, bytes: &[u8]) -> String {
        let mut decoder = Decoder::default();
        let message = decoder.parse(bytes).unwrap();
        assert_eq!(message.fault(), None, "{}", bytes.escape_ascii());
        assert_eq!(message.begin_string(), self.begin_string.as_bytes());
        assert_eq!(message.field(49), Some(self.them.as_bytes()));
        assert_eq!(message.field(56), Some(self.us.as_bytes()));
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let mut line = format!("{} {}|", text(message.msg_type()), message.msg_seq_num().unwrap());
        for (tag, value) in message.fields() {
            if ![8, 9, 35, 34, 49, 52, 56, 10].contains(&tag) {
                line += &format!("{tag}={}|", text(value));
            }
        }
        line
    }

    /// Whether the far side closes without another word.
    pub fn is_closed_silently(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => rest.is_empty() && self.received.is_empty(),
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    /// Sends a FIN and reads no more; the kernel takes what still comes.
    pub fn hang_up(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Closes at once, by a FIN.
    pub fn close(self) {}
}

/// Now, as SendingTime(52) has it.
fn sending_time() -> String {
    const SENDING_TIME: u32 = 52;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let (mut slot, mut formatter) = ([0; 64], Formatter::default());
    let mut encoder = Encoder::begin(&mut slot, &mut formatter, "FIX.4.4", b"0");
    encoder.put_utc(SENDING_TIME, UtcTime::from_unix_ns(now), Precision::Millis);
    let len = encoder.finish().unwrap();
    let mut decoder = Decoder::default();
    let message = decoder.parse(&slot[..len]).unwrap();
    String::from_utf8_lossy(message.field(SENDING_TIME).unwrap()).into_owned()
}
