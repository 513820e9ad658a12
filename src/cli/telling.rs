//! What happens to sessions and connections, a line each: sentences for people, JSON for machines.

use std::collections::BTreeMap;

use fixwire::app::{Application, SessionId};
use fixwire::desk::{LineEvent, LineFailure, PeerRefusal, SessionStatus};
use fixwire::engine::Engine;
use fixwire::fix::{CloseReason, Role, SessionConfig, State};
use fixwire::offload::nic::Nic;
use fixwire::tcp::{Closed, Endpoint};
use serde_json::{Map, Value, json};

use super::speaker::Speaker;

/// Sessions that are named in one line; of more their number is told.
const NAMED_MAX: usize = 8;

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Teller {
    Nobody,
    People,
    Machines,
}

impl Teller {
    /// Where the engine connects to, and where it listens for whom.
    pub(crate) fn begin<N: Nic, A: Application>(self, engine: &Engine<N, A>, voice: &Speaker) {
        let mut listening: BTreeMap<u16, Vec<SessionStatus<'_>>> = BTreeMap::new();
        for status in engine.desk().statuses() {
            match status.config.role {
                Role::Acceptor => listening.entry(status.peer.port).or_default().push(status),
                Role::Initiator if self == Teller::People => {
                    voice.say(format_args!(
                        "{}: connecting to {}",
                        name(status.config),
                        status.peer
                    ));
                }
                Role::Initiator => {}
            }
        }
        for sessions in listening.values() {
            self.listening(sessions, voice);
        }
    }

    fn listening(self, sessions: &[SessionStatus<'_>], voice: &Speaker) {
        let at = sessions[0].peer;
        match self {
            Teller::Nobody => {}
            Teller::People => {
                let named = sessions.iter().take(NAMED_MAX).map(|status| {
                    let version = status.config.version.begin_string();
                    format!("{} ({version})", parties(status.config))
                });
                let mut named = named.collect::<Vec<_>>().join(", ");
                if sessions.len() > NAMED_MAX {
                    named += &format!(" and {} more", sessions.len() - NAMED_MAX);
                }
                voice.say(format_args!("listening on {at} for {named}"));
            }
            Teller::Machines => {
                let sessions: Vec<_> =
                    sessions.iter().map(|status| Value::Object(identity(status.config))).collect();
                voice.say(
                    json!({ "event": "listening", "at": at.to_string(), "sessions": sessions }),
                );
            }
        }
    }

    /// Everything that happened since the last call.
    pub(crate) fn tell<N: Nic, A: Application>(self, engine: &mut Engine<N, A>, voice: &Speaker) {
        while let Some(event) = engine.next_line_event() {
            match self {
                Teller::Nobody => {}
                Teller::People => voice.say(sentence(&event, engine)),
                Teller::Machines => voice.say(Value::Object(object(&event, engine))),
            }
        }
    }

    /// Whose Logout is on its way.
    pub(crate) fn logging_out<N: Nic, A: Application>(
        self,
        engine: &Engine<N, A>,
        voice: &Speaker,
    ) {
        let leaving = engine.desk().statuses().filter(|status| status.state == State::LogoutSent);
        if self == Teller::People {
            leaving
                .for_each(|status| voice.say(format_args!("{}: logging out", name(status.config))));
        }
    }
}

fn sentence<N: Nic, A: Application>(event: &LineEvent, engine: &Engine<N, A>) -> String {
    let (session, peer) = match event {
        LineEvent::Refused { peer, why } => {
            return format!("refused {peer}: {}", refusal_in_words(why, engine));
        }
        LineEvent::Connected { session, peer }
        | LineEvent::LoggedOn { session, peer }
        | LineEvent::Ended { session, peer, .. } => (*session, peer),
    };
    let Some(status) = status(session, engine) else { return String::new() };
    let name = name(status.config);
    let preposition = if status.config.role == Role::Initiator { "to" } else { "from" };
    match event {
        LineEvent::Connected { .. } => format!("{name}: connected {preposition} {peer}"),
        LineEvent::LoggedOn { .. } => {
            let version = status.config.version.begin_string();
            format!("{name}: logged on {preposition} {peer}, {version}")
        }
        LineEvent::Ended { why: LineFailure::Fix(CloseReason::LogoutComplete), .. } => {
            format!("{name}: logged out")
        }
        LineEvent::Ended { why: LineFailure::Fix(CloseReason::LogoutByPeer), .. } => {
            format!("{name}: logged out by {peer}{}", parting_words(&status))
        }
        LineEvent::Ended { why, .. } => {
            let words = parting_words(&status);
            format!("{name}: disconnected from {peer}: {}{words}", why_in_words(*why))
        }
        LineEvent::Refused { .. } => String::new(),
    }
}

fn object<N: Nic, A: Application>(event: &LineEvent, engine: &Engine<N, A>) -> Map<String, Value> {
    let about = |what: &str, session: SessionId, peer: &Endpoint| {
        let mut object =
            status(session, engine).map(|status| identity(status.config)).unwrap_or_default();
        object.insert("event".into(), what.into());
        object.insert("peer".into(), peer.to_string().into());
        object
    };
    match event {
        LineEvent::Connected { session, peer } => about("connected", *session, peer),
        LineEvent::LoggedOn { session, peer } => about("logged_on", *session, peer),
        LineEvent::Ended { session, peer, why } => {
            let mut object = about("ended", *session, peer);
            object.insert("reason".into(), reason(*why).into());
            object.insert("why".into(), why_in_words(*why).into());
            if let Some(status) = status(*session, engine).filter(|status| speaks_last(status)) {
                let words = String::from_utf8_lossy(status.parting_words);
                object.insert("says".into(), words.into());
            }
            object
        }
        LineEvent::Refused { peer, why } => {
            let mut object = Map::new();
            object.insert("event".into(), "refused".into());
            object.insert("peer".into(), peer.to_string().into());
            object.insert("reason".into(), why.name().into());
            object.insert("why".into(), refusal_in_words(why, engine).into());
            object
        }
    }
}

fn status<N: Nic, A: Application>(
    session: SessionId,
    engine: &Engine<N, A>,
) -> Option<SessionStatus<'_>> {
    engine.desk().statuses().nth(usize::from(session.0))
}

