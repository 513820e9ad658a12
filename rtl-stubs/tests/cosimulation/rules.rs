//! Rules that frames of a batch meet, at random.

use fixwire_offload::flow::{
    AddrMatch, Carries, Fate, FlowKey, FlowRule, OnMiss, Pattern, PortMatch, RuleSet, TcpMatch,
    VlanId,
};

use super::frames::Frames;

/// Places in the table, priorities and queues.
const PLACES: usize = 16;

/// As many rules as there is room for or fewer, made of what the frames of `keys` are; under which frames are dropped, or
/// none is.
pub fn some(keys: &[FlowKey], drops: bool, chance: &mut Frames) -> RuleSet {
    let mut priorities: Vec<u32> = (0..PLACES as u32).collect();
    let count = [0, 1, 3, 8, 12, PLACES][chance.number(6)];
    let rules = (0..count).map(|_| {
        let priority = priorities.swap_remove(chance.number(priorities.len()));
        let fate = match chance.number(4) {
            0 if drops => Fate::Drop,
            _ => Fate::Queue(chance.number(PLACES) as u16),
        };
        let mut rule = FlowRule::new(pattern(keys, chance), fate).at_priority(priority);
        if chance.number(2) == 0 {
            rule = rule.counted();
        }
        if chance.number(2) == 0 {
            rule = rule.marked(chance.number(1 << 31) as u32);
        }
        rule
    });
    let rules = rules.collect();
    let on_miss = match chance.number(3) {
        0 if drops => OnMiss::NotOurs,
        _ => OnMiss::Queue(chance.number(PLACES) as u16),
    };
    RuleSet::new(rules, on_miss).unwrap()
}

fn pattern(keys: &[FlowKey], chance: &mut Frames) -> Pattern {
    let Some(key) = keys.get(chance.number(keys.len().max(1))) else { return Pattern::IPV4 };
    let vlan = if chance.number(4) == 0 { key.vlan().or(VlanId::new(7)) } else { None };
    let (src, dst) = match chance.number(4) {
        0 => (AddrMatch::ANY, AddrMatch::ANY),
        1 => (AddrMatch::prefix(key.src(), chance.number(33) as u8), AddrMatch::ANY),
        2 => (AddrMatch::ANY, AddrMatch::exact(key.dst())),
        _ => (AddrMatch::exact(key.src()), AddrMatch::exact(key.dst())),
    };
    let mut port = |number: u16| match chance.number(4) {
        0 => PortMatch::ANY,
        1 => PortMatch::exact(number),
        // Of random ports a few bits match many.
        _ => {
            let mask = 1u16 << chance.number(16) | 1 << chance.number(16);
            PortMatch::masked(number & mask, mask)
        }
    };
    let ports = key.ports().map(|(from, to)| TcpMatch { src_port: port(from), dst_port: port(to) });
    let carries = match (chance.number(12), ports) {
        (0, _) => Carries::Arp,
        (1, _) => Carries::Icmp,
        (2, _) | (_, None) => Carries::Any,
        (_, Some(ports)) => Carries::Tcp(ports),
    };
    Pattern { vlan, src, dst, carries }
}

/// What a frame can meet while `to` is written over `from`. Rules take effect one by one, from the first place on. What
/// becomes of a miss is settled after them, and asked at a frame's end, where its rule was looked up at its headers: so after
/// each write there is a table with the old way and then one with the new.
pub fn between(from: &RuleSet, to: &RuleSet) -> Vec<Table> {
    let place = |set: &RuleSet, place: usize| set.rules().get(place).copied();
    let table = |written: usize, on_miss| {
        let places = (0..PLACES).map(|at| place(if at < written { to } else { from }, at));
        Table { places: places.collect(), on_miss, written }
    };
    let both = |written| [from, to].map(|set| table(written, set.on_miss()));
    (0..=PLACES).flat_map(both).collect()
}

/// Of the tables of [`between`] that each frame can have met, by their numbers, leaves those that fit the frames before it and
/// after it: later frames meet no fewer of the new rules, and none the old way with a miss after one that met the new.
pub fn in_order(met: &mut [Vec<usize>]) {
    let precedes = |one: usize, other: usize| one / 2 <= other / 2 && one % 2 <= other % 2;
    for at in 1..met.len() {
        let (before, after) = met.split_at_mut(at);
        let (before, after) = (&before[at - 1], &mut after[0]);
        after.retain(|later| before.iter().any(|earlier| precedes(*earlier, *later)));
        assert!(!after.is_empty(), "frame {at} met a table from before that of the one before it");
    }
    for at in (1..met.len()).rev() {
        let (before, after) = met.split_at_mut(at);
        let (before, after) = (&mut before[at - 1], &after[0]);
        before.retain(|earlier| after.iter().any(|later| precedes(*earlier, *later)));
    }
}

/// A table by its places. Two rules of one priority can stand in it for a moment, and then the lower place wins.
pub struct Table {
    places: Vec<Option<FlowRule>>,
    on_miss: OnMiss,
    /// So many places have the rules that counts are asked of.
    written: usize,
}

impl Table {
    /// A set's.
    pub fn of(set: &RuleSet) -> Table {
        let places = set.rules().iter().copied().map(Some).collect();
        Table { places, on_miss: set.on_miss(), written: PLACES }
    }

    /// Whether the rule at a place is of those that counts are asked of.
    pub fn is_written(&self, place: usize) -> bool {
        place < self.written
    }

    /// The place that a frame matches with its rule; or what becomes of it if none.
    pub fn meets(&self, key: Option<&FlowKey>) -> Result<(usize, FlowRule), OnMiss> {
        let matching = |(at, rule): (usize, &Option<FlowRule>)| {
            let rule = (*rule)?;
            rule.pattern.matches(key?).then_some((at, rule))
        };
        let found = self.places.iter().enumerate().filter_map(matching);
        found.min_by_key(|(at, rule)| (rule.priority, *at)).ok_or(self.on_miss)
    }
}
