//! What the device is to tell of: frames by their tokens, and the messages that end in them.

use crate::app::SessionId;
use crate::tcp::{ConnectionId, MessageNumber};
use crate::time::{Duration, Instant};

/// Frames of which the device has yet to tell.
const FRAMES_MAX: u32 = 4_096;
/// And messages that end in them.
const MESSAGES_MAX: u32 = 16_384;
/// How long a report is waited for.
const PATIENCE: Duration = Duration::from_ms(100);
/// Tokens go round past it: one more than the number of a frame, so that none is 0.
const NUMBER_MAX: u32 = u32::MAX >> 1;
/// So many tokens back a frame is known to have been.
const KNOWN_BACK: u32 = 1 << 20;

/// A message that left, but for when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) session: Option<SessionId>,
    pub(super) connection: ConnectionId,
    pub(super) message: MessageNumber,
    pub(super) msg_seq_num: u32,
    pub(super) is_again: bool,
}

const NOTHING: Told = Told {
    session: None,
    connection: ConnectionId::NOBODY,
    message: MessageNumber(0),
    msg_seq_num: 0,
    is_again: false,
};

/// Places of messages.
pub(super) type Messages = Wrapping;

/// Numbers that wrap.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wrapping {
    next: u32,
    left: u32,
}

impl Iterator for Wrapping {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        let place = self.next;
        self.next = place.wrapping_add(1);
        Some(place)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It was asked for and not handed over.
    Open,
    /// A report is waited for.
    Waiting,
    /// None is.
    Settled,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    number: u32,
    state: State,
    at: Instant,
    messages: Messages,
}

/// What a report is of.
pub(super) enum Settled {
    /// Of a frame that was waited for.
    Now {
        /// When it was handed over.
        at: Instant,
        messages: Messages,
        /// No frame behind it was reported before.
        is_newest: bool,
    },
    /// Of one that is not waited for any more.
    Stale,
    /// Of none.
    Unknown,
}

/// There is no place.
pub(super) struct Full;

/// The frames, in the order in which they are handed over, and the messages in them.
pub(super) struct Table {
    frames: Box<[Entry]>,
    /// The number of the next frame, and of the first that may not be settled.
    next: u32,
    oldest: u32,
    messages: Box<[Told]>,
    messages_next: u32,
    /// The newest frame that was reported.
    newest: Option<u32>,
}

fn back(from: u32, to: u32) -> u32 {
    from.wrapping_sub(to) & NUMBER_MAX
}

impl Table {
    pub(super) fn new() -> Table {
        let nothing = Entry {
            number: u32::MAX,
            state: State::Settled,
            at: Instant::ZERO,
            messages: Messages::default(),
        };
        Table {
            frames: vec![nothing; FRAMES_MAX as usize].into_boxed_slice(),
            next: 0,
            oldest: 0,
            messages: vec![NOTHING; MESSAGES_MAX as usize].into_boxed_slice(),
            messages_next: 0,
            newest: None,
        }
    }

    fn entry(&mut self, number: u32) -> &mut Entry {
        &mut self.frames[(number % FRAMES_MAX) as usize]
    }

    /// A token for the next frame, if there is a place.
    pub(super) fn open(&mut self) -> Option<u32> {
        self.forget_settled();
        if back(self.next, self.oldest) >= FRAMES_MAX {
            return None;
        }
        let number = self.next;
        let messages = Messages { next: self.messages_next, left: 0 };
        *self.entry(number) = Entry { number, state: State::Open, at: Instant::ZERO, messages };
        self.next = (number + 1) & NUMBER_MAX;
        Some(number + 1)
    }

    fn forget_settled(&mut self) {
        while self.oldest != self.next && self.entry(self.oldest).state == State::Settled {
            self.oldest = (self.oldest + 1) & NUMBER_MAX;
        }
    }

    /// The frame was handed over, and no report of it is waited for.
    pub(super) fn close(&mut self, token: u32) {
        if token != 0 {
            self.entry(token - 1).state = State::Settled;
        }
    }

    /// The frame was handed over, with these messages in it. Where they find no place, it is not waited for.
    pub(super) fn wait(
        &mut self,
        token: u32,
        at: Instant,
        told: impl Iterator<Item = Told>,
    ) -> Result<(), Full> {
        self.forget_settled();
        let oldest = self.oldest;
        let kept_from = self.entry(oldest).messages.next;
        let start = self.messages_next;
        let mut left = 0;
        for told in told {
            let place = start.wrapping_add(left);
            if place.wrapping_sub(kept_from) >= MESSAGES_MAX {
                self.close(token);
                return Err(Full);
            }
            self.messages[(place % MESSAGES_MAX) as usize] = told;
            left += 1;
        }
        self.messages_next = start.wrapping_add(left);
        let entry = self.entry(token - 1);
        entry.state = State::Waiting;
        (entry.at, entry.messages) = (at, Messages { next: start, left });
        Ok(())
    }

