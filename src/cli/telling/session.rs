//! What happens to sessions, and how they are called.

use fixwire::app::SessionId;
use fixwire::desk::{LineEvent, LineFailure, PeerRefusal};
use fixwire::fix::{CloseReason, Role, SessionConfig};
use fixwire::tcp::{Closed, Endpoint};
use serde_json::{Map, Value};

use super::super::called::Called;
use super::super::store_words;
use super::Snapshot;
use super::refusals::{protocol_of, refusal_in_words};

/// The session that an event is about, or that stood in its way.
pub(super) fn session_of(event: &LineEvent) -> Option<SessionId> {
    match event {
        LineEvent::Connected { session, .. }
        | LineEvent::LoggedOn { session, .. }
        | LineEvent::Ended { session, .. }
        | LineEvent::Unacknowledged { session, .. }
        | LineEvent::FilledOver { session, .. }
        | LineEvent::Resumed { session, .. }
        | LineEvent::FateUnknown { session, .. }
        | LineEvent::HeldDown { session }
        | LineEvent::LetUp { session }
        | LineEvent::NumbersSet { session, .. }
        | LineEvent::Refused {
            why:
                PeerRefusal::AlreadyLoggedOn(session)
                | PeerRefusal::HeldDown(session)
                | PeerRefusal::AddressNotAllowed(session),
            ..
        } => Some(*session),
        LineEvent::Refused { .. } => None,
    }
}

pub(super) fn config(session: SessionId, sessions: &[SessionConfig]) -> &SessionConfig {
    &sessions[usize::from(session.0)]
}

/// The same with the CompIDs that it had when an event was told.
fn config_then(
    session: SessionId,
    stood: Option<&Snapshot>,
    sessions: &[SessionConfig],
) -> SessionConfig {
    let mut config = config(session, sessions).clone();
    if let Some(stood) = stood {
        (config.sender_comp_id, config.target_comp_id) = stood.comp_ids.clone();
    }
    config
}

pub(super) fn sentence(
    event: &LineEvent,
    stood: Option<&Snapshot>,
    sessions: &[SessionConfig],
) -> String {
    let named = |session: &SessionId| name(&config_then(*session, stood, sessions));
    match event {
        LineEvent::Refused { peer, why } => {
            format!("refused {peer}: {}", refusal_in_words(why, stood, sessions))
        }
        LineEvent::Connected { session, peer } => {
            let preposition = preposition(config(*session, sessions));
            format!("{}: connected {preposition} {peer}", named(session))
        }
        LineEvent::LoggedOn { session, peer } => {
            let config = config(*session, sessions);
            let (preposition, version) = (preposition(config), config.version.begin_string());
            format!("{}: logged on {preposition} {peer}, {version}", named(session))
        }
        LineEvent::Unacknowledged { session, peer, messages, msg_seq_nums: (from, to) } => {
            let range = if from == to { format!("{from}") } else { format!("{from} to {to}") };
            let many = if *messages == 1 { "message was" } else { "messages were" };
            let name = named(session);
            format!("{name}: {messages} {many} not acknowledged by {peer}: MsgSeqNum {range}")
        }
        LineEvent::FilledOver { session, messages } => {
            let many = if *messages == 1 { "message that" } else { "messages that" };
            format!(
                "{}: {messages} {many} had come past a gap dropped: the counterparty filled it over them",
                named(session)
            )
        }
        LineEvent::HeldDown { session } => {
            format!("{}: logged out by an operator, until he lets it log on", named(session))
        }
        LineEvent::LetUp { session } => {
            format!("{}: may log on again, by an operator", named(session))
        }
        LineEvent::NumbersSet { session, next_out, next_in } => format!(
            "{}: numbers set by an operator, next MsgSeqNum out {next_out} in {next_in}",
            named(session)
        ),
        LineEvent::Resumed { session, ended, next_out, next_in, is_proven } => {
            let words = store_words::resumed(*ended, (*next_out, *next_in), *is_proven);
            format!("{} {words}", named(session))
        }
        LineEvent::FateUnknown { session, msg_seq_nums } => {
            format!("{}: {}", named(session), store_words::fate_unknown(*msg_seq_nums))
        }
        LineEvent::Ended {
            session, why: LineFailure::Fix(CloseReason::LogoutComplete), ..
        } => {
            format!("{}: logged out", named(session))
        }
        LineEvent::Ended { session, peer, why } => {
            let name = named(session);
            let words = stood
                .map(|stood| parting_words(stood.last_failure, &stood.parting_words))
                .unwrap_or_default();
            if *why == LineFailure::Fix(CloseReason::LogoutByPeer) {
                format!("{name}: logged out by {peer}{words}")
            } else {
                format!("{name}: disconnected from {peer}: {}{words}", why_in_words(*why))
            }
        }
    }
}

fn preposition(config: &SessionConfig) -> &'static str {
    if config.role == Role::Initiator { "to" } else { "from" }
}

