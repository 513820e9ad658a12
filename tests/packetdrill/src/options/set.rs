//! setsockopt.

use fixwire::time::Duration;

use super::{CONGESTION, COUNT_AT_ONCE, EINVAL, ENOPROTOOPT, int, name};
use crate::errno::Errno;
use crate::host::Host;
use crate::notices::STAMPS_OFFERED;
use crate::settings::Dialect;
use crate::socket::{Fd, Kind};

/// The bounds of TCP_MAXSEG with Linux.
const MSS_ALLOWED: std::ops::RangeInclusive<u16> = 88..=32_767;

fn number<T: TryFrom<i32>>(value: &[u8]) -> Result<T, Errno> {
    T::try_from(int(value)?).map_err(|_| EINVAL)
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
        match level {
            libc::SOL_SOCKET => self.set_socket_option(fd, option, value)?,
            libc::IPPROTO_IP => self.set_ip_option(fd, option, value)?,
            libc::IPPROTO_TCP => self.set_tcp_option(fd, option, value)?,
            _ => return Err(self.refuse_option(level, option)),
        }
        let socket = self.socket(fd)?;
        let options = socket.options;
        if let Kind::Stream { line, .. } = socket.kind {
            if COUNT_AT_ONCE.contains(&(level, option)) {
                self.renew_terms(line, &options);
            }
            if level == libc::IPPROTO_TCP && value.len() >= 4 {
                self.settle_cork(line, option, int(value)? != 0);
            }
        }
        self.listen_anew(fd)
    }

    fn refuse_option(&mut self, level: i32, option: i32) -> Errno {
        self.report.needs(&format!("setsockopt {}", name(level, option)));
        ENOPROTOOPT
    }

    fn is_open(&mut self, fd: Fd) -> Result<bool, Errno> {
        Ok(matches!(self.socket(fd)?.kind, Kind::Stream { .. }))
    }

    fn set_socket_option(&mut self, fd: Fd, option: i32, value: &[u8]) -> Result<(), Errno> {
        let is_open = self.is_open(fd)?;
        let options = &mut self.socket(fd)?.options;
        match option {
            libc::SO_REUSEADDR => options.reuses_address = int(value)? != 0,
            libc::SO_REUSEPORT | libc::SO_MARK | libc::SO_PRIORITY | libc::SO_NO_CHECK => {}
            libc::SO_SNDBUF | libc::SO_SNDBUFFORCE => options.send_bytes = Some(number(value)?),
            libc::SO_RCVBUF | libc::SO_RCVBUFFORCE => {
                options.receive_bytes = Some(number(value)?);
                if is_open {
                    self.report.needs("SO_RCVBUF on an open connection");
                }
            }
            libc::SO_RCVLOWAT => options.receive_lowat = number::<usize>(value)?.max(1),
            libc::SO_LINGER => {
                let seconds = int(value.get(4..).unwrap_or(&[]))?;
                options.linger_s = (int(value)? != 0).then_some(seconds.max(0) as u32);
            }
            libc::SO_ZEROCOPY => options.zero_copy = int(value)? != 0,
            libc::SO_TIMESTAMPING => {
                let stamps = int(value)? as u32;
                if stamps & !STAMPS_OFFERED != 0 || !is_open {
                    self.report.needs(&format!("SO_TIMESTAMPING {stamps:#x} on this socket"));
                    return Err(EINVAL);
                }
                self.set_stamps(fd, stamps)?;
            }
            libc::SO_KEEPALIVE => options.keeps_alive = int(value)? != 0,
            // Urgent data are always taken in line.
            libc::SO_OOBINLINE if int(value)? != 0 => {}
            _ => return Err(self.refuse_option(libc::SOL_SOCKET, option)),
        }
        Ok(())
    }

    fn set_ip_option(&mut self, fd: Fd, option: i32, value: &[u8]) -> Result<(), Errno> {
        let options = &mut self.socket(fd)?.options;
        match option {
            libc::IP_TOS => options.tos = *value.first().ok_or(EINVAL)?,
            // Segments fit the path and are never fragmented, whatever is let happen to them.
            libc::IP_FREEBIND | libc::IP_MTU_DISCOVER => {}
            _ => return Err(self.refuse_option(libc::IPPROTO_IP, option)),
        }
        Ok(())
    }

    fn set_tcp_option(&mut self, fd: Fd, option: i32, value: &[u8]) -> Result<(), Errno> {
        match option {
            libc::TCP_MAXSEG | libc::TCP_WINDOW_CLAMP => {
                return self.set_bound(fd, option, value);
            }
            libc::TCP_CONGESTION => return self.set_congestion(fd, value),
            _ => {}
        }
        let options = &mut self.socket(fd)?.options;
        match option {
            libc::TCP_INQ => options.tells_unread = int(value)? != 0,
            libc::TCP_NODELAY => options.no_delay = int(value)? != 0,
            libc::TCP_CORK => options.is_corked = int(value)? != 0,
            libc::TCP_NOTSENT_LOWAT => options.notsent_lowat = int(value)?.cast_unsigned(),
            libc::TCP_DEFER_ACCEPT => {
                let s = number(value)?;
                options.defer_accept = (s > 0).then_some(Duration::from_s(s));
            }
            // Nothing is delayed.
            libc::TCP_QUICKACK => {}
            libc::TCP_KEEPIDLE => {
                options.keep_alive.idle = Duration::from_s(int(value)?.max(1) as u64);
            }
            libc::TCP_KEEPINTVL => {
                options.keep_alive.interval = Duration::from_s(int(value)?.max(1) as u64);
            }
            libc::TCP_KEEPCNT => options.keep_alive.probes = int(value)?.clamp(1, 127) as u8,
            libc::TCP_LINGER2 => {
                let s = u64::try_from(int(value)?).unwrap_or(0);
                options.fin_timeout = (s > 0).then_some(Duration::from_s(s));
            }
            libc::TCP_USER_TIMEOUT => {
                let ms = number(value)?;
                options.user_timeout = (ms > 0).then_some(Duration::from_ms(ms));
            }
            libc::TCP_SYNCNT => {
                let retries = number(value)?;
                if !(1..=127).contains(&retries) {
                    return Err(EINVAL);
                }
                options.syn_retries = Some(retries);
            }
            _ => return Err(self.refuse_option(libc::IPPROTO_TCP, option)),
        }
        Ok(())
    }

    /// What bounds segments or the window: only before a connection opens.
    fn set_bound(&mut self, fd: Fd, option: i32, value: &[u8]) -> Result<(), Errno> {
        let is_linux = self.settings.dialect == Dialect::Linux;
        let (is_open, mss_max) = (self.is_open(fd)?, self.settings.mss());
        let options = &mut self.socket(fd)?.options;
        if option == libc::TCP_MAXSEG {
            let mss = number(value)?;
            // A connection's is lowered by its listener's or before it connects.
            if is_linux && !MSS_ALLOWED.contains(&mss) {
                return Err(EINVAL);
            }
            options.mss = Some(mss.min(mss_max));
        } else {
            let bytes = number(value)?;
            options.window_clamp = (bytes > 0).then_some(bytes);
        }
        if is_open {
            let name = name(libc::IPPROTO_TCP, option);
            self.report.needs(&format!("{name} on an open connection"));
        }
        Ok(())
    }

    fn set_congestion(&mut self, fd: Fd, value: &[u8]) -> Result<(), Errno> {
        let name = value.split(|byte| *byte == 0).next().unwrap_or(value);
        let named = CONGESTION.iter().find(|(known, _)| known.as_bytes() == name);
        let Some((_, control)) = named else {
            let name = String::from_utf8_lossy(name);
            self.report.needs(&format!("setsockopt TCP_CONGESTION {name}"));
            return Err(Errno(libc::ENOENT));
        };
        self.socket(fd)?.options.congestion = Some(*control);
        Ok(())
    }
}
