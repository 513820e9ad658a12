//! The Prometheus endpoint: HTTP on the kernel's sockets, one request a connection, on a thread of its own.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::super::failure::Failure;

/// The longest head of a request, in bytes.
const HEAD_LEN_MAX: usize = 8 * 1024;
/// How long a client may take to ask, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Listens at an address of the kernel's.
pub(super) fn listen(addr: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(addr).map_err(|error| {
        let remedy = match error.kind() {
            ErrorKind::AddrInUse => "choose another port, or end what listens there",
            ErrorKind::AddrNotAvailable => "name an address of this host, such as 127.0.0.1",
            ErrorKind::PermissionDenied => "choose a port from 1024 on",
            _ => "choose another address",
        };
        Failure::Input(format!("--metrics {addr} cannot be listened on: {error}; {remedy}"))
    })
}

/// Answers whoever connects, for ever. `metrics` is the text, or `None` where the engine does not answer.
pub(super) fn serve(listener: &TcpListener, metrics: &impl Fn() -> Option<String>) {
    loop {
        match listener.accept() {
            // A client that fails is its own business, and asks again.
            Ok((stream, _)) => drop(answer(stream, metrics)),
            // No descriptor is left, for one: it may be again.
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn answer(mut stream: TcpStream, metrics: &impl Fn() -> Option<String>) -> std::io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let response = match read_head(&mut stream)? {
        None => {
            response("431 Request Header Fields Too Large", "", "The head is too long.\n", true)
        }
        Some(head) => respond(&head, metrics),
    };
    stream.write_all(response.as_bytes())
}

/// The head of a request, or `None` where it is too long.
fn read_head(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let deadline = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let len = stream.read(&mut chunk)?;
        head.extend_from_slice(&chunk[..len]);
        let is_whole = head.windows(4).any(|end| end == b"\r\n\r\n");
        if is_whole || len == 0 {
            return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
        }
        if head.len() > HEAD_LEN_MAX {
            return Ok(None);
        }
    }
}

fn respond(head: &str, metrics: &impl Fn() -> Option<String>) -> String {
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let is_http = version.is_some_and(|version| version.starts_with("HTTP/1."));
    let (Some(method), Some(target), true) = (method, target, is_http) else {
        return response("400 Bad Request", "", "This is no request of HTTP/1.1.\n", true);
    };
    let has_body = method != "HEAD";
    if !matches!(method, "GET" | "HEAD") {
        return response("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "GET it.\n", true);
    }
    if target.split('?').next() != Some("/metrics") {
        return response("404 Not Found", "", "There is /metrics, and nothing else.\n", has_body);
    }
    match metrics() {
        Some(text) => response("200 OK", "", &text, has_body),
        None => response("503 Service Unavailable", "", "The engine does not answer.\n", has_body),
    }
}

fn response(status: &str, more: &str, body: &str, has_body: bool) -> String {
    let len = body.len();
    let body = if has_body { body } else { "" };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {len}\r\n{more}Connection: close\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_answered_by_what_they_ask() {
        let metrics = || Some("a 1\n".to_owned());
        for (head, status, ends) in [
            ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "\r\n\r\na 1\n"),
            ("GET /metrics?x=1 HTTP/1.0\r\n\r\n", "200 OK", "\r\n\r\na 1\n"),
            (
                "HEAD /metrics HTTP/1.1\r\n\r\n",
                "200 OK",
                "Content-Length: 4\r\nConnection: close\r\n\r\n",
            ),
            ("GET / HTTP/1.1\r\n\r\n", "404 Not Found", "nothing else.\n"),
            ("POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed", "GET it.\n"),
            ("8=FIX.4.4\x019=5\x01", "400 Bad Request", "HTTP/1.1.\n"),
            ("", "400 Bad Request", "HTTP/1.1.\n"),
        ] {
            let response = respond(head, &metrics);
            assert!(response.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}: {response}");
            assert!(response.ends_with(ends), "{head}: {response}");
        }
        assert!(respond("GET /metrics HTTP/1.1\r\n\r\n", &|| None).starts_with("HTTP/1.1 503 "));
    }

    #[test]
    fn a_client_that_only_talks_is_let_go() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let addr = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(addr).unwrap();
        let talk = std::thread::spawn(move || {
            let filler = [b'x'; 1024];
            while client.write_all(&filler).is_ok() {}
        });
        let (stream, _) = listener.accept().unwrap();
        assert!(answer(stream, &|| None).is_ok());
        talk.join().unwrap();
    }
}
