//! What happens to sessions and connections, a line each: sentences for people, JSON for machines.
//! The polling thread hands over what happened; the speaker's thread puts it into words.

use std::collections::BTreeMap;

use fixwire::app::{Application, SessionId};
use fixwire::clock_watch::NewLife;
use fixwire::desk::{LineEvent, LineFailure, PeerRefusal, SessionStatus};
use fixwire::engine::Engine;
use fixwire::fix::{CloseReason, PartingWords, Role, SessionConfig, State};
use fixwire::offload::capability::Capability;
use fixwire::offload::clock::Lapse;
use fixwire::offload::nic::Nic;
use fixwire::offload::observe::{Demotion, DeviceEvent, Doubt, Drift};
use fixwire::tcp::{Closed, Endpoint};
use fixwire_hw::large_pages::Gathered;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::hand_over::taking;
use super::message_log::EventLog;
use super::speaker::Speaker;
use super::store_words;

/// Sessions that are named in one line; of more their number is told.
const NAMED_MAX: usize = 8;

/// What becomes a line. Nothing in it but words is allocated, and words are said at the beginning and
/// the end, and where a driver refused something.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "a box would be allocated while packets wait")]
pub(crate) enum Line {
    Words(String),
    LoggingOut(SessionId),
    Happened {
        event: LineEvent,
        session: Option<Snapshot>,
    },
    /// What happened to the device, and what its driver said of it.
    Device(DeviceEvent, Option<String>),
    Promoted(Capability),
    NothingDemoted,
    NewLife(NewLife),
}

/// How the session of an event stood when the event was told.
#[derive(Clone)]
pub(crate) struct Snapshot {
    remote: Endpoint,
    last_failure: Option<LineFailure>,
    parting_words: PartingWords,
}

impl Snapshot {
    fn of(status: &SessionStatus<'_>) -> Snapshot {
        Snapshot {
            remote: status.remote,
            last_failure: status.last_failure,
            parting_words: status.parting_words.clone(),
        }
    }
}

/// Who says what happens, and where it is logged.
pub(crate) struct Voice {
    speaker: Speaker<Line>,
    is_mute: bool,
    log: Option<EventLog>,
}

impl Voice {
    /// Says a line, if anybody is told.
    fn say(&self, line: Line) {
        if let Some(log) = &self.log {
            log.tell(line.clone());
        }
        if !self.is_mute {
            self.speaker.say(line);
        }
    }

    /// Says a line that was put into words already: between rounds in which it does not matter.
    pub(crate) fn words(&self, words: String) {
        self.say(Line::Words(words));
    }

    /// Whether anybody hears what is said.
    fn is_heard(&self) -> bool {
        !self.is_mute || self.log.is_some()
    }

    /// Says the last words, which are not logged, and waits until all is written, but not for ever.
    ///
    /// # Errors
    /// The last words were not written, and why.
    pub(crate) fn finish(self, last_words: Line) -> Result<(), Failure> {
        self.speaker.finish(last_words)
    }
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Teller {
    Nobody,
    People,
    Machines,
}

impl Teller {
    /// What was taken over from another process.
    pub(crate) fn taken_over(self, told: &Value, voice: &Voice) {
        voice.words(match self {
            Teller::People | Teller::Nobody => taking::in_words(told),
            Teller::Machines => told.to_string(),
        });
    }

    /// What came of asking for large pages.
    pub(crate) fn large_pages(self, gathered: &Gathered, took_ms: u128, voice: &Voice) {
        let (large, small) = (gathered.large, gathered.small);
        let refusal = gathered.refusal.as_ref().map(ToString::to_string);
        voice.words(match (self, refusal) {
            (Teller::Machines, refusal) => json!({
                "event": "large_pages", "large": large, "small": small, "took_ms": took_ms as u64, "refusal": refusal,
            })
            .to_string(),
            (_, None) => {
                format!("memory: {large} pages of 2 MiB for the buffers of connections, made in {took_ms} ms")
            }
            (_, Some(refusal)) => format!(
                "memory: {large} pages of 2 MiB for the buffers of connections, {small} more would be, and the kernel \
                 refuses: {refusal}. With so many connections frames take longer; see docs/production.md"
            ),
        });
    }

    /// Another process serves.
    pub(crate) fn handed_over(self, state_len: usize, pause_us: u64, voice: &Voice) {
        voice.words(match self {
            Teller::People | Teller::Nobody => format!(
                "handed over: another process serves, {pause_us} us after our last round ({state_len} bytes of state)"
            ),
            Teller::Machines => {
                json!({ "event": "handed_over", "state_bytes": state_len, "pause_us": pause_us })
                    .to_string()
            }
        });
    }

