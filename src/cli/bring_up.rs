//! What `run` and `accept` have in common before the first frame: a device from probe to run, the
//! engine's place on the network, sessions and TCP as the settings say.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};

use fixwire::desk::SessionPlan;
#[cfg(test)]
use fixwire::engine::Setup;
use fixwire::fix::{ApplVerId, CompId, LogonFields, Role, SessionConfig, SubIds, Version, tags};
use fixwire::neighbor::Network;
use fixwire::offload::device::{Backend, Device, Probed};
use fixwire::offload::flow::{Fate, FlowKey, FlowLimits, Matched, Outcome, RuleSet, VlanId};
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::steer;
use fixwire::tcp::{Config, Endpoint};
use fixwire::time::{self, Clock};
use fixwire::wire::ethernet::Mac;
use fixwire_hw::clock::HostClock;
#[cfg(test)]
use fixwire_hw::sim::{SimBackend, SimNic};
use fixwire_hw::tap::{TapBackend, TapError, is_local_address};

use super::device::{self, Refused};
use super::dictionaries::Dictionaries;
use super::failure::Failure;
use super::session_file::{NetworkSettings, SessionSettings, Side};
use super::{plan, say, table, telling};

/// IPv4 and TCP headers without options, in bytes.
const IP_AND_TCP_HEADERS_LEN: u16 = 40;
/// The queue that the engine polls.
const POLLED: u16 = 0;

/// A TAP that was opened, with the profile's buffers.
pub(crate) fn tap(
    backend: Result<TapBackend, TapError>,
    profile: &Profile,
) -> Result<TapBackend, Failure> {
    let backend = backend.map_err(|error| device::tap_failure(&error))?;
    let backend = backend.with_frames(profile.frames);
    let kernel = backend.kernel_side();
    if !kernel.has_addr && is_local_address(kernel.addr) {
        return Err(Failure::run(
            format!(
                "{} would be given {}, which another interface here has",
                kernel.name, kernel.addr
            ),
            format_args!(
                "give it one of its own first: `ip addr add 10.9.1.1/24 dev {}`",
                kernel.name
            ),
        ));
    }
    Ok(backend)
}

/// From probe to run, the plan shown on the way.
pub(crate) fn start<B: Backend>(
    device: Device<B, Probed>,
    profile: &Profile,
    rules: RuleSet,
    json: bool,
) -> Result<(B::Nic, Plan), Failure> {
    let configured =
        device::configure(device, profile, rules).map_err(|refused| show_refused(refused, json))?;
    let started = configured.start();
    let (nic, plan) = started
        .and_then(|device| device.steer())
        .map_err(|error| show_refused(Refused::from(error), json))?;
    if !json {
        say(table::plan(&plan, None));
    }
    Ok((nic, plan))
}

fn show_refused(refused: Refused, json: bool) -> Failure {
    match refused {
        Refused::Failed(failure) => failure,
        Refused::Unmet(plan) => {
            plan::print(&plan, json);
            device::unmet(&plan)
        }
    }
}

/// The engine's place on the network of a TAP.
pub(crate) fn tap_network(
    backend: &TapBackend,
    settings: &NetworkSettings,
) -> Result<Network, Failure> {
    let kernel = backend.kernel_side();
    let mtu = u16::try_from(kernel.mtu).unwrap_or(u16::MAX);
    let far = (kernel.addr, kernel.prefix_len);
    let network = network(settings, Mac(backend.mac()), mtu, far)?;
    if is_local_address(network.addr) {
        return Err(Failure::Input(format!(
            "the engine would have {}, which the kernel has on another interface here, and both would \
             answer for its ports; write another address of {}'s network as `address` under [network]",
            network.addr, kernel.name
        )));
    }
    Ok(network)
}

/// The engine's place on the network of `far`, its address and prefix length.
pub(crate) fn network(
    settings: &NetworkSettings,
    mac: Mac,
    mtu: u16,
    far: (Ipv4Addr, u8),
) -> Result<Network, Failure> {
    let (addr, prefix_len) = match settings.addr {
        Some((addr, _)) if addr == far.0 => {
            return Err(Failure::Input(format!(
                "`address` is {addr}, which is the far side's own; write another address of its \
                 network under [network]"
            )));
        }
        Some(said) => said,
        None if settings.source.is_some_and(|source| !are_beside(source, far)) => {
            return Err(Failure::Input(format!(
                "socket_connect_source_host is no other host's address on {}/{}, the far side's network; write one, or \
                 delete the line",
                far.0, far.1
            )));
        }
        None => {
            let addr = settings.source.or_else(|| beside(far)).ok_or_else(|| {
                Failure::Input(format!(
                    "{}/{} has no second address for the engine; write `address` under [network]",
                    far.0, far.1
                ))
            })?;
            (addr, far.1)
        }
    };
    let gateway = Some(settings.gateway.unwrap_or(far.0));
    Ok(Network { mac, addr, prefix_len, gateway, vlan: settings.vlan, mtu })
}