pub(super) fn object(
    event: &LineEvent,
    stood: Option<&Snapshot>,
    sessions: &[SessionConfig],
) -> Map<String, Value> {
    let of = |what: &str, session: SessionId| {
        let mut object = identity(&config_then(session, stood, sessions));
        object.insert("event".into(), what.into());
        object
    };
    let about = |what: &str, session: SessionId, peer: &Endpoint| {
        let mut object = of(what, session);
        object.insert("peer".into(), peer.to_string().into());
        object
    };
    match event {
        LineEvent::Connected { session, peer } => about("connected", *session, peer),
        LineEvent::LoggedOn { session, peer } => about("logged_on", *session, peer),
        LineEvent::Unacknowledged { session, peer, messages, msg_seq_nums: (from, to) } => {
            let mut object = about("unacknowledged", *session, peer);
            object.insert("messages".into(), (*messages).into());
            object.insert("msg_seq_num_least".into(), (*from).into());
            object.insert("msg_seq_num_greatest".into(), (*to).into());
            object
        }
        LineEvent::FilledOver { session, messages } => {
            let mut object = of("filled_over", *session);
            object.insert("messages".into(), (*messages).into());
            object
        }
        LineEvent::HeldDown { session } => of("held_down", *session),
        LineEvent::LetUp { session } => of("let_up", *session),
        LineEvent::NumbersSet { session, next_out, next_in } => {
            let mut object = of("numbers_set", *session);
            object.insert("next_out".into(), (*next_out).into());
            object.insert("next_in".into(), (*next_in).into());
            object
        }
        LineEvent::Resumed { session, ended, next_out, next_in, is_proven } => {
            let mut object = identity(config(*session, sessions));
            object.insert("event".into(), "resumed".into());
            object.insert("ended".into(), ended.name().into());
            object.insert("next_out".into(), (*next_out).into());
            object.insert("next_in".into(), (*next_in).into());
            object.insert("proven".into(), (*is_proven).into());
            object
        }
        LineEvent::FateUnknown { session, msg_seq_nums: (from, to) } => {
            let mut object = identity(config(*session, sessions));
            object.insert("event".into(), "fate_unknown".into());
            object.insert("msg_seq_num_least".into(), (*from).into());
            object.insert("msg_seq_num_greatest".into(), (*to).into());
            object
        }
        LineEvent::Ended { session, peer, why } => {
            let mut object = about("ended", *session, peer);
            object.insert("reason".into(), reason(*why).into());
            object.insert("why".into(), why_in_words(*why).into());
            let spoken =
                stood.filter(|stood| speaks_last(stood.last_failure, &stood.parting_words));
            if let Some(stood) = spoken {
                let words = String::from_utf8_lossy(&stood.parting_words);
                object.insert("says".into(), words.into());
            }
            object
        }
        LineEvent::Refused { peer, why } => {
            let mut object = Map::new();
            object.insert("event".into(), "refused".into());
            object.insert("peer".into(), peer.to_string().into());
            object.insert("reason".into(), why.name().into());
            object.insert("why".into(), refusal_in_words(why, stood, sessions).into());
            object
        }
    }
}

/// Who a session is between, as machines read it.
pub(crate) fn identity(config: &SessionConfig) -> Map<String, Value> {
    Called::of(config).parts().map(|(key, text)| (key.to_owned(), text.into())).collect()
}

/// What a session is called: the arrow points to whom the first Logon goes.
pub(crate) fn name(config: &SessionConfig) -> String {
    format!("session {}", parties(config))
}

/// The same without the word.
pub(crate) fn parties(config: &SessionConfig) -> String {
    let arrow = if config.role == Role::Initiator { " -> " } else { " <- " };
    Called::of(config).between(arrow)
}

/// Why a line went down, as people read it.
pub(crate) fn why_in_words(why: LineFailure) -> String {
    match why {
        LineFailure::ByPeer => "the counterparty closed the connection".to_owned(),
        LineFailure::Tcp(closed) => closed.to_string(),
        LineFailure::Fix(reason) => reason.doc().trim_end_matches('.').to_owned(),
        LineFailure::NotBegun => "no connection was free".to_owned(),
    }
}

/// The same as machines read it.
fn reason(why: LineFailure) -> &'static str {
    match why {
        LineFailure::ByPeer => "closed_by_peer",
        LineFailure::Fix(reason) => reason.name(),
        LineFailure::NotBegun => "connections_full",
        LineFailure::Tcp(closed) => match closed {
            Closed::Finished => "tcp_finished",
            Closed::Refused => "tcp_refused",
            Closed::Reset => "tcp_reset",
            Closed::TimedOut => "tcp_timed_out",
            Closed::KeepAliveTimedOut => "tcp_keep_alive_timed_out",
            Closed::Stale => "tcp_stale",
            Closed::Unreachable => "tcp_unreachable",
            Closed::Aborted => "tcp_aborted",
        },
    }
}

/// What the counterparty said when FIX ended its connection, if anything. Its bytes are shown, not
/// obeyed.
pub(crate) fn parting_words(last_failure: Option<LineFailure>, words: &[u8]) -> String {
    if !speaks_last(last_failure, words) {
        return String::new();
    }
    let protocol = protocol_of(words)
        .filter(|_| last_failure == Some(LineFailure::Fix(CloseReason::PeerNotFix)))
        .map(|protocol| format!(" but {protocol}"));
    format!("{} (it says {:?})", protocol.unwrap_or_default(), String::from_utf8_lossy(words))
}

/// Whether the words kept belong to the end at hand, and not to one before.
fn speaks_last(last_failure: Option<LineFailure>, words: &[u8]) -> bool {
    let is_spoken = matches!(
        last_failure,
        Some(LineFailure::Fix(
            CloseReason::LogoutByPeer
                | CloseReason::LogoutComplete
                | CloseReason::LogonRefused
                | CloseReason::PeerNotFix
        ))
    );
    is_spoken && !words.is_empty()
}
