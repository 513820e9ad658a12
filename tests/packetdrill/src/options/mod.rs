//! Socket options, fcntl and ioctl: what is offered of them, by name.

mod get;
mod set;

use fixwire::tcp::{CongestionControl, Endpoint};
use fixwire::time::Duration;

use crate::errno::Errno;
use crate::host::Host;
use crate::socket::{Fd, Kind};

const EINVAL: Errno = Errno(libc::EINVAL);
const ENOPROTOOPT: Errno = Errno(libc::ENOPROTOOPT);

/// The names of options, for reports; what is in neither of these and not offered is told by number.
const NAMES: [(i32, i32, &str); 18] = [
    (libc::SOL_SOCKET, libc::SO_RCVTIMEO, "SO_RCVTIMEO"),
    (libc::SOL_SOCKET, libc::SO_SNDTIMEO, "SO_SNDTIMEO"),
    (libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, "SO_MAX_PACING_RATE"),
    (libc::SOL_SOCKET, libc::SO_TXTIME, "SO_TXTIME"),
    (libc::SOL_SOCKET, libc::SO_BUSY_POLL, "SO_BUSY_POLL"),
    (libc::SOL_SOCKET, libc::SO_INCOMING_CPU, "SO_INCOMING_CPU"),
    (libc::IPPROTO_IP, libc::IP_TTL, "IP_TTL"),
    (libc::IPPROTO_IP, libc::IP_MTU, "IP_MTU"),
    (libc::IPPROTO_IP, libc::IP_RECVERR, "IP_RECVERR"),
    (libc::IPPROTO_TCP, libc::TCP_FASTOPEN, "TCP_FASTOPEN"),
    (libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, "TCP_FASTOPEN_CONNECT"),
    (libc::IPPROTO_TCP, libc::TCP_FASTOPEN_KEY, "TCP_FASTOPEN_KEY"),
    (libc::IPPROTO_TCP, libc::TCP_FASTOPEN_NO_COOKIE, "TCP_FASTOPEN_NO_COOKIE"),
    (libc::IPPROTO_TCP, libc::TCP_MAXSEG, "TCP_MAXSEG"),
    (libc::IPPROTO_TCP, libc::TCP_WINDOW_CLAMP, "TCP_WINDOW_CLAMP"),
    (libc::IPPROTO_TCP, libc::TCP_MD5SIG, "TCP_MD5SIG"),
    (libc::IPPROTO_TCP, libc::TCP_SAVE_SYN, "TCP_SAVE_SYN"),
    (libc::IPPROTO_TCP, libc::TCP_REPAIR, "TCP_REPAIR"),
];

/// What an open connection goes by as soon as it is set.
const COUNT_AT_ONCE: [(i32, i32); 8] = [
    (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
    (libc::IPPROTO_TCP, libc::TCP_NODELAY),
    (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE),
    (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL),
    (libc::IPPROTO_TCP, libc::TCP_KEEPCNT),
    (libc::IPPROTO_TCP, libc::TCP_LINGER2),
    (libc::IPPROTO_TCP, libc::TCP_CONGESTION),
    (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
];

/// What TCP_CONGESTION and the sysctl of that name call it.
pub const CONGESTION: [(&str, CongestionControl); 3] = [
    ("reno", CongestionControl::NewReno),
    ("cubic", CongestionControl::Cubic),
    ("dctcp", CongestionControl::Dctcp),
];

/// The length of the field that such a name stands in: TCP_CA_NAME_MAX of Linux.
const CONGESTION_NAME_LEN: usize = 16;

fn name(level: i32, option: i32) -> String {
    let known = NAMES.iter().find(|(of, number, _)| (*of, *number) == (level, option));
    known.map_or_else(
        || format!("option {option} of level {level}"),
        |(.., name)| (*name).to_owned(),
    )
}

fn int(bytes: &[u8]) -> Result<i32, Errno> {
    bytes.first_chunk::<4>().map(|bytes| i32::from_ne_bytes(*bytes)).ok_or(EINVAL)
}

impl Host {
    /// fcntl().
    pub fn fcntl(&mut self, fd: Fd, command: i32, argument: i32) -> Result<i32, Errno> {
        let socket = self.socket(fd)?;
        match command {
            libc::F_GETFL if socket.is_nonblocking => Ok(libc::O_RDWR | libc::O_NONBLOCK),
            libc::F_GETFL => Ok(libc::O_RDWR),
            libc::F_SETFL => {
                socket.is_nonblocking = argument & libc::O_NONBLOCK != 0;
                Ok(0)
            }
            _ => {
                self.report.needs(&format!("fcntl command {command}"));
                Err(EINVAL)
            }
        }
    }

    /// ioctl().
    pub fn ioctl(&mut self, fd: Fd, request: u64) -> Result<i32, Errno> {
        let info = match self.socket(fd)?.kind {
            Kind::Stream { line, .. } => self.stacks[line.stack].1.info(line.id),
            _ => None,
        };
        let info = info.ok_or(EINVAL)?;
        let sent = info.snd_nxt.since(info.snd_una) as usize;
        match request {
            libc::FIONREAD => Ok(info.receive_buffered_bytes as i32),
            libc::TIOCOUTQ => Ok(info.send_buffered_bytes as i32),
            SIOCOUTQNSD => Ok(info.send_buffered_bytes.saturating_sub(sent) as i32),
            _ => {
                self.report.needs(&format!("ioctl request {request:#x}"));
                Err(Errno(libc::ENOTTY))
            }
        }
    }

    /// Where a connection that is not bound begins.
    pub fn default_local() -> Endpoint {
        Endpoint { addr: std::net::Ipv4Addr::new(192, 168, 0, 1), port: 0 }
    }
}

/// SO_MEMINFO: nine numbers (`linux/sock_diag.h`), none of them known here.
const MEMINFO_LEN: usize = 36;
/// Bytes that wait to be sent for the first time (`linux/sockios.h`).
const SIOCOUTQNSD: u64 = 0x894b;

fn seconds(duration: Duration) -> i32 {
    (duration.as_ms() / 1000) as i32
}
