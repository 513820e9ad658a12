//! A socket: what a script's file descriptor stands for.

use std::collections::VecDeque;

use fixwire::tcp::{
    Closed, CongestionControl, ConnectionId, Endpoint, Info, KeepAlive, ListenerId,
};
use fixwire::time::{Duration, Instant};

use crate::errno::Errno;
use crate::settings::Settings;

/// A script's file descriptor, as packetdrill holds it.
pub type Fd = i32;
/// The first descriptor: above any that the kernel gives, so that the two never mix.
pub const FD_FIRST: Fd = 1 << 20;

/// A connection, by the stack that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// The stack's place in the host's list.
    pub stack: usize,
    /// The connection's name there.
    pub id: ConnectionId,
}

/// What a descriptor is of.
#[derive(Debug)]
pub enum Kind {
    /// Neither listening nor connected.
    Fresh,
    /// A listener.
    Listening {
        /// Its stack's place in the host's list.
        stack: usize,
        /// Its name there.
        listener: ListenerId,
        /// Connections that are established and not accepted.
        queue: VecDeque<Line>,
    },
    /// A connection, being opened, open or over.
    Stream {
        /// The connection.
        line: Line,
        /// Connect, or accept, has told that it is open.
        is_told: bool,
    },
    /// A set of descriptors that epoll watches.
    Epoll(Vec<Watch>),
}

/// A descriptor that epoll watches.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// The descriptor.
    pub fd: Fd,
    /// What for, and how: `EPOLLIN`, `EPOLLET` and so on.
    pub events: u32,
    /// What the script gets back.
    pub data: u64,
    /// How many things had happened when it was last told of (edge triggered).
    pub told_at: Option<u64>,
}

/// One descriptor.
#[derive(Debug)]
pub struct Socket {
    /// What it is of.
    pub kind: Kind,
    /// `O_NONBLOCK`.
    pub is_nonblocking: bool,
    /// It was opened for IPv6, and is told IPv4 addresses written as such.
    pub is_v6: bool,
    /// Where it is bound.
    pub bound: Option<Endpoint>,
    /// What is set by options.
    pub options: Options,
    /// What SO_ERROR tells next.
    pub error: Option<Errno>,
    /// Shut down for reading.
    pub read_is_shut: bool,
    /// Shut down for writing.
    pub write_is_shut: bool,
}

impl Socket {
    /// A new one.
    pub fn new(kind: Kind, options: Options) -> Socket {
        Socket {
            kind,
            is_nonblocking: false,
            is_v6: false,
            bound: None,
            options,
            error: None,
            read_is_shut: false,
            write_is_shut: false,
        }
    }
}

/// What is set by options. An accepted connection inherits its listener's.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// SO_RCVBUF where it was set, in bytes as the window counts them.
    pub receive_bytes: Option<usize>,
    /// SO_SNDBUF where it was set, in bytes as the stream counts them.
    pub send_bytes: Option<usize>,
    /// TCP_WINDOW_CLAMP where it was set, in bytes.
    pub window_clamp: Option<usize>,
    /// TCP_MAXSEG where it was set.
    pub mss: Option<u16>,
    /// TCP_SYNCNT where it was set.
    pub syn_retries: Option<u8>,
    /// TCP_CONGESTION where it was set.
    pub congestion: Option<CongestionControl>,
    /// SO_RCVLOWAT, in bytes.
    pub receive_lowat: usize,
    /// TCP_NOTSENT_LOWAT, in bytes; 0 where it was not set.
    pub notsent_lowat: u32,
    /// TCP_CORK.
    pub is_corked: bool,
    /// TCP_DEFER_ACCEPT where it was set.
    pub defer_accept: Option<Duration>,
    /// IP_TOS.
    pub tos: u8,
    /// SO_LINGER: on, and for how many seconds.
    pub linger_s: Option<u32>,
    /// SO_KEEPALIVE.
    pub keeps_alive: bool,
    /// TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT.
    pub keep_alive: KeepAlive,
    /// SO_REUSEADDR.
    pub reuses_address: bool,
    /// TCP_NODELAY.
    pub no_delay: bool,
    /// SO_ZEROCOPY: sends with MSG_ZEROCOPY are told of.
    pub zero_copy: bool,
    /// TCP_INQ: recvmsg tells how much there is left.
    pub tells_unread: bool,
    /// TCP_LINGER2 where it was set.
    pub fin_timeout: Option<Duration>,
    /// TCP_USER_TIMEOUT where it was set.
    pub user_timeout: Option<Duration>,
}

