//! What of a recording is replayed: our sessions' connections, what the counterparties send, and what whoever operated did.

use std::net::{Ipv4Addr, SocketAddrV4};

use fixwire::app::SessionId;
use fixwire::wire::ethernet::Mac;

use super::recorded::{Identity, Packet, Recording};
use super::stream::{Message, Stream, field};
use crate::cli::failure::Failure;
use crate::cli::session_file::{SessionSettings, Side};

/// Which end is ours: an address, and a port where that is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whose {
    pub(super) addr: Ipv4Addr,
    pub(super) port: Option<u16>,
}

impl Whose {
    /// As it is written: `10.9.0.2` or `10.9.0.2:9878`.
    pub(super) fn parse(written: &str) -> Result<Whose, String> {
        let addr = written.parse().ok().map(|addr| Whose { addr, port: None });
        let at = written
            .parse()
            .ok()
            .map(|at: SocketAddrV4| Whose { addr: *at.ip(), port: Some(at.port()) });
        addr.or(at)
            .ok_or_else(|| "write our end's address, or address and port: 10.9.0.2:9878".into())
    }

    fn is(self, at: SocketAddrV4) -> bool {
        *at.ip() == self.addr && self.port.is_none_or(|port| port == at.port())
    }
}

/// A connection that is replayed.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) ours: SocketAddrV4,
    pub(super) theirs: SocketAddrV4,
    pub(super) their_mac: Mac,
    pub(super) session: SessionId,
    pub(super) identity: Identity,
    pub(super) is_initiator: bool,
    pub(super) begun_ns: u64,
    /// What we sent, and the messages in it.
    pub(super) sent: Stream,
    pub(super) messages: Vec<Message>,
    pub(super) tsval: Option<u32>,
    /// Messages that came.
    pub(super) received: Vec<Message>,
    received_stream: Vec<u8>,
    /// In the recording.
    connection: usize,
    end: usize,
}

impl Line {
    /// The message that is next behind so many bytes.
    pub(super) fn next(&self, sent: usize) -> Option<&Message> {
        self.messages.get(self.messages.partition_point(|message| message.begin < sent))
    }

    /// How many bytes are alike, `known` of which are known to be.
    ///
    /// # Errors
    /// Where the first one is that is not.
    pub(super) fn first_difference(&self, replayed: &Stream, known: usize) -> Result<usize, usize> {
        let both = self.sent.bytes.iter().zip(&replayed.bytes).skip(known);
        let len = self.sent.bytes.len().min(replayed.bytes.len());
        let alike = known + both.take_while(|(was, is)| was == is).count();
        if alike < len { Err(alike) } else { Ok(alike) }
    }

    /// How many segments we sent.
    pub(super) fn segments(&self, recording: &Recording) -> usize {
        let ours = |of: &&Packet| (of.connection, of.from) == (self.connection, self.end);
        recording.packets.iter().filter(ours).count()
    }

    fn numbers(&self) -> Option<(u32, u32)> {
        let number = |message: &Message, stream: &[u8]| -> Option<u32> {
            str::from_utf8(field(message.bytes(stream), 34)?).ok()?.parse().ok()
        };
        let out = number(self.messages.first()?, &self.sent.bytes)?;
        let come = self.received.first().and_then(|of| number(of, &self.received_stream));
        Some((out, come.unwrap_or(1)))
    }
}

/// What whoever operated the engine did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Had a session connect.
    Connect { at_ns: u64, session: SessionId },
    /// Had it logged out, with the Logout that is its line's so-manieth message.
    LogOut { at_ns: u64, line: usize, message: usize, session: SessionId, text: String },
}

impl Act {
    pub(super) fn at_ns(&self) -> u64 {
        match self {
            Act::Connect { at_ns, .. } | Act::LogOut { at_ns, .. } => *at_ns,
        }
    }
}

/// What is replayed.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) lines: Vec<Line>,
    /// One for each session that has a line.
    pub(super) sessions: Vec<SessionSettings>,
    /// How much of its connections' room the application wants, if not what is usual.
    pub(super) send_bytes_max: Option<usize>,
    pub(super) begun_ns: u64,
    pub(super) ended_ns: u64,
}

