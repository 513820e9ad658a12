//! The kernel's ends: processes on ordinary sockets, which write and read all that they can.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

/// What is sent here is read and compared.
pub(crate) const SINK_PORT: u16 = 9001;
/// Who says how many bytes here, gets them.
pub(crate) const SOURCE_PORT: u16 = 9002;
const CHUNK_LEN: usize = 64 * 1024;

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

/// What the stream has at a place.
pub(crate) fn pattern(at: usize) -> u8 {
    (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0]
}

/// Sink and source, one connection after the other. Prints what each of the sink's took.
pub(crate) fn serve() -> Result<(), String> {
    let listen = |port| TcpListener::bind(("0.0.0.0", port)).map_err(|error| error.to_string());
    let (sink, source) = (listen(SINK_PORT)?, listen(SOURCE_PORT)?);
    println!("listening");
    std::thread::spawn(move || {
        for stream in source.incoming().flatten() {
            // A connection that was given up is the other end's to report.
            let _ = give(stream);
        }
    });
    for stream in sink.incoming() {
        let (bytes, taken) = stream.and_then(drain).map_err(|error| error.to_string())?;
        println!("{bytes} {}", taken.as_nanos());
    }
    Ok(())
}

/// Sends so many bytes to a sink.
pub(crate) fn push(at: &str, bytes: &str) -> Result<(), String> {
    let bytes = bytes.parse().map_err(|error| format!("{bytes}: {error}"))?;
    let sent = TcpStream::connect(at).and_then(|mut stream| write(&mut stream, bytes));
    sent.map_err(|error| format!("{at}: {error}"))
}

fn give(mut stream: TcpStream) -> std::io::Result<()> {
    let mut wanted = [0; 8];
    stream.read_exact(&mut wanted)?;
    write(&mut stream, u64::from_be_bytes(wanted) as usize)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    std::io::copy(&mut stream, &mut std::io::sink()).map(|_| ())
}

fn write(stream: &mut TcpStream, bytes: usize) -> std::io::Result<()> {
    let mut chunk = Vec::with_capacity(CHUNK_LEN);
    for from in (0..bytes).step_by(CHUNK_LEN) {
        chunk.clear();
        chunk.extend((from..bytes.min(from + CHUNK_LEN)).map(pattern));
        stream.write_all(&chunk)?;
    }
    Ok(())
}

/// Reads to the end, and says how much came, and how long after the first of it the last came.
fn drain(mut stream: TcpStream) -> std::io::Result<(usize, Duration)> {
    let mut chunk = vec![0; CHUNK_LEN];
    let (mut read, mut span) = (0, None);
    loop {
        let len = stream.read(&mut chunk)?;
        let (first, last) = span.get_or_insert_with(|| (Instant::now(), Instant::now()));
        if len == 0 {
            return Ok((read, last.duration_since(*first)));
        }
        *last = Instant::now();
        let is_right = chunk[..len].iter().zip(read..).all(|(byte, at)| *byte == pattern(at));
        if !is_right {
            return Err(std::io::Error::other(format!("other bytes than were sent, near {read}")));
        }
        read += len;
    }
}