/// Whether `addr` is another host's on the network of the far side.
fn are_beside(addr: Ipv4Addr, (far, prefix_len): (Ipv4Addr, u8)) -> bool {
    let hosts = u32::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0);
    addr != far && u32::from(addr) & !hosts == u32::from(far) & !hosts
}

/// The first address of the kernel's network that is not the kernel's.
fn beside((kernel, prefix_len): (Ipv4Addr, u8)) -> Option<Ipv4Addr> {
    let hosts = u32::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0);
    let network = u32::from(kernel) & !hosts;
    // RFC 3021: a network of two addresses has no broadcast.
    let usable = if hosts == 1 { 0..=1 } else { 1..=hosts.saturating_sub(1) };
    usable.take(2).map(|host| Ipv4Addr::from(network + host)).find(|addr| *addr != kernel)
}

/// The rules that a device is steered by: the profile's, and those that the sessions need. Whoever steers,
/// the software twin must be able to: it proves the device, and takes over from it. Rules that keep a
/// session's own frames away are refused.
pub(crate) fn rules(
    profile: &Profile,
    ours: Ipv4Addr,
    vlan: Option<u16>,
    sessions: &[SessionPlan],
) -> Result<RuleSet, Failure> {
    let refused = |error: &dyn std::fmt::Display| {
        Failure::Input(format!("the steering of profile {:?}: {error}", profile.name))
    };
    let rules =
        steer::rules(ours, vlan, sessions, &profile.steering).map_err(|error| refused(&error))?;
    FlowLimits::SOFTWARE.check(&rules).map_err(|error| refused(&error))?;
    for session in sessions {
        if let Some(Matched { rule, actions }) = kept_away(&rules, ours, vlan, session) {
            let number = usize::from(rule);
            let text = rules.rules().get(number).map(ToString::to_string).unwrap_or_default();
            let done = match actions.fate {
                Fate::Drop => "drops what comes".to_owned(),
                Fate::Queue(queue) => {
                    format!("sends to queue {queue}, which nobody polls, what comes")
                }
            };
            return Err(refused(&format_args!(
                "rule #{number} ({text}) {done} for {}; match less by it, or write `priority = 3` for it, \
                 so that the session's own rule wins",
                telling::name(&session.config)
            )));
        }
    }
    Ok(rules)
}

/// What is done with the frames of a session, if none of one of its peers' gets to the queue that is polled.
fn kept_away(
    rules: &RuleSet,
    ours: Ipv4Addr,
    vlan: Option<u16>,
    session: &SessionPlan,
) -> Option<Matched> {
    session.peers().find_map(|peer| kept_away_from(rules, ours, vlan, (session.config.role, peer)))
}

fn kept_away_from(
    rules: &RuleSet,
    ours: Ipv4Addr,
    vlan: Option<u16>,
    (role, peer): (Role, Endpoint),
) -> Option<Matched> {
    // Two ports without a bit in common, but for the two highest, which every port that we pick has: a rule
    // that takes some of them takes one of these alone.
    let (from, to): (Vec<_>, Vec<_>) = match role {
        Role::Initiator => {
            let peer = SocketAddrV4::new(peer.addr, peer.port);
            (vec![peer], [0xd555, 0xeaaa].map(|port| SocketAddrV4::new(ours, port)).into())
        }
        Role::Acceptor => {
            // Who will come is not known: one of our own network, and one of another (RFC 5737).
            let beside = Ipv4Addr::from(u32::from(ours) ^ 1);
            let peers = [(beside, 0x5555), (Ipv4Addr::new(192, 0, 2, 1), 0xaaaa)];
            let peers = peers.map(|(addr, port)| SocketAddrV4::new(addr, port));
            (peers.into(), vec![SocketAddrV4::new(ours, peer.port)])
        }
    };
    let vlan = vlan.and_then(VlanId::new);
    let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
    let mut outcomes =
        pairs.map(|(from, to)| match rules.classify(&FlowKey::tcp(from, to).in_vlan(vlan)) {
            Outcome::Matched(matched) if matched.actions.fate != Fate::Queue(POLLED) => {
                Some(matched)
            }
            _ => None,
        });
    let first = outcomes.next()??;
    outcomes.all(|outcome| outcome.is_some()).then_some(first)
}