impl Script {
    /// Finds our sessions' connections, by who says in them that he is one of `known`, or who is `whose`.
    pub(super) fn of(
        recording: &Recording,
        known: &[SessionSettings],
        whose: Option<Whose>,
    ) -> Result<Script, Failure> {
        let name = &recording.name;
        let fix: Vec<_> =
            recording.connections.iter().enumerate().filter(|(_, of)| of.is_fix).collect();
        if fix.is_empty() {
            return Err(Failure::Input(format!(
                "{name} has no FIX in it: of {} TCP connections none has a message (8=FIX) in the clear; name a capture of a session",
                recording.connections.len()
            )));
        }
        let mut script = Script {
            lines: Vec::new(),
            sessions: Vec::new(),
            send_bytes_max: None,
            begun_ns: recording.begun_ns,
            ended_ns: recording.ended_ns,
        };
        let mut places: Vec<usize> = Vec::new();
        for (connection, recorded) in &fix {
            for end in 0..2 {
                let at = recorded.ends[end].at;
                if whose.is_some_and(|whose| !whose.is(at)) {
                    continue;
                }
                let Some(identity) = recorded.identity(end) else { continue };
                let side = if end == 0 { Side::Initiator } else { Side::Acceptor };
                let found = known.iter().position(|session| is_of(session, &identity));
                let Some(found) = found else { continue };
                if !recorded.has_syn {
                    return Err(Failure::Input(format!(
                        "{name} begins in the middle of {identity}: of the connection between {} and {} record {} is the first, and \
                         no SYN; record from before it connects on",
                        recorded.ends[0].at, recorded.ends[1].at, recorded.first_record
                    )));
                }
                if known[found].side != side {
                    let (is, says) = match side {
                        Side::Initiator => ("connects", "acceptor"),
                        Side::Acceptor => ("is connected to", "initiator"),
                    };
                    return Err(Failure::Input(format!(
                        "in {name} {identity} {is}, and its settings say that it is an {says}; write another connection_type"
                    )));
                }
                let place = places.iter().position(|of| *of == found).unwrap_or_else(|| {
                    places.push(found);
                    script.sessions.push(at_its_place(&known[found], recorded.ends[1].at));
                    places.len() - 1
                });
                script.add(recording, *connection, end, SessionId(place as u16), identity)?;
            }
        }
        if script.lines.is_empty() {
            let heard: Vec<_> = fix
                .iter()
                .flat_map(|(_, of)| [(of, 0), (of, 1)])
                .filter_map(|(of, end)| {
                    Some(format!("{} at {}", of.identity(end)?, of.ends[end].at))
                })
                .take(8)
                .collect();
            return Err(Failure::Input(format!(
                "no end in {name} is one of the sessions that are known here; in it are {}; name its settings by --session, or another end by \
                 --as",
                heard.join(", ")
            )));
        }
        let ours = *script.lines[0].ours.ip();
        if let Some(other) = script.lines.iter().find(|line| *line.ours.ip() != ours) {
            return Err(Failure::Input(format!(
                "in {name} sessions are at {ours} and at {}, and an engine has one address; name one by --as",
                other.ours.ip()
            )));
        }
        Ok(script)
    }

    fn add(
        &mut self,
        recording: &Recording,
        connection: usize,
        end: usize,
        session: SessionId,
        identity: Identity,
    ) -> Result<(), Failure> {
        let recorded = &recording.connections[connection];
        let (ours, theirs) = (&recorded.ends[end], &recorded.ends[1 - end]);
        for side in [end, 1 - end] {
            if let Some(lacking) = recorded.lacks(side) {
                return Err(Failure::Input(format!(
                    "{}: {lacking} bytes that {} sent to {} were acknowledged and are not in it; record it again with all of it",
                    recording.name,
                    recorded.ends[side].at,
                    recorded.ends[1 - side].at
                )));
            }
        }
        if ours.sent.has_hole() {
            return Err(Failure::Input(format!(
                "{}: of what {} sent to {} bytes are missing in between; record it again with all of it",
                recording.name, ours.at, theirs.at
            )));
        }
        self.lines.push(Line {
            ours: ours.at,
            theirs: theirs.at,
            their_mac: theirs.mac,
            session,
            identity,
            is_initiator: end == 0,
            begun_ns: recorded.begun_ns,
            messages: ours.sent.messages(),
            sent: ours.sent.clone(),
            tsval: ours.tsval,
            received: theirs.sent.messages(),
            received_stream: theirs.sent.bytes.clone(),
            connection,
            end,
        });
        Ok(())
    }