    /// Nothing was handed over, and we go on.
    pub(crate) fn kept(self, name: &str, why: &str, pause_us: u64, voice: &Voice) {
        voice.words(match self {
            Teller::People | Teller::Nobody => {
                format!("not handed over ({name}): {why}; we go on after a pause of {pause_us} us")
            }
            Teller::Machines => {
                json!({ "event": "hand_over_failed", "reason": name, "why": why, "pause_us": pause_us })
                    .to_string()
            }
        });
    }

    /// The voice that tells of the sessions of `engine`, and has it logged.
    ///
    /// # Errors
    /// No thread can be started.
    pub(crate) fn voice<N: Nic, A: Application>(
        self,
        engine: &Engine<N, A>,
        log: Option<EventLog>,
    ) -> Result<Voice, Failure> {
        let sessions: Vec<_> =
            engine.desk().statuses().map(|status| status.config.clone()).collect();
        let speaker = Speaker::start(move |line| match line {
            Line::Words(words) => words,
            Line::LoggingOut(session) => {
                format!("{}: logging out", name(config(session, &sessions)))
            }
            Line::Device(event, said) if self == Teller::Machines => {
                device_object(event, said.as_deref()).to_string()
            }
            Line::Device(event, said) => device_sentence(event, said.as_deref()),
            Line::Promoted(capability) if self == Teller::Machines => {
                promoted_object(capability).to_string()
            }
            Line::NothingDemoted if self == Teller::Machines => {
                json!({ "event": "nothing_demoted" }).to_string()
            }
            Line::NothingDemoted => NOTHING_DEMOTED.to_owned(),
            Line::Promoted(capability) => promoted_sentence(capability),
            Line::NewLife(life) if self == Teller::Machines => new_life_object(life).to_string(),
            Line::NewLife(life) => new_life_in_words(life).to_owned(),
            Line::Happened { event, session } if self == Teller::Machines => {
                Value::Object(object(&event, session.as_ref(), &sessions)).to_string()
            }
            Line::Happened { event, session } => sentence(&event, session.as_ref(), &sessions),
        })?;
        Ok(Voice { speaker, is_mute: self == Teller::Nobody, log })
    }

    /// Where the engine connects to, and where it listens for whom.
    pub(crate) fn begin<N: Nic, A: Application>(self, engine: &Engine<N, A>, voice: &Voice) {
        let mut listening: BTreeMap<u16, Vec<SessionStatus<'_>>> = BTreeMap::new();
        for status in engine.desk().statuses() {
            match status.config.role {
                Role::Acceptor => listening.entry(status.peer.port).or_default().push(status),
                Role::Initiator if self == Teller::People => {
                    let (name, peer) = (name(status.config), status.peer);
                    let others: String =
                        status.alternates.iter().map(|other| format!(" or {other}")).collect();
                    voice.say(Line::Words(format!("{name}: connecting to {peer}{others}")));
                }
                Role::Initiator => {}
            }
        }
        for sessions in listening.values() {
            self.listening(sessions, voice);
        }
    }

    fn listening(self, sessions: &[SessionStatus<'_>], voice: &Voice) {
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
                voice.say(Line::Words(format!("listening on {at} for {named}")));
            }
            Teller::Machines => {
                let sessions: Vec<_> =
                    sessions.iter().map(|status| Value::Object(identity(status.config))).collect();
                let line =
                    json!({ "event": "listening", "at": at.to_string(), "sessions": sessions });
                voice.say(Line::Words(line.to_string()));
            }
        }
    }

    /// Everything that happened since the last call.
    pub(crate) fn tell<N: Nic, A: Application>(self, engine: &mut Engine<N, A>, voice: &Voice) {
        while let Some(event) = engine.next_line_event() {
            if voice.is_heard() {
                let session = session_of(&event)
                    .and_then(|id| engine.desk().statuses().nth(usize::from(id.0)))
                    .map(|status| Snapshot::of(&status));
                voice.say(Line::Happened { event, session });
            }
        }
        while let Some(event) = engine.next_device_event() {
            if voice.is_heard() {
                let said = said_of(event).and_then(|of| engine.device_refusal(of));
                let said = said.map(str::to_owned);
                voice.say(Line::Device(event, said));
            }
        }
    }

    /// Which capabilities the device has been given back, as somebody asked.
    pub(crate) fn promoted(self, capabilities: &[Capability], voice: &Voice) {
        if voice.is_heard() {
            if capabilities.is_empty() {
                voice.say(Line::NothingDemoted);
            }
            for capability in capabilities {
                voice.say(Line::Promoted(*capability));
            }
        }
    }

    /// The device's clock is not what it was.
    pub(crate) fn new_life(self, life: NewLife, voice: &Voice) {
        if voice.is_heard() {
            voice.say(Line::NewLife(life));
        }
    }

