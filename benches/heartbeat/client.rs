//! Who asks: a FIX counterparty on the kernel's sockets, which never waits and sends one TestRequest at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use fixwire::fix::timestamp::Formatter;
use fixwire::fix::{Encoder, Precision};
use fixwire::time::UtcTime;

/// CompIDs, as the server's session has them.
pub(crate) const SERVER: &str = "EXCHANGE";
pub(crate) const ASKER: &str = "FIXWIRE";

/// MsgType(35) of Logon, Logout, TestRequest and Heartbeat.
const LOGON: &[u8] = b"A";
const LOGOUT: &[u8] = b"5";
const TEST_REQUEST: &[u8] = b"1";
/// TestReqID(112).
const TEST_REQ_ID: u32 = 112;
/// The end of a hang, and no measure of anything.
const PATIENCE: Duration = Duration::from_secs(10);
/// A message has its CheckSum(10) last, in seven bytes.
const TRAILER_LEN: usize = 7;

/// A counterparty that is logged on.
pub(crate) struct Client {
    stream: TcpStream,
    next_out: u32,
    slot: [u8; 512],
    formatter: Formatter,
    received: Vec<u8>,
}

impl Client {
    /// Connects, for as long as nobody listens yet, and logs on.
    pub(crate) fn log_on(at: SocketAddr) -> Result<Client, String> {
        let begun = Instant::now();
        let stream = loop {
            match TcpStream::connect_timeout(&at, Duration::from_millis(500)) {
                Ok(stream) => break stream,
                Err(error) if begun.elapsed() > PATIENCE => return Err(format!("{at}: {error}")),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let set_up = stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true));
        set_up.map_err(|error| error.to_string())?;
        let (slot, formatter) = ([0; 512], Formatter::default());
        let mut client = Client { stream, next_out: 1, slot, formatter, received: Vec::new() };
        let len = client.write(LOGON, |encoder| {
            encoder.put_u32(98, 0).put_u32(108, 30);
        });
        client.send(len)?;
        client.receive(|message| holds(message, b"35=A\x01"))?;
        Ok(client)
    }

    /// Asks once, and says how long the answer took: from before the write to after the read that ends it.
    pub(crate) fn ask(&mut self, number: u32) -> Result<Duration, String> {
        let len = self.write(TEST_REQUEST, |encoder| {
            encoder.put_u32(TEST_REQ_ID, number);
        });
        let wanted = format!("\x01112={number}\x01");
        let begun = Instant::now();
        self.send(len)?;
        let ended = self.receive(|message| {
            holds(message, b"\x0135=0\x01") && holds(message, wanted.as_bytes())
        })?;
        Ok(ended.duration_since(begun))
    }

    /// Logs out, and waits for the answer.
    pub(crate) fn log_out(mut self) -> Result<(), String> {
        let len = self.write(LOGOUT, |_| {});
        self.send(len)?;
        self.receive(|message| holds(message, b"\x0135=5\x01")).map(|_| ())
    }

    fn write(&mut self, msg_type: &[u8], fill: impl FnOnce(&mut Encoder<'_>)) -> usize {
        let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
        let mut encoder = Encoder::begin(&mut self.slot, &mut self.formatter, "FIX.4.4", msg_type);
        encoder.put_u32(34, self.next_out).put_str(49, ASKER);
        encoder.put_utc(52, UtcTime::from_unix_ns(now), Precision::Millis);
        encoder.put_str(56, SERVER);
        fill(&mut encoder);
        self.next_out += 1;
        encoder.finish().expect("it fits")
    }

    fn send(&mut self, len: usize) -> Result<(), String> {
        self.stream.write_all(&self.slot[..len]).map_err(|error| error.to_string())
    }

    /// Reads until one message is there, which must be as wanted, and says when it was.
    fn receive(&mut self, is_wanted: impl Fn(&[u8]) -> bool) -> Result<Instant, String> {
        self.received.clear();
        let begun = Instant::now();
        let mut chunk = [0; 2048];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(len) => {
                    let now = Instant::now();
                    self.received.extend_from_slice(&chunk[..len]);
                    if self.is_whole() {
                        let words = self.received.escape_ascii().to_string();
                        return if is_wanted(&self.received) { Ok(now) } else { Err(words) };
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if begun.elapsed() > PATIENCE {
                        return Err("no answer".to_owned());
                    }
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn is_whole(&self) -> bool {
        let trailer = self.received.len().checked_sub(TRAILER_LEN + 1);
        trailer.is_some_and(|at| self.received[at..].starts_with(b"\x0110="))
    }
}

fn holds(message: &[u8], field: &[u8]) -> bool {
    message.windows(field.len()).any(|window| window == field)
}