    /// What whoever operated did, in the order of time: had sessions connect, and had them logged out.
    pub(super) fn acts(&self) -> Vec<Act> {
        let mut acts: Vec<Act> = Vec::new();
        for (place, line) in self.lines.iter().enumerate() {
            if line.is_initiator {
                acts.push(Act::Connect { at_ns: line.begun_ns, session: line.session });
            }
            let logouts = line.messages.iter().enumerate();
            let logouts =
                logouts.filter(|(_, of)| field(of.bytes(&line.sent.bytes), 35) == Some(b"5"));
            acts.extend(logouts.map(|(number, message)| {
                Act::LogOut {
                    // Behind what came in the same moment, which it may answer.
                    at_ns: message.passed_ns + 1,
                    line: place,
                    message: number,
                    session: line.session,
                    text: field(message.bytes(&line.sent.bytes), 58)
                        .map(|text| String::from_utf8_lossy(text).into_owned())
                        .unwrap_or_default(),
                }
            }));
        }
        acts.sort_by_key(Act::at_ns);
        acts
    }

    /// The numbers that each session's first messages have, where these are not 1.
    pub(super) fn numbers(&self) -> impl Iterator<Item = (SessionId, u32, u32)> + '_ {
        (0..self.sessions.len()).filter_map(|place| {
            let session = SessionId(place as u16);
            let first = self.lines.iter().find(|line| line.session == session)?;
            let (out, come) = first.numbers()?;
            ((out, come) != (1, 1)).then_some((session, out, come))
        })
    }

    /// The line of a packet that a counterparty sent.
    pub(super) fn line_of(&self, connection: usize, from: usize) -> Option<usize> {
        self.lines.iter().position(|line| line.connection == connection && line.end != from)
    }
}

fn is_of(session: &SessionSettings, identity: &Identity) -> bool {
    let agreement = &session.agreement;
    let sub = |id: &Option<String>, said: &str| id.as_deref().is_none_or(|id| id == said);
    session.begin_string == identity.begin_string
        && session.sender_comp_id == identity.sender_comp_id
        && session.target_comp_id == identity.target_comp_id
        && sub(&agreement.sender_sub_id, &identity.sender_sub_id)
        && sub(&agreement.target_sub_id, &identity.target_sub_id)
}

/// A session where it was recorded, with its numbers in memory.
fn at_its_place(session: &SessionSettings, acceptor: SocketAddrV4) -> SessionSettings {
    let mut session = SessionSettings {
        connect_host: Some(*acceptor.ip()),
        connect_port: acceptor.port(),
        connect_alternates: Vec::new(),
        accept_port: acceptor.port(),
        store: None,
        file_log_path: None,
        ..session.clone()
    };
    session.reach.starts_down = session.side == Side::Initiator;
    session.reach.source_port = 0;
    session.reach.allowed = Vec::new();
    session
}

#[cfg(test)]
impl Line {
    /// One on which this was sent.
    pub(super) fn with_sent(sent: Stream) -> Line {
        let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1);
        let text = String::new;
        Line {
            ours: at,
            theirs: at,
            their_mac: Mac::default(),
            session: SessionId(0),
            identity: Identity {
                begin_string: text(),
                sender_comp_id: text(),
                target_comp_id: text(),
                sender_sub_id: text(),
                target_sub_id: text(),
            },
            is_initiator: true,
            begun_ns: 0,
            messages: sent.messages(),
            sent,
            tsval: None,
            received: Vec::new(),
            received_stream: Vec::new(),
            connection: 0,
            end: 0,
        }
    }
}
