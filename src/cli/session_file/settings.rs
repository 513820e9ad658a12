//! What a file is read into: the network's settings and each session's, complete.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use fixwire::fix::{ApplVerId, LogonFields};
use fixwire::journal_file::StorePlan;
use fixwire::tcp::Terms;

use super::{Agreement, Conduct, HoursSettings, Reach, ValidationSettings};

/// The engine's place on the network; what is not said is the device's default.
#[derive(Clone, Debug, Default)]
pub(crate) struct NetworkSettings {
    pub(crate) addr: Option<(Ipv4Addr, u8)>,
    /// Where its sessions want to connect from, where `addr` does not say it.
    pub(crate) source: Option<Ipv4Addr>,
    pub(crate) gateway: Option<Ipv4Addr>,
    pub(crate) vlan: Option<u16>,
}

/// What the sessions of a file are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To trade: initiators unless a session says otherwise, and the built-in session's far side is
    /// the built-in exchange.
    Trade,
    /// To be connected to: acceptors all, and the built-in session is that exchange's.
    Accept,
}

impl Purpose {
    /// The built-in session: what a file's sessions have where they say nothing.
    pub(crate) fn built_in(self) -> SessionSettings {
        match self {
            Purpose::Trade => SessionSettings::default(),
            Purpose::Accept => SessionSettings::default().mirrored(),
        }
    }
}

/// Who opens the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Initiator,
    Acceptor,
}

/// One session, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionSettings {
    pub(crate) side: Side,
    pub(crate) begin_string: String,
    /// What FIXT.1.1 needs, and no other version has.
    pub(crate) default_appl_ver_id: Option<ApplVerId>,
    pub(crate) sender_comp_id: String,
    pub(crate) target_comp_id: String,
    /// What tells an initiator from another one of the same version and CompIDs.
    pub(crate) qualifier: Option<String>,
    /// Where the initiator connects to; `None` is the device's peer.
    pub(crate) connect_host: Option<Ipv4Addr>,
    pub(crate) connect_port: u16,
    /// Where else, in turn.
    pub(crate) connect_alternates: Vec<SocketAddrV4>,
    pub(crate) reach: Reach,
    pub(crate) accept_port: u16,
    pub(crate) heart_bt_int_s: u32,
    /// The pauses before it connects again: of the attempts since it was last established in turn, the last one from then on.
    pub(crate) reconnect_intervals_s: Vec<u32>,
    pub(crate) logon_timeout_s: u32,
    /// How long a Logon may be that an acceptor is told by who connects.
    pub(crate) logon_bytes_max: usize,
    pub(crate) logout_timeout_s: u32,
    pub(crate) reset_on_logon: bool,
    pub(crate) reset_on_logout: bool,
    pub(crate) reset_on_disconnect: bool,
    pub(crate) check_latency: bool,
    pub(crate) max_latency_s: u32,
    pub(crate) agreement: Agreement,
    pub(crate) conduct: Conduct,
    pub(crate) hours: HoursSettings,
    pub(crate) validation: ValidationSettings,
    /// Where its numbers and messages are kept beyond the process.
    pub(crate) store: Option<StorePlan>,
    pub(crate) tcp: Terms,
    /// Where its log is kept, if it has one.
    pub(crate) file_log_path: Option<PathBuf>,
}

/// The port that the built-in exchange listens on and an initiator connects to.
pub(crate) const EXCHANGE_PORT: u16 = 9878;

impl Default for SessionSettings {
    /// The built-in session with the built-in exchange.
    fn default() -> Self {
        SessionSettings {
            side: Side::Initiator,
            begin_string: "FIX.4.4".into(),
            default_appl_ver_id: None,
            sender_comp_id: "FIXWIRE".into(),
            target_comp_id: "EXCHANGE".into(),
            qualifier: None,
            connect_host: None,
            connect_port: EXCHANGE_PORT,
            connect_alternates: Vec::new(),
            reach: Reach::default(),
            accept_port: EXCHANGE_PORT,
            heart_bt_int_s: 30,
            reconnect_intervals_s: vec![30],
            logon_timeout_s: 10,
            logon_bytes_max: 4 * 1024,
            logout_timeout_s: 2,
            reset_on_logon: false,
            reset_on_logout: false,
            reset_on_disconnect: false,
            check_latency: true,
            max_latency_s: 120,
            agreement: Agreement::default(),
            conduct: Conduct::default(),
            hours: HoursSettings::default(),
            validation: ValidationSettings::default(),
            store: None,
            tcp: Terms::default(),
            file_log_path: None,
        }
    }
}

impl SessionSettings {
    /// Every address that is named to connect to.
    #[cfg(feature = "dpdk")]
    pub(crate) fn connect_hosts(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        let besides = self.connect_alternates.iter().map(|at| *at.ip());
        self.connect_host.into_iter().chain(besides)
    }

    /// The other side's settings for the same session.
    pub(crate) fn mirrored(&self) -> SessionSettings {
        SessionSettings {
            side: match self.side {
                Side::Initiator => Side::Acceptor,
                Side::Acceptor => Side::Initiator,
            },
            sender_comp_id: self.target_comp_id.clone(),
            target_comp_id: self.sender_comp_id.clone(),
            accept_port: self.connect_port,
            connect_port: self.accept_port,
            connect_alternates: Vec::new(),
            reach: Reach::default(),
            qualifier: None,
            agreement: self.agreement.mirrored(),
            conduct: Conduct { logon_fields: LogonFields::default(), ..self.conduct.clone() },
            store: None,
            ..self.clone()
        }
    }
}