/// Who a session is between, as machines read it.
pub(crate) fn identity(config: &SessionConfig) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("begin_string".into(), config.version.begin_string().into());
    object.insert("sender_comp_id".into(), format!("{:?}", config.sender_comp_id).into());
    object.insert("target_comp_id".into(), format!("{:?}", config.target_comp_id).into());
    object
}

/// What a session is called: the arrow points to whom the first Logon goes.
pub(crate) fn name(config: &SessionConfig) -> String {
    format!("session {}", parties(config))
}

/// The same without the word.
pub(crate) fn parties(config: &SessionConfig) -> String {
    let arrow = if config.role == Role::Initiator { "->" } else { "<-" };
    format!("{:?} {arrow} {:?}", config.sender_comp_id, config.target_comp_id)
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
            Closed::Unreachable => "tcp_unreachable",
            Closed::Aborted => "tcp_aborted",
        },
    }
}

/// What the counterparty said when FIX ended its connection, if anything. Its bytes are shown, not
/// obeyed.
pub(crate) fn parting_words(status: &SessionStatus<'_>) -> String {
    if !speaks_last(status) {
        return String::new();
    }
    let words = String::from_utf8_lossy(status.parting_words);
    let protocol = protocol_of(status.parting_words)
        .filter(|_| status.last_failure == Some(LineFailure::Fix(CloseReason::PeerNotFix)))
        .map(|protocol| format!(" but {protocol}"));
    format!("{} (it says {words:?})", protocol.unwrap_or_default())
}

/// Whether the words kept belong to the end at hand, and not to one before.
fn speaks_last(status: &SessionStatus<'_>) -> bool {
    let is_spoken = matches!(
        status.last_failure,
        Some(LineFailure::Fix(
            CloseReason::LogoutByPeer
                | CloseReason::LogoutComplete
                | CloseReason::LogonRefused
                | CloseReason::PeerNotFix
        ))
    );
    is_spoken && !status.parting_words.is_empty()
}

fn refusal_in_words<N: Nic, A: Application>(why: &PeerRefusal, engine: &Engine<N, A>) -> String {
    match why {
        PeerRefusal::NotFix(first) => {
            let protocol =
                protocol_of(first).map(|protocol| format!(" but {protocol}")).unwrap_or_default();
            format!(
                "it does not speak FIX{protocol} (it says {:?})",
                String::from_utf8_lossy(first)
            )
        }
        PeerRefusal::Garbled(reason) => {
            format!("its first message is garbled: {}", reason.doc().trim_end_matches('.'))
        }
        PeerRefusal::NotLogon(msg_type) => {
            format!("its first message is no Logon but of type \"{}\"", msg_type.escape_ascii())
        }
        PeerRefusal::CompIdMissing(tag) => format!("its Logon lacks the CompID of tag {tag}"),
        PeerRefusal::UnknownIdentity(claim) => format!(
            "no session here is {} from \"{}\" to \"{}\"",
            claim.begin_string.escape_ascii(),
            claim.sender_comp_id.escape_ascii(),
            claim.target_comp_id.escape_ascii(),
        ),
        PeerRefusal::AlreadyLoggedOn(session) => match status(*session, engine) {
            Some(status) => {
                format!("{} is connected already, from {}", name(status.config), status.remote)
            }
            None => "its session is connected already".to_owned(),
        },
        PeerRefusal::LogonTimeout => "it sent no Logon in time".to_owned(),
        PeerRefusal::ClosedBeforeLogon => "it closed before it had sent a Logon".to_owned(),
    }
}

/// The protocol that begins like this, where it is one that strays onto a FIX port.
fn protocol_of(first: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 10] = [
        (b"SSH-", "SSH"),
        (b"HTTP/", "HTTP"),
        (b"GET ", "HTTP"),
        (b"HEAD ", "HTTP"),
        (b"POST ", "HTTP"),
        (b"PUT ", "HTTP"),
        (b"OPTIONS ", "HTTP"),
        (b"CONNECT ", "HTTP"),
        (b"PRI * HTTP/2", "HTTP"),
        // A handshake record of any version.
        (b"\x16\x03", "TLS"),
    ];
    KNOWN.iter().find(|(start, _)| first.starts_with(start)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_that_stray_onto_a_fix_port_are_named() {
        for (first, name) in [
            (&b"GET / HTTP/1.1\r\n"[..], Some("HTTP")),
            (b"SSH-2.0-OpenSSH_9.2p1", Some("SSH")),
            (b"\x16\x03\x01\x02\x00\x01", Some("TLS")),
            (b"hello", None),
            (b"", None),
        ] {
            assert_eq!(protocol_of(first), name);
        }
    }
}