    /// Whose Logout is on its way.
    pub(crate) fn logging_out<N: Nic, A: Application>(self, engine: &Engine<N, A>, voice: &Voice) {
        if self == Teller::People {
            for (id, status) in (0..).zip(engine.desk().statuses()) {
                if status.state == State::LogoutSent {
                    voice.say(Line::LoggingOut(SessionId(id)));
                }
            }
        }
    }
}

/// What a log has of a line: the session that it is about, a sentence, and an object.
pub(crate) fn for_log(
    line: &Line,
    sessions: &[SessionConfig],
) -> Option<(Option<SessionId>, String, Value)> {
    match line {
        // What is said of all sessions at the beginning and at the end.
        Line::Words(_) => None,
        Line::LoggingOut(session) => {
            let mut object = identity(config(*session, sessions));
            object.insert("event".into(), "logging_out".into());
            Some((Some(*session), "logging out".into(), object.into()))
        }
        Line::Happened { event, session } => {
            let object = object(event, session.as_ref(), sessions).into();
            Some((session_of(event), sentence(event, session.as_ref(), sessions), object))
        }
        Line::Device(event, said) => {
            let said = said.as_deref();
            Some((None, device_sentence(*event, said), device_object(*event, said)))
        }
        Line::Promoted(capability) => {
            Some((None, promoted_sentence(*capability), promoted_object(*capability)))
        }
        Line::NothingDemoted => {
            Some((None, NOTHING_DEMOTED.into(), json!({ "event": "nothing_demoted" })))
        }
        Line::NewLife(life) => {
            Some((None, new_life_in_words(*life).into(), new_life_object(*life)))
        }
    }
}

const NOTHING_DEMOTED: &str = "nothing was demoted";

fn promoted_sentence(capability: Capability) -> String {
    format!("{capability}: given back to the device, which proves itself anew")
}

fn promoted_object(capability: Capability) -> Value {
    json!({ "event": "promoted", "capability": capability.name() })
}

/// What a driver may have had words for when it happened.
fn said_of(event: DeviceEvent) -> Option<Capability> {
    match event {
        DeviceEvent::RulesInstalled(Doubt::CounterLost) => Some(Capability::FlowCount),
        DeviceEvent::Demoted(Demotion { capability, drift }) => {
            matches!(drift, Drift::RulesRefused | Drift::CountLost).then_some(capability)
        }
        _ => None,
    }
}

/// With what the driver `said` of it.
fn device_sentence(event: DeviceEvent, said: Option<&str>) -> String {
    let said = said.map(|words| format!(" ({words})")).unwrap_or_default();
    match event {
        DeviceEvent::Demoted(Demotion { capability, drift }) => {
            format!("{capability}: {drift}{said}; the host does it from here on")
        }
        DeviceEvent::LinkDown => "the link is down".to_owned(),
        DeviceEvent::LinkUp => "the link is up again".to_owned(),
        DeviceEvent::RulesInstalled(doubt) => {
            format!("the steering rules were installed anew: {doubt}{said}")
        }
    }
}

fn device_object(event: DeviceEvent, said: Option<&str>) -> Value {
    match event {
        DeviceEvent::Demoted(Demotion { capability, drift }) => json!({
            "event": "demoted",
            "capability": capability.name(),
            "reason": drift.name(),
            "why": drift.to_string(),
            "driver_said": said,
        }),
        DeviceEvent::LinkDown => json!({ "event": "link_down" }),
        DeviceEvent::LinkUp => json!({ "event": "link_up" }),
        DeviceEvent::RulesInstalled(doubt) => json!({
            "event": "rules_installed_anew",
            "reason": doubt.name(),
            "why": doubt.to_string(),
            "driver_said": said,
        }),
    }
}

fn new_life_object(life: NewLife) -> Value {
    json!({
        "event": "clock_new_life",
        "generation": life.generation,
        "reason": life.why.name(),
        "why": new_life_in_words(life),
    })
}

fn new_life_in_words(life: NewLife) -> &'static str {
    match life.why {
        Lapse::Reset => "the device's clock was reset: stamps before and after do not compare",
        Lapse::Stale | Lapse::Wrapped => {
            "the device's clock had not been read for too long: stamps before and after do not compare"
        }
        _ => "the device's clock jumped: stamps before and after do not compare",
    }
}

/// The session that an event is about, or that stood in its way.
fn session_of(event: &LineEvent) -> Option<SessionId> {
    match event {
        LineEvent::Connected { session, .. }
        | LineEvent::LoggedOn { session, .. }
        | LineEvent::Ended { session, .. }
        | LineEvent::Unacknowledged { session, .. }
        | LineEvent::Resumed { session, .. }
        | LineEvent::FateUnknown { session, .. }
        | LineEvent::HeldDown { session }
        | LineEvent::LetUp { session }
        | LineEvent::NumbersSet { session, .. }
        | LineEvent::Refused {
            why: PeerRefusal::AlreadyLoggedOn(session) | PeerRefusal::HeldDown(session),
            ..
        } => Some(*session),
        LineEvent::Refused { .. } => None,
    }
}