    /// The device has told of `token`.
    pub(super) fn settle(&mut self, token: u32) -> Settled {
        let Some(number) = token.checked_sub(1).filter(|number| *number <= NUMBER_MAX) else {
            return Settled::Unknown;
        };
        let ago = back(self.next, number);
        let newest = self.newest;
        let entry = self.entry(number);
        if entry.number != number || entry.state != State::Waiting {
            let is_open = entry.number == number && entry.state == State::Open;
            let was_there = (1..=KNOWN_BACK).contains(&ago) && !is_open;
            return if was_there { Settled::Stale } else { Settled::Unknown };
        }
        entry.state = State::Settled;
        let (at, messages) = (entry.at, entry.messages);
        let is_newest = newest.is_none_or(|newest| ago < back(self.next, newest));
        if is_newest {
            self.newest = Some(number);
        }
        Settled::Now { at, messages, is_newest }
    }

    /// The oldest frame that was waited for too long, which is settled then.
    pub(super) fn next_overdue(&mut self, now: Instant) -> Option<(Instant, Messages)> {
        self.next_if(|at| at + PATIENCE <= now)
    }

    /// The oldest frame that is waited for, which is settled then.
    pub(super) fn next_waiting(&mut self) -> Option<(Instant, Messages)> {
        self.next_if(|_| true)
    }

    fn next_if(&mut self, is_over: impl Fn(Instant) -> bool) -> Option<(Instant, Messages)> {
        self.forget_settled();
        if self.oldest == self.next {
            return None;
        }
        let entry = self.entry(self.oldest);
        if entry.state != State::Waiting || !is_over(entry.at) {
            return None;
        }
        entry.state = State::Settled;
        Some((entry.at, entry.messages))
    }

    /// A message by its place.
    pub(super) fn message(&self, place: u32) -> Told {
        self.messages[(place % MESSAGES_MAX) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Instant = Instant::from_ms(7);

    fn message(number: u64) -> Told {
        Told { message: MessageNumber(number), ..NOTHING }
    }

    fn is_now(settled: &Settled) -> bool {
        matches!(settled, Settled::Now { .. })
    }

    #[test]
    fn each_name_is_told_of_once_and_names_that_nobody_bears_are_known_as_such() {
        let mut table = Table::new();
        assert!(matches!(table.settle(1), Settled::Unknown), "none was given");
        let [first, second] = [(); 2].map(|()| table.open().unwrap());
        assert!(matches!(table.settle(first), Settled::Unknown), "it was not handed over");
        assert!(table.wait(first, AT, [message(1), message(2)].into_iter()).is_ok());
        assert!(table.wait(second, AT, [message(3)].into_iter()).is_ok());
        let Settled::Now { messages, is_newest: true, .. } = table.settle(second) else {
            panic!("it was waited for")
        };
        let numbers = |table: &Table, messages: Messages| -> Vec<u64> {
            messages.map(|place| table.message(place).message.0).collect()
        };
        assert_eq!(numbers(&table, messages), [3]);
        let Settled::Now { messages, is_newest: false, at } = table.settle(first) else {
            panic!("it was waited for")
        };
        assert_eq!((at, numbers(&table, messages)), (AT, vec![1, 2]));
        assert!(matches!(table.settle(first), Settled::Stale), "once more");
        for token in [0, 3, 4_097, u32::MAX, first | 1 << 31] {
            assert!(matches!(table.settle(token), Settled::Unknown), "{token}");
        }
    }

    #[test]
    fn where_no_place_is_left_there_is_no_token_until_the_oldest_is_settled() {
        let mut table = Table::new();
        let tokens: Vec<_> = (0..FRAMES_MAX).map(|_| table.open().unwrap()).collect();
        for token in &tokens {
            assert!(table.wait(*token, AT, [message(1)].into_iter()).is_ok());
        }
        assert_eq!(table.open(), None);
        // Not any one makes room: a name is not given twice.
        assert!(is_now(&table.settle(tokens[5])));
        assert_eq!(table.open(), None);
        assert!(table.next_overdue(AT + Duration::from_ms(99)).is_none());
        assert!(table.next_overdue(AT + Duration::from_ms(100)).is_some());
        let next = table.open().unwrap();
        assert!(matches!(table.settle(tokens[0]), Settled::Stale), "it came too late");
        table.close(next);
        assert_eq!(core::iter::from_fn(|| table.next_waiting()).count(), 4_094);
    }

    #[test]
    fn messages_that_find_no_place_leave_those_of_others_alone() {
        let mut table = Table::new();
        let many = (0..u64::from(MESSAGES_MAX)).map(message);
        let [first, second] = [(); 2].map(|()| table.open().unwrap());
        assert!(table.wait(first, AT, many.clone()).is_ok());
        assert!(table.wait(second, AT, [message(9)].into_iter()).is_err());
        assert!(matches!(table.settle(second), Settled::Stale), "it is not waited for");
        let Settled::Now { messages, .. } = table.settle(first) else { panic!("it is") };
        assert!(messages.map(|place| table.message(place).message.0).eq(0..16_384));
        let third = table.open().unwrap();
        assert!(table.wait(third, AT, many).is_ok(), "there is room again");
    }

    #[test]
    fn tokens_go_round_and_none_is_zero() {
        let mut table = Table::new();
        (table.next, table.oldest) = (NUMBER_MAX - 2, NUMBER_MAX - 2);
        for turn in 0..6 {
            let token = table.open().unwrap();
            assert_ne!(token, 0);
            assert!(table.wait(token, AT, core::iter::empty()).is_ok());
            let Settled::Now { is_newest, .. } = table.settle(token) else { panic!("{turn}") };
            assert!(is_newest, "{turn}");
        }
    }
}
