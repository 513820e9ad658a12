//! The flow table, through its window: words are laid down, and one commit makes them a rule.

use fixwire_offload::flow::{Count, Fate, FlowRule, MaskedKey, OnMiss, RuleRefused, RuleSet};

use crate::bus::{Bus, BusError};

use super::Offload;
use super::counters::CountersError;

/// The largest number of a priority: four bits.
pub(super) const PRIORITY_MAX: u32 = 15;
/// Bits in which the device counts a rule's frames, and its bytes.
pub(super) const COUNT_BITS: u32 = 48;

/// Why the flow table did not take a set of rules, or told no count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// The set does not fit: nothing was written.
    #[error(transparent)]
    Refused(#[from] RuleRefused),
    /// The table has counted other writes than ours.
    #[error(
        "the flow table counts {found} writes where {expected} are ours: someone else writes to it; let one process \
         have the device"
    )]
    Generation {
        /// What it was to count.
        expected: u32,
        /// What it counts.
        found: u32,
    },
    /// Under the driver, while it wrote or counted.
    #[error(
        "the device was reset meanwhile, and has no rules any more: look what resets it, switch on again what is to \
         be on, and install the rules anew"
    )]
    Reset,
    /// No such rule.
    #[error("the flow table has {rules} rules, numbered from 0, and no {rule}")]
    NoRule {
        /// What was asked for.
        rule: usize,
        /// How many there are.
        rules: u8,
    },
    /// The bus failed.
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl<B: Bus> Offload<B> {
    /// Installs all of a set's rules in place of whatever was there, and then what becomes of frames that none
    /// matches. A rule's number in the set is its place in the table.
    ///
    /// Each rule takes effect whole. Frames that pass meanwhile meet some of the old rules and some of the new; what
    /// becomes of one that none matches is asked at its end, of its rule at its headers.
    ///
    /// # Errors
    /// The set does not fit, and nothing was written; or writing failed, or the device was reset meanwhile, and the table was
    /// emptied, as far as the bus let it.
    pub fn install(&self, set: &RuleSet) -> Result<(), FlowError> {
        self.flow_limits().check(set)?;
        self.write_set(set).inspect_err(|_| {
            // None rather than some. Where the bus is gone there is nothing more to be done.
            let _ = self.write_all(&[]);
        })
    }

    /// All of a set, if no reset undoes some of it: the words of a rule would be lost before its commit without a trace in the
    /// count of writes.
    fn write_set(&self, set: &RuleSet) -> Result<(), FlowError> {
        // One that was before this undoes nothing.
        self.notices_reset()?;
        let written = self.write_all(set.rules()).and_then(|()| self.settle(set.on_miss()));
        // Where the bus failed, that is what there is to tell.
        let is_lost = matches!(written, Err(FlowError::Bus(_)));
        if !is_lost && self.notices_reset()? { Err(FlowError::Reset) } else { written }
    }

    /// What becomes of frames that no rule matches.
    fn settle(&self, on_miss: OnMiss) -> Result<(), FlowError> {
        self.words.regs().enables().try_modify(|enables| {
            enables.set_miss_is_ours(on_miss != OnMiss::NotOurs);
            if let OnMiss::Queue(queue) = on_miss {
                enables.set_miss_queue(queue as u8);
            }
        })?;
        Ok(())
    }

    fn write_all(&self, rules: &[FlowRule]) -> Result<(), FlowError> {
        let before = self.flow_generation()?;
        let places = self.found.rules;
        for place in 0..places {
            match rules.get(usize::from(place)) {
                Some(rule) => self.write_rule(place, rule)?,
                None => self.clear_rule(place)?,
            }
        }
        let (expected, found) = (before.wrapping_add(places.into()), self.flow_generation()?);
        if found == expected { Ok(()) } else { Err(FlowError::Generation { expected, found }) }
    }

    /// One rule, that was checked.
    fn write_rule(&self, place: u8, rule: &FlowRule) -> Result<(), BusError> {
        let regs = self.words.regs();
        let MaskedKey { value, mask } = MaskedKey::of(&rule.pattern);
        regs.flow_index().try_write(|index| index.set_index(place))?;
        regs.flow_value_src().try_write(|word| word.set_bits(word_of(value, 96)))?;
        regs.flow_value_dst().try_write(|word| word.set_bits(word_of(value, 64)))?;
        regs.flow_value_ports().try_write(|word| word.set_bits(word_of(value, 32)))?;
        regs.flow_value_kind().try_write(|kind| kind.set_bits(kind_of(value)))?;
        regs.flow_mask_src().try_write(|word| word.set_bits(word_of(mask, 96)))?;
        regs.flow_mask_dst().try_write(|word| word.set_bits(word_of(mask, 64)))?;
        regs.flow_mask_ports().try_write(|word| word.set_bits(word_of(mask, 32)))?;
        regs.flow_mask_kind().try_write(|kind| kind.set_bits(kind_of(mask)))?;
        regs.flow_mark().try_write(|mark| mark.set_mark(rule.actions.mark.unwrap_or(0)))?;
        regs.flow_actions().try_write(|actions| {
            actions.set_enable(true);
            actions.set_drop(rule.actions.fate == Fate::Drop);
            actions.set_marks(rule.actions.mark.is_some());
            actions.set_counts(rule.actions.count);
            actions.set_priority(rule.priority as u8);
            if let Fate::Queue(queue) = rule.actions.fate {
                actions.set_destination(queue as u8);
            }
        })?;
        self.commit(place)
    }

    fn clear_rule(&self, place: u8) -> Result<(), BusError> {
        let regs = self.words.regs();
        regs.flow_index().try_write(|index| index.set_index(place))?;
        regs.flow_actions().try_write(|actions| actions.set_enable(false))?;
        self.commit(place)
    }

    /// What was laid down becomes the rule at the place that it was laid down for, which counts from zero.
    fn commit(&self, place: u8) -> Result<(), BusError> {
        self.flow_counts[usize::from(place)].forget();
        self.words.regs().flow_commit().try_write(|commit| commit.set_commit(true))
    }

    /// How many rules were written since the device's reset. It goes round.
    ///
    /// # Errors
    /// The bus failed.
    pub fn flow_generation(&self) -> Result<u32, BusError> {
        Ok(self.words.regs().flow_generation().try_read()?.writes())
    }

    /// What the rule at a place has matched since it was written, frames and bytes of one moment. Zero for one that does
    /// not count, and for one that went with a reset.
    ///
    /// To be asked at least once in 2^48 bytes of a rule that counts, where the device's own goes round: every 6 h at 100 Gbit/s,
    /// every 25 h at 25, every 2.6 days at 10. What an earlier [`Offload`] was told is not known here. A device before 1.2 tells of no
    /// reset: it is to be found anew after one.
    ///
    /// # Errors
    /// There is no such rule, the bus failed, or the device does not come out of its resets.
    pub fn flow_count(&self, rule: usize) -> Result<Count, FlowError> {
        let rules = self.found.rules;
        let place = u8::try_from(rule).ok().filter(|place| *place < rules);
        let place = place.ok_or(FlowError::NoRule { rule, rules })?;
        let now =
            self.read_counters(|| self.latched_count(place)).map_err(|error| match error {
                CountersError::Resets { .. } => FlowError::Reset,
                CountersError::Bus(error) => FlowError::Bus(error),
            })?;
        let [hits, bytes] = self.flow_counts[usize::from(place)].take(now);
        Ok(Count { hits, bytes })
    }

    /// What the device has counted for the rule at a place, frames and bytes, as far as it counts.
    fn latched_count(&self, place: u8) -> Result<[u64; 2], BusError> {
        let regs = self.words.regs();
        regs.flow_index().try_write(|index| index.set_index(place))?;
        regs.flow_commit().try_write(|commit| commit.set_latch(true))?;
        let hits = (regs.flow_hits_low().try_read()?, regs.flow_hits_high().try_read()?);
        let bytes = (regs.flow_bytes_low().try_read()?, regs.flow_bytes_high().try_read()?);
        let number = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
        Ok([number(hits.0.bits(), hits.1.bits()), number(bytes.0.bits(), bytes.1.bits())])
    }
}

/// 32 bits of a key, from `shift` on.
const fn word_of(key: u128, shift: u32) -> u32 {
    (key >> shift) as u32
}

/// Bits 30 to 16 of a key: ARP, ICMP, the VLAN, TCP.
const fn kind_of(key: u128) -> u16 {
    (key >> 16) as u16 & 0x7fff
}