fn config(session: SessionId, sessions: &[SessionConfig]) -> &SessionConfig {
    &sessions[usize::from(session.0)]
}

fn sentence(event: &LineEvent, stood: Option<&Snapshot>, sessions: &[SessionConfig]) -> String {
    let named = |session: &SessionId| name(config(*session, sessions));
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

fn object(
    event: &LineEvent,
    stood: Option<&Snapshot>,
    sessions: &[SessionConfig],
) -> Map<String, Value> {
    let of = |what: &str, session: SessionId| {
        let mut object = identity(config(session, sessions));
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

fn refusal_in_words(
    why: &PeerRefusal,
    stood: Option<&Snapshot>,
    sessions: &[SessionConfig],
) -> String {
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
        PeerRefusal::UnknownIdentity(claim) => {
            let named = |name, id: &[u8]| match id {
                [] => String::new(),
                id => format!(", {name} \"{}\"", id.escape_ascii()),
            };
            format!(
                "no session here is {} from \"{}\" to \"{}\"{}{}",
                claim.begin_string.escape_ascii(),
                claim.sender_comp_id.escape_ascii(),
                claim.target_comp_id.escape_ascii(),
                named("SenderSubID", &claim.sender_sub_id),
                named("TargetSubID", &claim.target_sub_id),
            )
        }
        PeerRefusal::AlreadyLoggedOn(session) => {
            let from = stood.map(|stood| format!(", from {}", stood.remote)).unwrap_or_default();
            format!("{} is connected already{from}", name(config(*session, sessions)))
        }
        PeerRefusal::HeldDown(session) => {
            format!("{} was logged out by an operator", name(config(*session, sessions)))
        }
        PeerRefusal::LogonTimeout => "it sent no Logon in time".to_owned(),
        PeerRefusal::LoggingOut => {
            "it had sent no Logon yet, and everybody is logged out".to_owned()
        }
        PeerRefusal::ClosedBeforeLogon => "it closed before it had sent a Logon".to_owned(),
    }
}

/// The protocol that begins like this, where it is one that strays onto a FIX port.
fn protocol_of(first: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 11] = [
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
        // An alert, which is what a TLS server has to say to a Logon.
        (b"\x15\x03", "TLS"),
    ];
    KNOWN.iter().find(|(start, _)| first.starts_with(start)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_s_new_life_is_told_with_its_reason() {
        for (why, name, words) in [
            (Lapse::Jumped, "jumped", "the device's clock jumped: stamps before and after"),
            (Lapse::Reset, "reset", "the device's clock was reset: stamps"),
            (Lapse::Stale, "stale", "the device's clock had not been read for too long: stamps"),
            (Lapse::Wrapped, "wrapped", "the device's clock had not been read for too long"),
        ] {
            let life = NewLife { generation: 3, why };
            assert!(new_life_in_words(life).starts_with(words));
            let object = new_life_object(life);
            assert_eq!((&object["generation"], &object["reason"]), (&3.into(), &name.into()));
        }
    }

    #[test]
    fn rules_that_were_installed_anew_are_told_with_what_their_driver_said() {
        let event = DeviceEvent::RulesInstalled(Doubt::CounterLost);
        let said = Some("rule 1: no such rule");
        assert_eq!(
            device_sentence(event, said),
            "the steering rules were installed anew: a rule's counter is gone or went back (rule 1: no such rule)"
        );
        assert!(device_sentence(event, None).ends_with("went back"));
        assert_eq!(device_object(event, said)["driver_said"], "rule 1: no such rule");
        assert_eq!(device_object(event, None)["driver_said"], Value::Null);
    }

    #[test]
    fn what_a_driver_refuses_while_it_runs_is_told_with_its_words() {
        for (capability, drift, words) in [
            (
                Capability::FlowSteering,
                Drift::RulesRefused,
                "did not take them again (no room); the host",
            ),
            (Capability::FlowCount, Drift::CountLost, "installed anew too (no room); the host"),
        ] {
            let event = DeviceEvent::Demoted(Demotion { capability, drift });
            assert_eq!(said_of(event), Some(capability));
            let sentence = device_sentence(event, Some("no room"));
            assert!(sentence.contains(words), "{sentence}");
            assert_eq!(device_object(event, Some("no room"))["driver_said"], "no room");
        }
        let drift = Drift::SteeredWrongly;
        let wrongly = Demotion { capability: Capability::FlowSteering, drift };
        assert_eq!(said_of(DeviceEvent::Demoted(wrongly)), None, "it said nothing");
        assert_eq!(
            said_of(DeviceEvent::RulesInstalled(Doubt::CounterLost)),
            Some(Capability::FlowCount)
        );
    }

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