/// Those that the sessions need alone.
pub(crate) fn rules_of_sessions(
    ours: Ipv4Addr,
    vlan: Option<u16>,
    sessions: &[SessionPlan],
) -> Result<RuleSet, Failure> {
    rules(&Profile::all(Policy::Prefer), ours, vlan, sessions)
}

/// Every session, with its peer on `far` unless the settings say where, or behind a port of `ours`.
pub(crate) fn session_plans(
    settings: &[SessionSettings],
    ours: Ipv4Addr,
    far: Ipv4Addr,
) -> Result<Vec<SessionPlan>, Failure> {
    let mut dictionaries = Dictionaries::default();
    let plans = settings.iter().map(|settings| {
        let at = match settings.side {
            Side::Initiator => settings.connect_host.unwrap_or(far),
            Side::Acceptor => ours,
        };
        session_plan(settings, at, &mut dictionaries)
    });
    plans.collect()
}

/// A session with its peer at the address `at`, or behind a port of that address.
pub(crate) fn session_plan(
    settings: &SessionSettings,
    at: Ipv4Addr,
    dictionaries: &mut Dictionaries,
) -> Result<SessionPlan, Failure> {
    let appl_ver_id = settings.default_appl_ver_id.unwrap_or(ApplVerId::Fix50Sp2);
    let version = Version::of(settings.begin_string.as_bytes(), appl_ver_id).ok_or_else(|| {
        Failure::Input(format!("{:?} is no version of FIX", settings.begin_string))
    })?;
    let (role, port) = match settings.side {
        Side::Initiator => (Role::Initiator, settings.connect_port),
        Side::Acceptor => (Role::Acceptor, settings.accept_port),
    };
    let (sender, target) = (comp_id(&settings.sender_comp_id)?, comp_id(&settings.target_comp_id)?);
    let (agreement, conduct) = (&settings.agreement, &settings.conduct);
    let id = |text: &Option<String>| text.as_deref().map(comp_id).transpose();
    let now = HostClock::new().now().utc;
    let config = SessionConfig {
        sender_sub_ids: SubIds {
            sub_id: id(&agreement.sender_sub_id)?,
            location_id: id(&agreement.sender_location_id)?,
        },
        target_sub_ids: SubIds {
            sub_id: id(&agreement.target_sub_id)?,
            location_id: id(&agreement.target_location_id)?,
        },
        qualifier: id(&settings.qualifier)?,
        check_comp_id: agreement.check_comp_id,
        credentials: agreement.credentials(),
        last_msg_seq_num_processed: agreement.last_msg_seq_num_processed,
        next_expected_msg_seq_num: agreement.next_expected_msg_seq_num,
        resend_request_chunk_size: agreement.resend_request_chunk_size,
        closed_resend_interval: agreement.closed_resend_interval,
        requires_orig_sending_time: agreement.requires_orig_sending_time,
        persist_messages: agreement.persist_messages,
        redundant_resend_requests: conduct.redundant_resend_requests,
        validate_sequence_numbers: conduct.validate_sequence_numbers,
        reject_garbled: conduct.reject_garbled,
        message_bytes_max: conduct.message_bytes_max,
        message_fields_max: conduct.message_fields_max,
        reject_invalid: settings.validation.rejects,
        test_request_after_pct: conduct.test_request_after_pct,
        silence_max_pct: conduct.silence_max_pct,
        silence_ends: conduct.silence_ends,
        logon_fields: logon_fields(settings)?,
        precision: agreement.precision,
        schedule: settings.hours.schedule(now),
        heart_bt_int_s: settings.heart_bt_int_s,
        reset_on_logon: settings.reset_on_logon,
        reset_on_logout: settings.reset_on_logout,
        reset_on_disconnect: settings.reset_on_disconnect,
        check_latency: settings.check_latency,
        max_latency_s: settings.max_latency_s,
        logon_timeout_s: settings.logon_timeout_s,
        logon_bytes_max: settings.logon_bytes_max,
        logout_timeout_s: settings.logout_timeout_s,
        validation: dictionaries.validation(settings)?,
        ..SessionConfig::new(version, role, sender, target)
    };
    let pause = |s: &u32| time::Duration::from_s(u64::from(*s));
    let (at_first, last) = settings
        .reconnect_intervals_s
        .split_at(settings.reconnect_intervals_s.len().saturating_sub(1));
    let (peer, terms) = (Endpoint { addr: at, port }, Some(settings.tcp));
    let connects = settings.side == Side::Initiator;
    let alternates = settings.connect_alternates.iter().filter(|_| connects);
    let alternates = alternates.map(|at| Endpoint { addr: *at.ip(), port: at.port() }).collect();
    Ok(SessionPlan {
        alternates,
        reconnect_at_first: at_first.iter().map(pause).collect(),
        reconnect_interval: last.first().map_or(time::Duration::from_s(30), pause),
        local_port: if connects { settings.reach.source_port } else { 0 },
        allowed_peers: settings.reach.allowed.clone(),
        starts_down: settings.reach.starts_down,
        terms,
        ..SessionPlan::new(config, peer)
    })
}

