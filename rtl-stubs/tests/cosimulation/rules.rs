//! Rules that frames of a batch meet, at random.

use fixwire_offload::flow::{
    AddrMatch, Carries, Fate, FlowKey, FlowRule, OnMiss, Pattern, PortMatch, RuleSet, TcpMatch,
    VlanId,
};

use super::frames::Frames;

/// Places in the table, priorities and queues.
const PLACES: usize = 16;

/// As many rules as there is room for or fewer, made of what the frames of `keys` are.
pub fn some(keys: &[FlowKey], chance: &mut Frames) -> RuleSet {
    let mut priorities: Vec<u32> = (0..PLACES as u32).collect();
    let count = [0, 1, 3, 8, 12, PLACES][chance.number(6)];
    let rules = (0..count).map(|_| {
        let priority = priorities.swap_remove(chance.number(priorities.len()));
        let fate = match chance.number(4) {
            0 => Fate::Drop,
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
        0 => OnMiss::NotOurs,
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
/// becomes of a miss is settled after them, and asked at a frame's end, where its rule was looked up at its headers.
pub fn between(from: &RuleSet, to: &RuleSet) -> Vec<Table> {
    let place = |set: &RuleSet, place: usize| set.rules().get(place).copied();
    let table = |written: usize, on_miss| {
        let places = (0..PLACES).map(|at| place(if at < written { to } else { from }, at));
        Table { places: places.collect(), on_miss }
    };
    let both = |written| [from, to].map(|set| table(written, set.on_miss()));
    (0..=PLACES).flat_map(both).collect()
}

/// A table by its places. Two rules of one priority can stand in it for a moment, and then the lower place wins.
pub struct Table {
    places: Vec<Option<FlowRule>>,
    on_miss: OnMiss,
}

impl Table {
    /// A set's.
    pub fn of(set: &RuleSet) -> Table {
        Table { places: set.rules().iter().copied().map(Some).collect(), on_miss: set.on_miss() }
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
