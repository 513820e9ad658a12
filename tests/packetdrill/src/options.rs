//! Socket options, fcntl and ioctl.

use fixwire::tcp::{CongestionControl, Endpoint, State};
use fixwire::time::Duration;

use crate::errno::Errno;
use crate::host::Host;
use crate::notices::STAMPS_OFFERED;
use crate::settings::Dialect;
use crate::socket::{Fd, Kind};
use crate::tcp_info;

const EINVAL: Errno = Errno(libc::EINVAL);
const ENOPROTOOPT: Errno = Errno(libc::ENOPROTOOPT);

/// The names of options, for reports; what is in neither of these and not offered is told by number.
const NAMES: [(i32, i32, &str); 23] = [
    (libc::SOL_SOCKET, libc::SO_RCVLOWAT, "SO_RCVLOWAT"),
    (libc::SOL_SOCKET, libc::SO_RCVTIMEO, "SO_RCVTIMEO"),
    (libc::SOL_SOCKET, libc::SO_SNDTIMEO, "SO_SNDTIMEO"),
    (libc::SOL_SOCKET, libc::SO_OOBINLINE, "SO_OOBINLINE"),
    (libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, "SO_MAX_PACING_RATE"),
    (libc::SOL_SOCKET, libc::SO_TXTIME, "SO_TXTIME"),
    (libc::SOL_SOCKET, libc::SO_BUSY_POLL, "SO_BUSY_POLL"),
    (libc::SOL_SOCKET, libc::SO_INCOMING_CPU, "SO_INCOMING_CPU"),
    (libc::IPPROTO_IP, libc::IP_TOS, "IP_TOS"),
    (libc::IPPROTO_IP, libc::IP_TTL, "IP_TTL"),
    (libc::IPPROTO_IP, libc::IP_MTU, "IP_MTU"),
    (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, "IP_MTU_DISCOVER"),
    (libc::IPPROTO_IP, libc::IP_RECVERR, "IP_RECVERR"),
    (libc::IPPROTO_TCP, libc::TCP_CORK, "TCP_CORK"),
    (libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, "TCP_DEFER_ACCEPT"),
    (libc::IPPROTO_TCP, libc::TCP_FASTOPEN, "TCP_FASTOPEN"),
    (libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, "TCP_FASTOPEN_CONNECT"),
    (libc::IPPROTO_TCP, libc::TCP_FASTOPEN_KEY, "TCP_FASTOPEN_KEY"),
    (libc::IPPROTO_TCP, libc::TCP_FASTOPEN_NO_COOKIE, "TCP_FASTOPEN_NO_COOKIE"),
    (libc::IPPROTO_TCP, libc::TCP_MD5SIG, "TCP_MD5SIG"),
    (libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, "TCP_NOTSENT_LOWAT"),
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
    /// setsockopt(). What a listener is told holds for the connections that it accepts from then on.
    pub fn set_option(
        &mut self,
        fd: Fd,
        level: i32,
        option: i32,
        value: &[u8],
    ) -> Result<(), Errno> {
        self.set_option_of_socket(fd, level, option, value)?;
        let socket = self.socket(fd)?;
        let options = socket.options;
        if let Kind::Stream { line, .. } = socket.kind
            && COUNT_AT_ONCE.contains(&(level, option))
        {
            self.renew_terms(line, &options);
        }
        self.listen_anew(fd)
    }

    fn set_option_of_socket(
        &mut self,
        fd: Fd,
        level: i32,
        option: i32,
        value: &[u8],
    ) -> Result<(), Errno> {
        let is_open = matches!(self.socket(fd)?.kind, Kind::Stream { .. });
        let doubles = self.settings.dialect == Dialect::Linux;
        let mss_max = self.settings.mss();
        let socket = self.socket(fd)?;
        let options = &mut socket.options;
        match (level, option) {
            (libc::SOL_SOCKET, libc::SO_REUSEADDR) => options.reuses_address = int(value)? != 0,
            (
                libc::SOL_SOCKET,
                libc::SO_REUSEPORT | libc::SO_MARK | libc::SO_PRIORITY | libc::SO_NO_CHECK,
            ) => {}
            (libc::SOL_SOCKET, libc::SO_SNDBUF | libc::SO_SNDBUFFORCE) => {
                options.send_bytes = Some(usize::try_from(int(value)?).map_err(|_| EINVAL)?);
            }
            (libc::SOL_SOCKET, libc::SO_RCVBUF | libc::SO_RCVBUFFORCE) => {
                options.receive_bytes = Some(usize::try_from(int(value)?).map_err(|_| EINVAL)?);
                if is_open {
                    self.report.needs("SO_RCVBUF on an open connection");
                }
            }
            (libc::SOL_SOCKET, libc::SO_LINGER) => {
                let seconds = int(value.get(4..).unwrap_or(&[]))?;
                options.linger_s = (int(value)? != 0).then_some(seconds.max(0) as u32);
            }
            (libc::SOL_SOCKET, libc::SO_ZEROCOPY) => options.zero_copy = int(value)? != 0,
            (libc::SOL_SOCKET, libc::SO_TIMESTAMPING) => {
                let stamps = int(value)? as u32;
                if stamps & !STAMPS_OFFERED != 0 || !is_open {
                    self.report.needs(&format!("SO_TIMESTAMPING {stamps:#x} on this socket"));
                    return Err(EINVAL);
                }
                self.set_stamps(fd, stamps)?;
            }
            (libc::IPPROTO_TCP, libc::TCP_INQ) => options.tells_unread = int(value)? != 0,
            (libc::SOL_SOCKET, libc::SO_KEEPALIVE) => {
                options.keeps_alive = int(value)? != 0;
            }
            (libc::IPPROTO_TCP, libc::TCP_NODELAY) => options.no_delay = int(value)? != 0,
            // Nothing is delayed.
            (libc::IPPROTO_TCP, libc::TCP_QUICKACK) => {}
            (libc::IPPROTO_TCP, libc::TCP_MAXSEG) => {
                let mss = u16::try_from(int(value)?).map_err(|_| EINVAL)?;
                // As Linux bounds it; a connection's is lowered by its listener's or before it connects.
                if doubles && !(88..=32_767).contains(&mss) {
                    return Err(EINVAL);
                }
                options.mss = Some(mss.min(mss_max));
                if is_open {
                    self.report.needs("TCP_MAXSEG on an open connection");
                }
            }
            (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE) => {
                options.keep_alive.idle = Duration::from_s(int(value)?.max(1) as u64);
            }
            (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL) => {
                options.keep_alive.interval = Duration::from_s(int(value)?.max(1) as u64);
            }
            (libc::IPPROTO_TCP, libc::TCP_KEEPCNT) => {
                options.keep_alive.probes = int(value)?.clamp(1, 127) as u8;
            }
            (libc::IPPROTO_TCP, libc::TCP_LINGER2) => {
                let s = u64::try_from(int(value)?).unwrap_or(0);
                options.fin_timeout = (s > 0).then_some(Duration::from_s(s));
            }
            (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT) => {
                let ms = u64::try_from(int(value)?).map_err(|_| EINVAL)?;
                options.user_timeout = (ms > 0).then_some(Duration::from_ms(ms));
            }
            (libc::IPPROTO_TCP, libc::TCP_CONGESTION) => {
                let name = value.split(|byte| *byte == 0).next().unwrap_or(value);
                let named = CONGESTION.iter().find(|(known, _)| known.as_bytes() == name);
                let Some((_, control)) = named else {
                    let name = String::from_utf8_lossy(name);
                    self.report.needs(&format!("setsockopt TCP_CONGESTION {name}"));
                    return Err(Errno(libc::ENOENT));
                };
                options.congestion = Some(*control);
            }
            (libc::IPPROTO_TCP, libc::TCP_SYNCNT) => {
                let retries = u8::try_from(int(value)?).map_err(|_| EINVAL)?;
                if !(1..=127).contains(&retries) {
                    return Err(EINVAL);
                }
                options.syn_retries = Some(retries);
            }
            (libc::IPPROTO_TCP, libc::TCP_WINDOW_CLAMP) => {
                let bytes = usize::try_from(int(value)?).map_err(|_| EINVAL)?;
                options.window_clamp = (bytes > 0).then_some(bytes);
                if is_open {
                    self.report.needs("TCP_WINDOW_CLAMP on an open connection");
                }
            }
            // Urgent data are always taken in line.
            (libc::SOL_SOCKET, libc::SO_OOBINLINE) if int(value)? != 0 => {}
            (libc::IPPROTO_IP, libc::IP_FREEBIND) => {}
            _ => {
                self.report.needs(&format!("setsockopt {}", name(level, option)));
                return Err(ENOPROTOOPT);
            }
        }
        Ok(())
    }

    /// getsockopt(): the value's bytes, to be cut to what was asked for.
    pub fn option(&mut self, fd: Fd, level: i32, option: i32) -> Result<Vec<u8>, Errno> {
        if let Some(bytes) = self.option_of_connection(fd, level, option)? {
            return Ok(bytes);
        }
        let (send_bytes, receive_bytes) = (self.settings.send_bytes, self.settings.receive_bytes);
        let (mss, fin_timeout) = (self.settings.mss(), self.settings.fin_timeout);
        let (congestion, syn_retries) = (self.settings.congestion, self.settings.syn_retries[0]);
        // Linux tells twice what was set: half of it is for its own bookkeeping.
        let factor = if self.settings.dialect == Dialect::Linux { 2 } else { 1 };
        let socket = self.socket(fd)?;
        let options = socket.options;
        let number = match (level, option) {
            (libc::SOL_SOCKET, libc::SO_ERROR) => socket.error.take().map_or(0, |error| error.0),
            (libc::SOL_SOCKET, libc::SO_TYPE) => libc::SOCK_STREAM,
            (libc::SOL_SOCKET, libc::SO_PROTOCOL) => libc::IPPROTO_TCP,
            (libc::SOL_SOCKET, libc::SO_DOMAIN) => libc::AF_INET,
            (libc::SOL_SOCKET, libc::SO_ACCEPTCONN) => {
                i32::from(matches!(socket.kind, Kind::Listening { .. }))
            }
            (libc::SOL_SOCKET, libc::SO_REUSEADDR) => i32::from(options.reuses_address),
            (libc::SOL_SOCKET, libc::SO_KEEPALIVE) => i32::from(options.keeps_alive),
            (libc::SOL_SOCKET, libc::SO_ZEROCOPY) => i32::from(options.zero_copy),
            (libc::IPPROTO_TCP, libc::TCP_INQ) => i32::from(options.tells_unread),
            (libc::SOL_SOCKET, libc::SO_SNDBUF) => {
                options.send_bytes.map_or(send_bytes, |bytes| bytes * factor) as i32
            }
            (libc::SOL_SOCKET, libc::SO_RCVBUF) => {
                options.receive_bytes.map_or(receive_bytes, |bytes| bytes * factor) as i32
            }
            (libc::SOL_SOCKET, libc::SO_LINGER) => {
                let (on, seconds) = options.linger_s.map_or((0, 0), |seconds| (1i32, seconds));
                return Ok([on.to_ne_bytes(), seconds.to_ne_bytes()].concat());
            }
            (libc::IPPROTO_TCP, libc::TCP_NODELAY) => i32::from(options.no_delay),
            (libc::IPPROTO_TCP, libc::TCP_QUICKACK) => 1,
            (libc::IPPROTO_TCP, libc::TCP_MAXSEG) => i32::from(options.mss.unwrap_or(mss)),
            (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE) => seconds(options.keep_alive.idle),
            (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL) => seconds(options.keep_alive.interval),
            (libc::IPPROTO_TCP, libc::TCP_KEEPCNT) => i32::from(options.keep_alive.probes),
            (libc::IPPROTO_TCP, libc::TCP_LINGER2) => {
                seconds(options.fin_timeout.unwrap_or(fin_timeout))
            }
            (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT) => {
                options.user_timeout.map_or(0, |timeout| timeout.as_ms() as i32)
            }
            (libc::IPPROTO_TCP, libc::TCP_CONGESTION) => {
                let control = options.congestion.unwrap_or(congestion);
                let named = CONGESTION.iter().find(|(_, known)| *known == control);
                let name = named.map_or("none", |(name, _)| name);
                return Ok([name.as_bytes(), &[0]].concat());
            }
            (libc::IPPROTO_TCP, libc::TCP_SYNCNT) => {
                i32::from(options.syn_retries.unwrap_or(syn_retries))
            }
            (libc::IPPROTO_TCP, libc::TCP_WINDOW_CLAMP) => {
                options.window_clamp.map_or(0, |bytes| bytes as i32)
            }
            // Asked for beside TCP_INFO whenever a script's code runs. There is nothing to tell.
            (libc::IPPROTO_TCP, libc::TCP_CC_INFO) => return Ok(Vec::new()),
            (libc::SOL_SOCKET, libc::SO_MEMINFO) => return Ok(vec![0; MEMINFO_LEN]),
            _ => {
                self.report.needs(&format!("getsockopt {}", name(level, option)));
                return Err(ENOPROTOOPT);
            }
        };
        Ok(number.to_ne_bytes().to_vec())
    }

    /// What an open connection knows better than its socket.
    fn option_of_connection(
        &mut self,
        fd: Fd,
        level: i32,
        option: i32,
    ) -> Result<Option<Vec<u8>>, Errno> {
        let is_tcp_info = (level, option) == (libc::IPPROTO_TCP, libc::TCP_INFO);
        let line = match &self.socket(fd)?.kind {
            Kind::Stream { line, .. } => *line,
            Kind::Listening { .. } if is_tcp_info => {
                return Ok(Some(tcp_info::without_connection(true).to_vec()));
            }
            Kind::Fresh if is_tcp_info => {
                return Ok(Some(tcp_info::without_connection(false).to_vec()));
            }
            _ => return Ok(None),
        };
        let Some(info) = self.stacks[line.stack].1.info(line.id) else { return Ok(None) };
        let knows_peer = !matches!(info.state, State::SynSent | State::Closed);
        let is_open = knows_peer && info.state != State::SynReceived;
        let mss = self.stacks[line.stack].0.mss;
        if is_tcp_info {
            self.settle_waits();
        }
        let timestamps_len = if info.uses_timestamps { 12 } else { 0 };
        Ok(match (level, option) {
            _ if is_tcp_info => {
                Some(tcp_info::bytes(&info, &self.facts_of(line), mss, self.now).to_vec())
            }
            (libc::IPPROTO_TCP, libc::TCP_MAXSEG) if is_open => {
                Some((info.mss as i32).to_ne_bytes().to_vec())
            }
            // FreeBSD rounds it up to whole segments once it knows their size.
            (libc::SOL_SOCKET, libc::SO_RCVBUF)
                if knows_peer && self.settings.dialect == Dialect::FreeBsd =>
            {
                let bytes = self.settings.receive_bytes as u32;
                let rounded = bytes.next_multiple_of(info.mss + timestamps_len);
                Some(rounded.to_ne_bytes().to_vec())
            }
            _ => None,
        })
    }

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
