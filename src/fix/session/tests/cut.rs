//! Two sessions back to back over a line that is cut at arbitrary points, bytes lost, and joined
//! again: every message is delivered once and in order, and no number ever carries two contents.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Delivers numbered orders to a list.
#[derive(Default)]
struct Tape(Vec<u32>);

impl Handler for Tape {
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        message: &Message<'_>,
        _reply: &mut Sender<'_, S, O>,
    ) {
        self.0.push(message.u32(11).unwrap());
    }
}

struct Side {
    session: Session,
    tape: Tape,
    pipe: Pipe,
    ordered: u32,
    used: HashMap<u32, Vec<u8>>,
}

/// What a side may do otherwise: none of it changes what arrives.
#[derive(Clone, Debug)]
struct Ways {
    next_expected: bool,
    processed: bool,
    closed_interval: bool,
    chunk_size: u32,
}

fn ways() -> impl Strategy<Value = Ways> {
    let ways = (any::<bool>(), any::<bool>(), any::<bool>(), 0u32..5);
    ways.prop_map(|(next_expected, processed, closed_interval, chunk_size)| Ways {
        next_expected,
        processed,
        closed_interval,
        chunk_size,
    })
}

impl Side {
    fn new(role: Role, us: &str, them: &str, ways: &Ways) -> Side {
        let id = |text| CompId::new(text).unwrap();
        let mut config = SessionConfig::new(Version::Fix44, role, id(us), id(them));
        config.held_messages_max = 3;
        config.next_expected_msg_seq_num = ways.next_expected;
        config.last_msg_seq_num_processed = ways.processed;
        config.closed_resend_interval = ways.closed_interval;
        config.resend_request_chunk_size = ways.chunk_size;
        let session = Session::new(config, MemoryStore::new(1000, 1 << 18));
        let pipe = Pipe::new(3000);
        Side { session, tape: Tape::default(), pipe, ordered: 0, used: HashMap::new() }
    }

    /// The process is another one, and has what the store kept.
    fn restart(&mut self) {
        let (config, store) = (self.session.config().clone(), self.session.store().clone());
        self.session = Session::new(config, store);
    }

    fn order(&mut self, now: Now) {
        let number = self.ordered;
        let fill = |encoder: &mut Encoder<'_>| _ = encoder.put_u32(11, number);
        if self.session.send(now, &mut self.pipe, b"D", fill).is_ok() {
            self.ordered += 1;
        }
    }

    /// What the first new use of each number carried must be what each later one carries.
    fn audit(&mut self) {
        let mut bytes = &self.pipe.sent[..];
        let mut decoder = Decoder::default();
        while let Framed::Complete(Whole { len, .. }) = frame(bytes, usize::MAX) {
            let message = decoder.parse(&bytes[..len]).unwrap();
            let gap_fill = message.msg_type() == b"4";
            let content = [message.msg_type(), message.field(11).unwrap_or_default()].concat();
            let seq = message.msg_seq_num().unwrap();
            if !gap_fill {
                let first = self.used.entry(seq).or_insert_with(|| content.clone());
                assert_eq!(first, &content, "number {seq} was used twice");
            }
            bytes = &bytes[len..];
        }
    }

    /// Takes `len` bytes from the other side's pipe.
    fn receive(&mut self, now: Now, from: &mut Pipe, len: usize) -> bool {
        let bytes: Vec<u8> = from.sent.drain(..len.min(from.sent.len())).collect();
        let found = self.session.on_bytes(now, &bytes, &mut self.pipe, &mut self.tape);
        found == Disposition::Keep
    }
}

#[derive(Clone, Debug)]
enum Step {
    Order(bool),
    Carry(bool, usize),
    Pass(u64),
    Restart(bool),
    Cut,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any::<bool>().prop_map(Step::Order),
        6 => (any::<bool>(), 1usize..700).prop_map(|(side, len)| Step::Carry(side, len)),
        1 => (1u64..8000).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Restart),
        1 => Just(Step::Cut),
    ];
    prop::collection::vec(step, 1..150)
}

struct Line {
    sides: [Side; 2],
    ms: u64,
}

impl Line {
    fn connect(&mut self) {
        for side in &mut self.sides {
            side.pipe.sent.clear();
            side.session.on_disconnect(at_ms(self.ms), &mut side.tape);
        }
        for side in &mut self.sides {
            side.session.on_connect(at_ms(self.ms), &mut side.pipe);
            side.audit();
        }
    }

    fn step(&mut self, step: &Step) {
        let now = at_ms(self.ms);
        let keep = match *step {
            Step::Order(side) => {
                let side = &mut self.sides[usize::from(side)];
                let before = side.pipe.sent.len();
                side.order(now);
                assert!(before <= side.pipe.sent.len());
                true
            }
            Step::Carry(to, len) => {
                let [a, b] = &mut self.sides;
                let (to, from) = if to { (a, b) } else { (b, a) };
                from.audit_before_drain();
                to.receive(now, &mut from.pipe, len) && {
                    let found = from.session.on_writable(now, &mut from.pipe, &mut from.tape);
                    found == Disposition::Keep
                }
            }
            Step::Pass(ms) => {
                self.ms += ms;
                let now = at_ms(self.ms);
                self.sides.iter_mut().all(|side| {
                    let found = side.session.on_timeout(now, &mut side.pipe, &mut side.tape);
                    found == Disposition::Keep
                })
            }
            Step::Restart(side) => {
                self.sides.iter_mut().for_each(Side::audit_before_drain);
                self.sides[usize::from(side)].restart();
                false
            }
            Step::Cut => false,
        };
        if !keep {
            for side in &mut self.sides {
                side.audit_before_drain();
            }
            self.connect();
        }
    }
}

impl Side {
    /// A partly drained pipe begins within a message: audit what follows it.
    fn audit_before_drain(&mut self) {
        let whole = self.pipe.sent.windows(5).position(|window| window == b"8=FIX");
        if let Some(at) = whole {
            let kept = self.pipe.sent.split_off(at);
            let front = core::mem::replace(&mut self.pipe.sent, kept);
            self.audit();
            let back = core::mem::replace(&mut self.pipe.sent, front);
            self.pipe.sent.extend(back);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_order_arrives_once_and_in_order_whatever_is_cut(
        steps in steps(), ours in ways(), theirs in ways()
    ) {
        let initiator = Side::new(Role::Initiator, "A", "B", &ours);
        let acceptor = Side::new(Role::Acceptor, "B", "A", &theirs);
        let mut line = Line { sides: [initiator, acceptor], ms: 0 };
        line.connect();
        for step in &steps {
            line.step(step);
        }
        line.step(&Step::Cut);
        for round in 0..400 {
            line.step(&Step::Carry(round % 2 == 0, 10_000));
            if round % 20 == 19 {
                line.step(&Step::Pass(30_000));
            }
        }
        for (sender, receiver) in [(0, 1), (1, 0)] {
            let expected: Vec<u32> = (0..line.sides[sender].ordered).collect();
            prop_assert_eq!(&line.sides[receiver].tape.0, &expected);
        }
    }
}
