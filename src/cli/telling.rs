//! What happens to sessions and connections, a line each: sentences for people, JSON for machines.
//! The polling thread hands over what happened; the speaker's thread puts it into words.

mod device;
mod refusals;
mod session;

use std::collections::BTreeMap;

use fixwire::app::{Application, SessionId};
use fixwire::clock_watch::NewLife;
use fixwire::desk::{LineEvent, LineFailure, SessionStatus};
use fixwire::engine::Engine;
use fixwire::fix::{CompId, PartingWords, Role, SessionConfig, State};
use fixwire::offload::capability::Capability;
use fixwire::offload::nic::Nic;
use fixwire::offload::observe::DeviceEvent;
use fixwire::tcp::Endpoint;
use fixwire_hw::large_pages::Gathered;
use serde_json::{Value, json};

use super::failure::Failure;
use super::hand_over::taking;
use super::message_log::EventLog;
use super::speaker::Speaker;
use device::{
    NOTHING_DEMOTED, device_object, device_sentence, new_life_in_words, new_life_object,
    promoted_object, promoted_sentence, said_of,
};
use session::{config, object, sentence, session_of};
pub(crate) use session::{identity, name, parties, parting_words, why_in_words};

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
    /// Ours and the counterparty's, which a session of a template has from its counterparty.
    comp_ids: (CompId, CompId),
    remote: Endpoint,
    last_failure: Option<LineFailure>,
    parting_words: PartingWords,
}

impl Snapshot {
    fn of(status: &SessionStatus<'_>) -> Snapshot {
        Snapshot {
            comp_ids: (status.config.sender_comp_id.clone(), status.config.target_comp_id.clone()),
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