impl Options {
    /// A new socket's.
    pub fn of(settings: &Settings) -> Options {
        Options {
            receive_bytes: None,
            send_bytes: None,
            window_clamp: None,
            mss: None,
            syn_retries: None,
            congestion: None,
            receive_lowat: 1,
            notsent_lowat: 0,
            is_corked: false,
            defer_accept: None,
            tos: 0,
            linger_s: None,
            keeps_alive: false,
            keep_alive: settings.keep_alive,
            reuses_address: false,
            no_delay: false,
            zero_copy: false,
            tells_unread: false,
            fin_timeout: None,
            user_timeout: None,
        }
    }
}

/// What became of a connection, and what TCP_INFO counts of it.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// It has been established.
    pub is_established: bool,
    /// The peer's stream has ended.
    pub peer_has_closed: bool,
    /// Why it is over.
    pub closed: Option<Closed>,
    /// How many things have happened that a poll may wait for.
    pub happenings: u64,
    /// The peer's largest window so far, in bytes.
    pub snd_wnd_max: u32,
    /// How many bytes were written up to the end of a write.
    pub pushed_to: u64,
    /// Whether that write said that more follow.
    pub follows_more: bool,
    /// From which byte written on the last piece of the send queue is.
    pub piece_from: u64,
    /// Segments and bytes, both ways.
    pub traffic: Traffic,
    /// What sending waited for.
    pub waits: Waits,
}

/// For how long a connection had something to send, and what it waited for, up to `since`.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    since: Instant,
    is_busy: bool,
    is_for_window: bool,
    /// Something was sent and not acknowledged, or to be sent.
    pub busy: Duration,
    /// It was the peer's window that held it back.
    pub for_window: Duration,
}

impl Waits {
    /// Time has passed, and from here on this is how it stands.
    pub fn settle(&mut self, now: Instant, info: &Info) {
        let longer = |span: Duration| Duration::from_ns(span.as_ns() + (now - self.since).as_ns());
        if self.is_busy {
            self.busy = longer(self.busy);
        }
        if self.is_for_window {
            self.for_window = longer(self.for_window);
        }
        let flight = info.snd_nxt.since(info.snd_una);
        let unsent = (info.send_buffered_bytes as u32).saturating_sub(flight);
        let room = info.snd_wnd.saturating_sub(flight);
        self.since = now;
        self.is_busy = info.send_buffered_bytes > 0;
        self.is_for_window = room < unsent.min(info.mss) && flight < info.cwnd;
    }
}

/// What TCP_INFO counts.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "named as in TCP_INFO, but for what was written")]
pub struct Traffic {
    pub segs_in: u32,
    pub segs_out: u32,
    pub data_segs_in: u32,
    pub data_segs_out: u32,
    pub bytes_received: u64,
    pub rcv_mss: u32,
    pub bytes_written: u64,
    pub bytes_sent: u64,
    pub bytes_retrans: u64,
    pub total_retrans: u32,
    pub last_data_sent: Instant,
    pub last_data_recv: Instant,
    pub last_ack_recv: Instant,
}

/// What Linux takes a peer's segments for before any has come, in bytes.
const RCV_MSS_INITIAL: u32 = 536;

impl Facts {
    /// Of a connection that begins now.
    pub fn new(now: Instant) -> Facts {
        Facts {
            is_established: false,
            peer_has_closed: false,
            closed: None,
            happenings: 0,
            snd_wnd_max: 0,
            pushed_to: 0,
            follows_more: false,
            piece_from: 0,
            traffic: Traffic {
                segs_in: 0,
                segs_out: 0,
                data_segs_in: 0,
                data_segs_out: 0,
                bytes_received: 0,
                rcv_mss: RCV_MSS_INITIAL,
                bytes_written: 0,
                bytes_sent: 0,
                bytes_retrans: 0,
                total_retrans: 0,
                last_data_sent: now,
                last_data_recv: now,
                last_ack_recv: now,
            },
            waits: Waits {
                since: now,
                is_busy: false,
                is_for_window: false,
                busy: Duration::ZERO,
                for_window: Duration::ZERO,
            },
        }
    }
}