/// What Logons have besides, of which none is written twice.
fn logon_fields(settings: &SessionSettings) -> Result<LogonFields, Failure> {
    let (agreement, fields) = (&settings.agreement, &settings.conduct.logon_fields);
    let twice = [
        (tags::USERNAME, "username", agreement.username.is_empty()),
        (tags::PASSWORD, "password", agreement.password.0.is_empty()),
    ];
    let twice = twice.into_iter().find(|(tag, _, is_free)| fields.has(*tag) && !is_free);
    match twice {
        Some((tag, key, _)) => Err(Failure::Input(format!(
            "`logon_tags` has {tag}, and so has `{key}`, of the session with {:?}; delete the one or the other",
            settings.target_comp_id
        ))),
        None => Ok(fields.clone()),
    }
}

pub(crate) fn comp_id(text: &str) -> Result<CompId, Failure> {
    CompId::new(text).ok_or_else(|| {
        Failure::Input(format!("{text:?} is no CompID; write 1 to 64 printable ASCII characters"))
    })
}

/// TCP for so many sessions: a connection each, and another while the one before dies out.
pub(crate) fn tcp_config(network: &Network, sessions: usize) -> Config {
    let default = Config::default();
    Config {
        mss: network.mtu.saturating_sub(IP_AND_TCP_HEADERS_LEN),
        connections_max: default.connections_max.max(2 * sessions + 16),
        backlog_max: default.backlog_max.max(sessions),
        listeners_max: default.listeners_max.max(sessions),
        ..default
    }
}

/// Sixteen bytes that nobody can guess.
pub(crate) fn secret() -> Result<[u8; 16], Failure> {
    let mut secret = [0; 16];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut secret)).map_err(
        |error| {
            Failure::run(
                format!("/dev/urandom cannot be read: {error}"),
                "hand the device to the container",
            )
        },
    )?;
    Ok(secret)
}

/// A model's end, run as a profile has it that prefers everything, and what an engine with one session is made of.
#[cfg(test)]
pub(crate) fn simulated(
    end: SimBackend,
    (addr, peer): (Ipv4Addr, Ipv4Addr),
    settings: SessionSettings,
) -> (SimNic, Plan, Setup) {
    let profile = Profile::all(Policy::Prefer);
    let mac = Mac(end.mac());
    let sessions = session_plans(&[settings], addr, peer).unwrap();
    let rules = rules(&profile, addr, None, &sessions).unwrap();
    let started = Device::probed(end).plan(&profile, rules).configure().unwrap().start();
    let (nic, plan) = started.unwrap().steer().unwrap();
    let network = Network { mac, addr, prefix_len: 24, gateway: None, vlan: None, mtu: 1500 };
    (nic, plan, Setup { network, tcp: Config::default(), secret: [1; 16], sessions })
}

#[cfg(test)]
mod tests {
    use fixwire::journal_file::identity_of;
    use fixwire::offload::toml_file::TomlFile;

    use super::super::session_file::{Purpose, SessionFile};
    use super::*;

    /// What comes of rules for one session with the exchange's port.
    fn ruled(side: Side, vlan: Option<u16>, steering: &str) -> Result<RuleSet, Failure> {
        let (ours, far) = (Ipv4Addr::new(10, 9, 0, 2), Ipv4Addr::new(10, 9, 0, 1));
        let text = format!("[[steering]]\n{}\n", steering.replace("; ", "\n"));
        let file = TomlFile { name: "mine".into(), path: "mine.toml".into(), text };
        let merged = Profile::read(&file, &mut |_, _| Err("none".into())).unwrap();
        let connect_alternates = vec![SocketAddrV4::new(far, 9879)];
        let settings = SessionSettings { side, connect_alternates, ..SessionSettings::default() };
        rules(&merged.profile, ours, vlan, &session_plans(&[settings], ours, far).unwrap())
    }

