//! Sessions that share what their messages are read by: nothing of what one does may depend on the others, but for what it
//! costs.

use proptest::prelude::*;

use super::*;
use crate::fix::message::Standing;
use crate::fix::oracle::sealed;

/// So many sessions that each may fill its share without another's losing any.
const ROOMY: usize = 8;
/// CompIDs of counterparties: of one length, of another, and one too long to be compared as a text.
const THEM: [&str; 4] = ["THEM", "THEY", "SOMEBODY", "SOMEBODY WITH A LONG NAME"];

/// A session among others, and the same by itself.
struct Pair {
    joined: Session<MemoryStore, Joined>,
    alone: Session,
    desks: [Desk; 2],
    pipes: [Pipe; 2],
    ends: [Disposition; 2],
}

fn config(them: &str, adjust: fn(&mut SessionConfig)) -> SessionConfig {
    let id = |text| CompId::new(text).unwrap();
    let mut config = SessionConfig::new(Version::Fix44, Role::Acceptor, id("US"), id(them));
    adjust(&mut config);
    config
}

fn store() -> MemoryStore {
    MemoryStore::new(64, 1 << 14)
}

impl Pair {
    fn new(readers: &mut Readers, them: &str, adjust: fn(&mut SessionConfig)) -> Pair {
        let joined = Session::among(readers, config(them, adjust), store());
        let alone = Session::new(config(them, adjust), store());
        let (desks, pipes) = (Default::default(), [(); 2].map(|()| Pipe::new(1 << 16)));
        let mut pair = Pair { joined, alone, desks, pipes, ends: [Disposition::Keep; 2] };
        pair.joined.on_connect(at_ms(0), &mut pair.pipes[0]);
        pair.alone.on_connect(at_ms(0), &mut pair.pipes[1]);
        pair.receive(readers, &message(them, "A", 1, "98=0|108=30|"));
        pair
    }

    fn receive(&mut self, readers: &mut Readers, bytes: &[u8]) {
        let ([joined, alone], [there, here]) = (&mut self.desks, &mut self.pipes);
        self.ends = [
            self.joined.on_bytes_by(readers, at_ms(0), bytes, there, joined),
            self.alone.on_bytes(at_ms(0), bytes, here, alone),
        ];
    }

    fn assert_same(&self) {
        let counted = |counters: &Counters| counters.iter().collect::<Vec<_>>();
        assert_eq!(self.pipes[0].sent, self.pipes[1].sent);
        assert_eq!(self.desks[0].delivered, self.desks[1].delivered);
        assert_eq!(self.ends[0], self.ends[1]);
        assert_eq!(self.joined.state(), self.alone.state());
        assert_eq!(self.joined.next_timeout(), self.alone.next_timeout());
        assert_eq!(counted(self.joined.counters()), counted(self.alone.counters()));
    }

    fn is_vouched(&self, readers: &mut Readers, bytes: &[u8]) -> bool {
        let mut decoder = readers.of(self.joined.body.core.place).decoder.clone();
        decoder.parse(bytes).unwrap().standing() == Standing::VOUCHED
    }
}

/// A message to US, sent now.
fn message(them: &str, msg_type: &str, seq: u32, rest: &str) -> Vec<u8> {
    sealed(
        "FIX.4.4",
        &format!("35={msg_type}|34={seq}|49={them}|52=20260102-03:04:05.000|56=US|{rest}"),
    )
}

fn order(them: &str, seq: u32) -> Vec<u8> {
    message(them, "D", seq, "11=order-id|58=as long as a report is, and more than that|")
}

#[test]
fn what_one_has_learned_all_know_and_each_is_asked_for_its_own_comp_ids() {
    let mut readers = Readers::for_sessions(ROOMY);
    let mut pairs = ["THEM", "THEY"].map(|them| Pair::new(&mut readers, them, |_| {}));
    for seq in 2..5 {
        pairs[0].receive(&mut readers, &order("THEM", seq));
    }
    let (ours, others) = (order("THEY", 2), order("THEM", 2));
    assert!(pairs[1].is_vouched(&mut readers, &ours), "its own are known before one came");
    assert!(pairs[1].is_vouched(&mut readers, &others), "and so is the shape of the other's");
    pairs[1].receive(&mut readers, &ours);
    pairs[1].receive(&mut readers, &order("THEM", 3));
    pairs.iter().for_each(Pair::assert_same);
    let of_reject = pairs[1].joined.counters().of_reject(RejectReason::CompId);
    assert_eq!((pairs[1].desks[0].delivered.len(), of_reject), (1, 1));
}

