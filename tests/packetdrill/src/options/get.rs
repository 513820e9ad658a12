//! getsockopt: what a socket tells of itself.

use fixwire::tcp::State;

use super::{CONGESTION, CONGESTION_NAME_LEN, ENOPROTOOPT, MEMINFO_LEN, name, seconds};
use crate::errno::Errno;
use crate::host::Host;
use crate::settings::Dialect;
use crate::socket::{Fd, Kind};
use crate::tcp_info;

impl Host {
    /// getsockopt(): the value's bytes, to be cut to what was asked for.
    pub fn option(&mut self, fd: Fd, level: i32, option: i32) -> Result<Vec<u8>, Errno> {
        if let Some(bytes) = self.option_of_connection(fd, level, option)? {
            return Ok(bytes);
        }
        let bytes = match level {
            libc::SOL_SOCKET => self.socket_option(fd, option)?,
            libc::IPPROTO_TCP => self.tcp_option(fd, option)?,
            libc::IPPROTO_IP if option == libc::IP_TOS => {
                Some(bytes_of(self.socket(fd)?.options.tos.into()))
            }
            _ => None,
        };
        bytes.ok_or_else(|| {
            self.report.needs(&format!("getsockopt {}", name(level, option)));
            ENOPROTOOPT
        })
    }

    fn socket_option(&mut self, fd: Fd, option: i32) -> Result<Option<Vec<u8>>, Errno> {
        let receive_bytes = self.settings.receive_bytes;
        // Linux tells twice what was set: half of it is for its own bookkeeping.
        let factor = if self.settings.dialect == Dialect::Linux { 2 } else { 1 };
        let send_bytes = self.send_bound(fd)?;
        let socket = self.socket(fd)?;
        let options = socket.options;
        Ok(Some(bytes_of(match option {
            libc::SO_ERROR => socket.error.take().map_or(0, |error| error.0),
            libc::SO_TYPE => libc::SOCK_STREAM,
            libc::SO_PROTOCOL => libc::IPPROTO_TCP,
            libc::SO_DOMAIN if socket.is_v6 => libc::AF_INET6,
            libc::SO_DOMAIN => libc::AF_INET,
            libc::SO_ACCEPTCONN => i32::from(matches!(socket.kind, Kind::Listening { .. })),
            libc::SO_REUSEADDR => i32::from(options.reuses_address),
            libc::SO_KEEPALIVE => i32::from(options.keeps_alive),
            libc::SO_ZEROCOPY => i32::from(options.zero_copy),
            libc::SO_RCVLOWAT => options.receive_lowat as i32,
            libc::SO_SNDBUF => send_bytes as i32,
            libc::SO_RCVBUF => {
                options.receive_bytes.map_or(receive_bytes, |bytes| bytes * factor) as i32
            }
            libc::SO_LINGER => {
                let (on, seconds) = options.linger_s.map_or((0, 0), |seconds| (1i32, seconds));
                return Ok(Some([on.to_ne_bytes(), seconds.to_ne_bytes()].concat()));
            }
            libc::SO_MEMINFO => return Ok(Some(vec![0; MEMINFO_LEN])),
            _ => return Ok(None),
        })))
    }

    fn tcp_option(&mut self, fd: Fd, option: i32) -> Result<Option<Vec<u8>>, Errno> {
        let options = self.socket(fd)?.options;
        let settings = &self.settings;
        Ok(Some(bytes_of(match option {
            libc::TCP_INQ => i32::from(options.tells_unread),
            libc::TCP_CORK => i32::from(options.is_corked),
            libc::TCP_NOTSENT_LOWAT => options.notsent_lowat.cast_signed(),
            libc::TCP_NODELAY => i32::from(options.no_delay),
            libc::TCP_DEFER_ACCEPT => options.defer_accept.map_or(0, seconds),
            libc::TCP_QUICKACK => 1,
            libc::TCP_MAXSEG => i32::from(options.mss.unwrap_or(settings.mss())),
            libc::TCP_KEEPIDLE => seconds(options.keep_alive.idle),
            libc::TCP_KEEPINTVL => seconds(options.keep_alive.interval),
            libc::TCP_KEEPCNT => i32::from(options.keep_alive.probes),
            libc::TCP_LINGER2 => seconds(options.fin_timeout.unwrap_or(settings.fin_timeout)),
            libc::TCP_USER_TIMEOUT => {
                options.user_timeout.map_or(0, |timeout| timeout.as_ms() as i32)
            }
            libc::TCP_SYNCNT => i32::from(options.syn_retries.unwrap_or(settings.syn_retries[0])),
            libc::TCP_WINDOW_CLAMP => options.window_clamp.map_or(0, |bytes| bytes as i32),
            libc::TCP_CONGESTION => {
                let control = options.congestion.unwrap_or(settings.congestion);
                let named = CONGESTION.iter().find(|(_, known)| *known == control);
                let name = named.map_or("none", |(name, _)| name);
                let mut bytes = [name.as_bytes(), &[0]].concat();
                // Linux tells the whole field that its name stands in, as far as it was asked for; FreeBSD a string.
                if settings.dialect != Dialect::FreeBsd {
                    bytes.resize(CONGESTION_NAME_LEN, 0);
                }
                return Ok(Some(bytes));
            }
            // Asked for beside TCP_INFO whenever a script's code runs. There is nothing to tell.
            libc::TCP_CC_INFO => return Ok(Some(Vec::new())),
            _ => return Ok(None),
        })))
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
}

fn bytes_of(number: i32) -> Vec<u8> {
    number.to_ne_bytes().to_vec()
}
