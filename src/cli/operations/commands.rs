//! What the control socket has the polling core do: commands through a bounded ring, answers through another. The polling
//! core takes one between rounds, and waits for nobody.

use std::time::{Duration, Instant};

use arrayvec::{ArrayString, ArrayVec};
use fixwire::app::{Application, SessionId};
use fixwire::desk::SessionRefusal;
use fixwire::engine::Engine;
use fixwire::offload::capability::Capability;
use fixwire::offload::nic::Nic;
use fixwire::operate::OffloadRefusal;
use fixwire::time::Now;
use rtrb::{Consumer, Producer, RingBuffer};

/// Commands that wait for the polling core.
const WAITING_MAX: usize = 16;
/// How long whoever commands waits for it.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_micros(200);
/// The longest Text(58) that a logout bears, in bytes.
pub(super) const TEXT_LEN_MAX: usize = 80;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    LogOut(SessionId, ArrayString<TEXT_LEN_MAX>),
    LogOn(SessionId),
    SetNumbers { session: SessionId, next_out: Option<u32>, next_in: Option<u32> },
    Reset(SessionId),
    Demote(Capability),
    Promote(Capability),
    PromoteAll,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Numbers { next_out: u32, next_in: u32 },
    Promoted(ArrayVec<Capability, { Capability::COUNT }>),
    Session(SessionRefusal),
    Offload(OffloadRefusal),
}

/// The end that commands.
pub(super) struct Commander {
    commands: Producer<(u32, Command)>,
    answers: Consumer<(u32, Answer)>,
    number: u32,
}

/// The polling core's.
pub(super) struct Obeying {
    commands: Consumer<(u32, Command)>,
    answers: Producer<(u32, Answer)>,
}

/// Two ends.
pub(super) fn pair() -> (Commander, Obeying) {
    let (commands, commands_out) = RingBuffer::new(WAITING_MAX);
    let (answers_in, answers) = RingBuffer::new(WAITING_MAX);
    let commander = Commander { commands, answers, number: 0 };
    (commander, Obeying { commands: commands_out, answers: answers_in })
}

impl Commander {
    /// Has something done, and says what came of it; `None` where the polling core does not answer in time. It may do it
    /// later.
    pub(super) fn command(&mut self, command: Command) -> Option<Answer> {
        self.number = self.number.wrapping_add(1);
        // Answers to those that were given up.
        while self.answers.pop().is_ok() {}
        self.commands.push((self.number, command)).ok()?;
        let begun = Instant::now();
        while begun.elapsed() < ANSWER_WITHIN {
            match self.answers.pop() {
                Ok((number, answer)) if number == self.number => return Some(answer),
                Ok(_) => {}
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
        None
    }
}

impl Obeying {
    /// Whether something is to be done.
    pub(super) fn has_orders(&self) -> bool {
        !self.commands.is_empty()
    }

    /// Does the oldest of what is to be done, and says which capabilities the device was given back by it.
    pub(super) fn obey<N: Nic, A: Application>(
        &mut self,
        engine: &mut Engine<N, A>,
        now: Now,
    ) -> Option<ArrayVec<Capability, { Capability::COUNT }>> {
        let (number, command) = self.commands.pop().ok()?;
        let mut promoted = None;
        let numbers = |(next_out, next_in)| Answer::Numbers { next_out, next_in };
        let of_session = |outcome: Result<(), SessionRefusal>| {
            outcome.map_or_else(Answer::Session, |()| Answer::Done)
        };
        let answer = match command {
            Command::LogOut(session, text) => of_session(engine.drain_session(now, session, &text)),
            Command::LogOn(session) => of_session(engine.resume_session(now, session)),
            Command::SetNumbers { session, next_out, next_in } => engine
                .set_session_numbers(now, session, next_out, next_in)
                .map_or_else(Answer::Session, numbers),
            Command::Reset(session) => {
                engine.reset_session_numbers(now, session).map_or_else(Answer::Session, numbers)
            }
            Command::Demote(capability) => {
                engine.demote(capability).map_or_else(Answer::Offload, |()| Answer::Done)
            }
            Command::Promote(capability) => match engine.promote_one(capability) {
                Ok(()) => {
                    promoted = Some(ArrayVec::from_iter([capability]));
                    Answer::Done
                }
                Err(refusal) => Answer::Offload(refusal),
            },
            Command::PromoteAll => {
                let those = engine.promote();
                promoted = Some(those.clone());
                Answer::Promoted(those)
            }
        };
        // Whoever asked has given up where there is no room.
        let _ = self.answers.push((number, answer));
        promoted
    }
}