#[test]
fn those_that_go_by_other_rules_share_nothing() {
    let mut readers = Readers::for_sessions(ROOMY);
    let rules: [fn(&mut SessionConfig); 3] =
        [|_| {}, |config| config.message_fields_max = 9, |config| config.version = Version::Fix42];
    let mut pairs = rules.map(|rule| Pair::new(&mut readers, "THEM", rule));
    for seq in 2..5 {
        pairs[0].receive(&mut readers, &order("THEM", seq));
    }
    let message = message("THEM", "D", 2, "11=order-id|58=as long as a report is|1=a|");
    pairs[0].receive(&mut readers, &order("THEM", 5));
    assert!(pairs[0].is_vouched(&mut readers, &order("THEM", 6)));
    assert!(!pairs[2].is_vouched(&mut readers, &order("THEM", 6)));
    // Ten fields and the framing's: more than the second one takes, whatever the first has learned of them.
    pairs[1].receive(&mut readers, &message);
    pairs[..2].iter().for_each(Pair::assert_same);
    assert_eq!(pairs[1].joined.counters().of_garbled(Garbled::FieldsTooMany), 1);
}

#[test]
fn wild_messages_of_one_counterparty_leave_the_others_what_they_have_learned() {
    let mut readers = Readers::for_sessions(1_000);
    let mut pairs = ["THEM", "THEY"].map(|them| Pair::new(&mut readers, them, |_| {}));
    let known = |at: usize, seq: u32| {
        let text = "x".repeat(40 + 3 * at);
        message("THEM", "D", seq, &format!("11=a|58={text}|"))
    };
    for seq in 2..42 {
        pairs[0].receive(&mut readers, &known(seq as usize % 10, seq));
    }
    let count = |pair: &Pair, readers: &mut Readers| {
        (0..10).filter(|at| pair.is_vouched(readers, &known(*at, 42))).count()
    };
    assert_eq!(count(&pairs[0], &mut readers), 10);
    let mut seq = 2;
    for first in 1..60usize {
        for second in 1..30usize {
            for _ in 0..2 {
                let rest = format!("11={}|58={}|", "a".repeat(first), "b".repeat(second));
                let wild = message("THEY", "D", seq, &rest);
                pairs[1].receive(&mut readers, &wild);
                seq += 1;
            }
        }
    }
    assert_eq!(pairs[1].desks[0].delivered.len(), seq as usize - 2);
    assert_eq!(count(&pairs[0], &mut readers), 10, "1,711 shapes found no more than their share");
}

#[test]
fn one_that_was_expected_alone_shares_with_none_and_is_asked_for_its_new_name() {
    let mut readers = Readers::for_sessions(1);
    let mut pairs = ["THEM", "THEY"].map(|them| Pair::new(&mut readers, them, |_| {}));
    for seq in 2..5 {
        pairs[0].receive(&mut readers, &order("THEM", seq));
    }
    assert!(pairs[0].is_vouched(&mut readers, &order("THEM", 5)));
    assert!(!pairs[0].is_vouched(&mut readers, &order("THEY", 5)), "the shape has its CompIDs");
    assert!(!pairs[1].is_vouched(&mut readers, &order("THEM", 5)));
    let id = |text| CompId::new(text).unwrap();
    pairs[0].joined.rename(id("US"), id("THEY"));
    pairs[0].receive(&mut readers, &order("THEM", 5));
    assert_eq!(pairs[0].joined.counters().of_reject(RejectReason::CompId), 1);
}

#[test]
fn the_place_of_rules_that_all_have_left_is_used_again() {
    let mut readers = Readers::for_sessions(ROOMY);
    let mut first = Pair::new(&mut readers, "THEM", |_| {});
    first.joined.leave(&mut readers);
    let other = Pair::new(&mut readers, "THEM", |config| config.version = Version::Fix42);
    let again = Pair::new(&mut readers, "THEM", |_| {});
    let places = [&first, &other, &again].map(|pair| pair.joined.body.core.place.reader());
    assert_eq!(places, [0, 0, 1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_session_among_others_does_what_one_does_by_itself(
        checks in any::<bool>(), has_sub_ids in any::<bool>(),
        steps in prop::collection::vec(
            (0..THEM.len(), prop_oneof![5 => Just(None), 1 => (0..THEM.len()).prop_map(Some)], 0usize..8, 0u32..20), 1..60,
        ),
    ) {
        const FIELDS: [&str; 8] =
            ["21=1|", "21=1|", "50=D|", "50=E|", "43=N|", "57=D|", "1=a|2=b|", "369=1|"];
        let mut readers = Readers::for_sessions(2);
        let adjust: fn(&mut SessionConfig) = match (checks, has_sub_ids) {
            (false, _) => |config| config.check_comp_id = false,
            (true, true) => |config| config.target_sub_ids.sub_id = CompId::new("D"),
            (true, false) => |_| {},
        };
        let mut pairs: Vec<_> =
            THEM.iter().map(|them| Pair::new(&mut readers, them, adjust)).collect();
        for (which, said, field, off) in steps {
            let pair = &mut pairs[which];
            let seq = pair.alone.next_in() + u32::from(off == 0);
            let them = THEM[said.unwrap_or(which)];
            let rest = format!("{}11=order-id|58=as long as a report is, and more|", FIELDS[field]);
            pair.receive(&mut readers, &message(them, "D", seq, &rest));
            pair.assert_same();
        }
    }
}
