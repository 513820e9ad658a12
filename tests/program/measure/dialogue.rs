//! A session whose latencies are known: each report makes the trader send an order, each order is answered by a report.
//!
//! Now and then something comes between that makes a pair ambiguous, or should not: several reports, a segment that is sent again,
//! messages in pieces that come in a wrong order, Heartbeats, bare acknowledgements.

/// When the session begins, in seconds since 1970.
pub(crate) const S: u32 = 1_800_000_000;

/// A frame on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    /// When, in picoseconds after `S`.
    pub(crate) ps: u64,
    /// Whether the trader sent it.
    pub(crate) is_ours: bool,
    pub(crate) bytes: Vec<u8>,
}

/// What passed, and what is true of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) frames: Vec<Passed>,
    /// In picoseconds, in the order in which they ended.
    pub(crate) trigger_to_order: Vec<u64>,
    pub(crate) order_to_answer: Vec<u64>,
    /// Orders without a trigger that can be told, and why: several, none, sent again.
    pub(crate) several: u64,
    pub(crate) nothing_new: u64,
    pub(crate) sent_again: u64,
    /// Reports that answer nothing that waits.
    pub(crate) no_order: u64,
    pub(crate) messages: u64,
    now_ps: u64,
    /// By how much longer the next answer takes.
    pause_ps: u64,
    next: [u32; 2],
    numbers: [u32; 2],
    random: u64,
}

/// An order: its frame and its trigger's, and what lies between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    pub(crate) frame: usize,
    pub(crate) trigger: usize,
    pub(crate) ns: u64,
}

/// The trader's side, and the other.
const US: usize = 0;
const THEM: usize = 1;

/// What may make a session hard to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// Whatever there is.
    Rough,
    /// Nothing is sent again or comes in a wrong order.
    Smooth,
}

impl Session {
    /// One of so many orders.
    pub(crate) fn new(orders: u32, course: Course) -> Session {
        let mut session = Session {
            next: [1_000, u32::MAX - 3_000],
            random: 0x9e37_79b9_97f4_a7c1,
            ..Session::default()
        };
        session.shake_hands();
        // No report came before the first order.
        session.order(1, false);
        session.nothing_new += 1;
        for order in 1..orders {
            session.answered(order, course);
        }
        session
    }

    /// One of a trader behind a kernel's TCP, whose acknowledgements say what that has received and not what the trader is at, and
    /// what is true of each order. Reports come at ease; faster than the answers to those before leave; at ease; and while the
    /// trader stands still now and then.
    pub(crate) fn queueing() -> (Session, Vec<Answered>) {
        let mut session = Session {
            next: [1_000, u32::MAX - 3_000],
            random: 0x9e37_79b9_97f4_a7c1,
            ..Session::default()
        };
        session.shake_hands();
        let (mut at_ns, mut left_ns) = (session.now_ps / 1_000, 0);
        let mut events: Vec<(u64, usize, usize)> = Vec::new();
        for number in 0..600 {
            let (spacing_ns, takes_ns) = match number {
                200..400 => (10_000, 15_000),
                500.. if number % 20 == 0 => (7_000, 25_000),
                500.. => (7_000, 3_000),
                _ => (40_000, 2_000),
            };
            at_ns += spacing_ns + session.dice(200);
            // Two at a time, or one after the other.
            let is_taken_up = if (200..400).contains(&number) { at_ns } else { at_ns.max(left_ns) };
            left_ns = is_taken_up + takes_ns + session.dice(300);
            events.extend([(at_ns, THEM, number), (left_ns, US, number)]);
        }
        events.sort_unstable();
        let (mut came, mut answered) = (Vec::new(), Vec::new());
        for (ns, side, number) in events {
            session.now_ps = ns * 1_000;
            let frame = session.frames.len() + 1;
            if side == THEM {
                let report = session.message(THEM, &format!("35=8|37=X{number}|150=0|39=0|"));
                session.sends(THEM, &report);
                came.push((frame, ns));
            } else {
                session.order(number as u32, false);
                let (trigger, came_ns) = came[number];
                answered.push(Answered { frame, trigger, ns: ns - came_ns });
            }
        }
        (session, answered)
    }

    /// One of two traders: one order of ours that has a trigger and two of theirs, of which the second has one, each answered.
    pub(crate) fn both_trade() -> Session {
        let mut session = Session { next: [1_000, u32::MAX - 3_000], ..Session::default() };
        session.shake_hands();
        for (side, ns, body) in [
            (THEM, 10, "35=B|58=X|"),
            (US, 10, "35=D|11=O1|"),
            (THEM, 30, "35=8|11=O1|"),
            (US, 30, "35=B|58=X|"),
            (THEM, 11, "35=D|11=O1|"),
            (US, 1_000_000, "35=8|11=O1|"),
            (THEM, 12, "35=D|11=O2|"),
            (US, 40, "35=8|11=O2|"),
        ] {
            session.now_ps += ns * 1_000;
            let text = session.message(side, body);
            session.sends(side, &text);
        }
        session
    }

    /// A long tail above 687.3 ns.
    fn interval_ps(&mut self) -> u64 {
        let dice = self.dice(1_000);
        let more = self.dice(400_000);
        687_300 + more + if dice < 10 { self.dice(1_000_000_000) } else { 0 }
    }

    fn dice(&mut self, sides: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % sides
    }