    #[test]
    fn a_rule_that_keeps_all_of_a_session_s_frames_away_is_refused_by_name() {
        let (connects, listens) = (Side::Initiator, Side::Acceptor);
        for (side, vlan, steering, refused) in [
            (connects, None, "src_port = 9878; action = \"drop\"", Some("drops what comes")),
            (connects, None, "src_port = 9879; action = \"drop\"", Some("drops what comes")),
            (connects, None, "action = \"queue 3\"", Some("sends to queue 3")),
            (connects, Some(7), "vlan = 7; action = \"drop\"", Some("drops")),
            (connects, None, "vlan = 7; action = \"drop\"", None),
            (connects, None, "dst_port = 9878; action = \"drop\"", None),
            (connects, None, "dst_port = \"0/1\"; action = \"drop\"", None),
            (connects, None, "dst_port = \"1/1\"; action = \"drop\"", None),
            (connects, None, "src_port = 9878; action = \"queue 0\"", None),
            (connects, None, "src_port = 9878; action = \"drop\"; priority = 3", None),
            (listens, None, "dst_port = 9878; action = \"drop\"", Some("drops what comes")),
            (listens, None, "src = \"10.9.0.0/24\"; action = \"drop\"", None),
            (listens, None, "src_port = 21845; action = \"drop\"", None),
        ] {
            match (ruled(side, vlan, steering), refused) {
                (Ok(_), None) => {}
                (Err(Failure::Input(said)), Some(words)) => {
                    assert!(said.contains("rule #0 (flow create 0 ingress"), "{said}");
                    assert!(said.contains(words) && said.contains("for session "), "{said}");
                }
                (Ok(_), Some(_)) => panic!("{steering} is taken"),
                (Err(_), _) => panic!("{steering} is refused"),
            }
        }
    }

    #[test]
    fn a_session_is_what_its_file_says() {
        let text = "target_comp_id = \"B\"\nsender_sub_id = \"ANN\"\ntarget_location_id = \"NY\"\n\
                    socket_connect_alternates = [\"10.9.0.3:7001\", \"10.9.0.4:7002\"]\n\
                    requires_orig_sending_time = false\nmessage_bytes_max = 65536\nmessage_fields_max = 1000\n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.toml");
        let far = Ipv4Addr::new(10, 9, 0, 1);
        let planned = |side: &str| {
            let text = format!("[[session]]\nconnection_type = \"{side}\"\n{text}");
            std::fs::write(&path, text).unwrap();
            let file = SessionFile::open_or_built_in(Some(&path), Purpose::Trade).unwrap();
            let read = file.sessions;
            let plan = session_plans(&read, Ipv4Addr::new(10, 9, 0, 2), far).unwrap().remove(0);
            assert!(!plan.config.requires_orig_sending_time);
            let limits = (plan.config.message_bytes_max, plan.config.message_fields_max);
            assert_eq!(limits, (65_536, 1_000));
            assert_eq!(read[0].identity(), identity_of(&plan.config), "whose its store is");
            plan.alternates
        };
        let at = |last, port| Endpoint { addr: Ipv4Addr::new(10, 9, 0, last), port };
        assert_eq!(planned("initiator"), [at(3, 7001), at(4, 7002)]);
        assert_eq!(planned("acceptor"), []);
    }

    #[test]
    fn the_engine_s_address_is_on_the_kernel_s_network_and_not_the_kernel_s() {
        for (kernel, prefix_len, ours) in [
            ([10, 9, 0, 1], 24, Some([10, 9, 0, 2])),
            ([10, 9, 0, 2], 24, Some([10, 9, 0, 1])),
            ([192, 168, 7, 5], 30, Some([192, 168, 7, 6])),
            ([192, 168, 7, 129], 25, Some([192, 168, 7, 130])),
            ([10, 0, 0, 4], 31, Some([10, 0, 0, 5])),
            ([10, 0, 0, 4], 32, None),
        ] {
            let found = beside((Ipv4Addr::from(kernel), prefix_len));
            assert_eq!(found, ours.map(Ipv4Addr::from), "{kernel:?}/{prefix_len}");
        }
    }
}