    fn shake_hands(&mut self) {
        let [us, them] = self.next;
        self.passes(US, us.wrapping_sub(1), 0, 0x02, b"");
        self.now_ps += 30_000_000;
        self.passes(THEM, them.wrapping_sub(1), us, 0x12, b"");
        self.now_ps += 20_000_000;
    }

    /// The order of this number is answered, and the answer makes the trader send the next.
    fn answered(&mut self, number: u32, course: Course) {
        let answer_ps = self.interval_ps() + core::mem::take(&mut self.pause_ps);
        self.now_ps += answer_ps;
        let seq = self.next[THEM];
        let text =
            self.message(THEM, &format!("35=8|11=O{number}|37=X{number}|150=F|39=2|58=a report|"));
        match number % 50 {
            33 if course == Course::Rough => {
                // In three pieces, of which the first comes last.
                let (a, b, c) = (&text[..30], &text[30..70], &text[70..]);
                let acknowledged = self.next[US];
                self.passes(THEM, seq.wrapping_add(70), acknowledged, 0x18, c);
                self.now_ps += 3_000;
                self.passes(THEM, seq.wrapping_add(30), acknowledged, 0x18, b);
                self.now_ps += 5_000;
                self.passes(THEM, seq, acknowledged, 0x18, a);
                self.next[THEM] = seq.wrapping_add(text.len() as u32);
            }
            _ => self.sends(THEM, &text),
        }
        self.order_to_answer.push(answer_ps);
        let (mut is_trigger, trigger_ps) = (true, self.now_ps);
        match number % 50 {
            7 => {
                self.now_ps += 40_000;
                let again =
                    self.message(THEM, &format!("35=8|11=O{number}|37=X{number}|150=F|39=2|"));
                self.sends(THEM, &again);
                (self.no_order, self.several, is_trigger) =
                    (self.no_order + 1, self.several + 1, false);
            }
            21 if course == Course::Rough => {
                self.now_ps += 40_000;
                let acknowledged = self.next[US];
                self.passes(THEM, seq, acknowledged, 0x18, &text);
                (self.sent_again, is_trigger) = (self.sent_again + 1, false);
            }
            41 => {
                self.now_ps += 40_000;
                let beat = self.message(THEM, "35=0|");
                self.sends(THEM, &beat);
            }
            45 => {
                // Linux acknowledges before the trader answers.
                self.now_ps += 40_000;
                let (us, them) = (self.next[US], self.next[THEM]);
                self.passes(US, us, them, 0x10, b"");
            }
            _ => {}
        }
        let order_ps = self.interval_ps();
        self.now_ps += order_ps;
        if is_trigger {
            self.trigger_to_order.push(self.now_ps - trigger_ps);
        }
        if number % 50 == 7 {
            // For so long that neither of the two reports can be waiting any more.
            self.pause_ps = 2 * (self.now_ps - trigger_ps) + 5_000_000;
        }
        self.order(number + 1, number % 50 == 13);
    }

    fn order(&mut self, number: u32, in_pieces: bool) {
        let text =
            self.message(US, &format!("35=D|11=O{number}|55=ESZ6|54=1|38=3|40=2|44=4500.25|"));
        if in_pieces {
            let (a, b) = text.split_at(40);
            self.sends(US, a);
            self.now_ps += 2_000;
            self.sends(US, b);
        } else {
            self.sends(US, &text);
        }
    }

    /// A message between `|`, its lengths right, with a number that goes up.
    fn message(&mut self, side: usize, body: &str) -> Vec<u8> {
        self.messages += 1;
        self.numbers[side] += 1;
        let (kind, rest) = body.split_once('|').unwrap();
        let (from, to) = if side == US { ("US", "THEM") } else { ("THEM", "US") };
        let number = self.numbers[side];
        let body = format!("{kind}|34={number}|49={from}|52=20270115-08:00:00.000|56={to}|{rest}");
        let head = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01");
        let sum = head.bytes().fold(0u8, u8::wrapping_add);
        format!("{head}10={sum:03}\x01").into_bytes()
    }

    /// The next bytes of a side, which acknowledge all that came.
    fn sends(&mut self, side: usize, payload: &[u8]) {
        let (seq, acknowledged) = (self.next[side], self.next[1 - side]);
        self.next[side] = seq.wrapping_add(payload.len() as u32);
        self.passes(side, seq, acknowledged, 0x18, payload);
    }

    fn passes(&mut self, side: usize, seq: u32, ack: u32, flags: u8, payload: &[u8]) {
        let ends = [([10, 9, 0, 2], 40_000_u16), ([10, 9, 0, 1], 9_878)];
        let (from, to) = (ends[side], ends[1 - side]);
        let mut bytes = vec![2, 0, 0, 0, 0, 2 - side as u8, 2, 0, 0, 0, 0, 1 + side as u8, 8, 0];
        bytes.extend([0x45, 0]);
        bytes.extend((40 + payload.len() as u16).to_be_bytes());
        bytes.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        bytes.extend([from.0, to.0].concat());
        bytes.extend([from.1.to_be_bytes(), to.1.to_be_bytes()].concat());
        bytes.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
        bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        bytes.extend(payload);
        // The shortest that Ethernet has.
        bytes.resize(bytes.len().max(60), 0);
        self.frames.push(Passed { ps: self.now_ps, is_ours: side == US, bytes });
    }
}
