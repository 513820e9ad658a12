//! What has happened to the device, and how full its receive buffer was: registers that change by being reached, since
//! version 1.2.

use bitfield_struct::bitfield;
use peakrdl_rust::reg::Register as _;

use crate::bus::{Access, Bus, BusError, Fault};

use super::Offload;
use super::counters::{CountersError, Widened};

/// Looks in a row that resets may undo before there is an answer.
const LOOKS_MAX: u32 = 4;

/// What has happened, a bit of the register each.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct Events {
    /// The device came out of a reset: what was set is as at first.
    pub was_reset: bool,
    /// A received frame was dropped: [`last_drop`](Offload::last_drop) says why.
    pub rx_drop: bool,
    /// Among them was one that the receive buffer had no room for: the host is too slow.
    pub rx_overflow: bool,
    /// A frame to send was dropped: [`tx_last_drop`](Offload::tx_last_drop) says why.
    pub tx_drop: bool,
    /// The flow table was written to, or asked for counts, at a place that it does not have: not by this driver.
    pub flow_refused: bool,
    /// The clock was to be set to a time that is none: not by this driver.
    pub step_refused: bool,
    #[bits(26)]
    __: u32,
}

/// What the receive buffer holds, or has room for.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct Held {
    /// Bytes, by whole beats of the stream.
    pub bytes: u16,
    /// Frames.
    pub frames: u16,
}

impl Events {
    /// Bits that have a name here; others are of a newer device, and left alone.
    const NAMED: u32 = 0x3f;
    /// The bit that no version of the map will have: it is up where all ones came in place of an answer.
    const NEVER: u32 = 1 << 31;
    /// Where they stand in `regs/offload.rdl`.
    const AT: u16 = 0x188;

    /// What of a register has a name.
    const fn named(word: u32) -> Events {
        Events::from_bits(word & Events::NAMED)
    }

    const fn and(self, other: Events) -> Events {
        Events::from_bits(self.into_bits() | other.into_bits())
    }
}

impl<B: Bus> Offload<B> {
    /// What has happened since this was asked last, each at least once; or since the device had power, where nobody has
    /// asked. `None` of a device before 1.2, which does not tell.
    ///
    /// What happens meanwhile is told now or the next time. Where the bus fails nothing that was heard is lost.
    ///
    /// # Errors
    /// The bus failed.
    pub fn take_events(&self) -> Result<Option<Events>, BusError> {
        if !self.tells_events() {
            return Ok(None);
        }
        let events = self.look()?;
        self.clear(events)?;
        Ok(Some(self.untold.take()))
    }

    /// What [`take_events`](Offload::take_events) would tell now, and it stays so: for whoever polls. Beside what stands in the
    /// device that is what the driver has taken out of it and not told yet: a look at counters takes a reset. One read.
    ///
    /// # Errors
    /// The bus failed.
    pub fn events(&self) -> Result<Option<Events>, BusError> {
        if !self.tells_events() {
            return Ok(None);
        }
        Ok(Some(self.look()?.and(self.untold.get())))
    }

    /// The most that the receive buffer held at a time since this was asked last. `None` of a device before 1.2.
    ///
    /// # Errors
    /// The bus failed. Where the answer was lost on its way, so is what it said.
    pub fn take_rx_peak(&self) -> Result<Option<Held>, BusError> {
        if !self.tells_events() {
            return Ok(None);
        }
        Ok(Some(Held::from_bits(self.words.regs().rx_peak().try_read()?.to_raw())))
    }

    /// What the receive buffer has room for: frames are dropped where either is not enough. `None` of a device before 1.2.
    ///
    /// # Errors
    /// The bus failed.
    pub fn rx_buffer(&self) -> Result<Option<Held>, BusError> {
        if !self.tells_events() {
            return Ok(None);
        }
        Ok(Some(Held::from_bits(self.words.regs().rx_buffer().try_read()?.to_raw())))
    }

    /// Counters as they are, whatever became of those that were read last. A reset is asked for after each look: what was
    /// read before it says nothing of what counts since.
    pub(super) fn read_counters<R>(
        &self,
        read: impl Fn() -> Result<R, BusError>,
    ) -> Result<R, CountersError> {
        for _ in 0..LOOKS_MAX {
            let now = read()?;
            if !self.notices_reset()? {
                return Ok(now);
            }
        }
        Err(CountersError::Resets { looks: LOOKS_MAX })
    }

    /// Whether the device was reset since this was asked last, or [`take_events`](Offload::take_events) was.
    pub(super) fn notices_reset(&self) -> Result<bool, BusError> {
        if !self.tells_events() {
            return Ok(false);
        }
        let was_reset = self.look()?.was_reset();
        self.clear(Events::new().with_was_reset(was_reset))?;
        Ok(was_reset)
    }

    /// What stands in the device.
    fn look(&self) -> Result<Events, BusError> {
        let word = self.words.regs().events().try_read()?.to_raw();
        if word & Events::NEVER != 0 {
            return Err(BusError { at: Events::AT, access: Access::Read, fault: Fault::Gone });
        }
        Ok(Events::named(word))
    }

    /// Clears what was heard, once it is kept: of others that happen meanwhile the device tells the next time.
    fn clear(&self, events: Events) -> Result<(), BusError> {
        if events == Events::new() {
            return Ok(());
        }
        self.untold.set(self.untold.get().and(events));
        if events.was_reset() {
            self.counters.begin_anew();
            self.tx_counters.begin_anew();
            self.flow_counts.iter().for_each(Widened::forget);
        }
        self.words.regs().events().try_write(|word| {
            word.set_was_reset(events.was_reset());
            word.set_rx_drop(events.rx_drop());
            word.set_rx_overflow(events.rx_overflow());
            word.set_tx_drop(events.tx_drop());
            word.set_flow_refused(events.flow_refused());
            word.set_step_refused(events.step_refused());
        })
    }

    /// Whether there are registers of them: since 1.2.
    fn tells_events(&self) -> bool {
        self.found.version.1 >= 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Counters, CountersError, DropReason, TxCounters};
    use crate::regs::components::offload_regs as map;
    use crate::{Fake, Recording};

    fn found(fake: Fake) -> Offload<Recording<Fake>> {
        let offload = Offload::find(Recording::new(fake)).unwrap();
        offload.bus().take();
        offload
    }

    fn taken(offload: &Offload<Recording<Fake>>) -> Events {
        offload.take_events().unwrap().unwrap()
    }

    /// Out of its reset, which was told.
    fn quiet() -> Offload<Recording<Fake>> {
        let offload = found(Fake::default());
        assert_eq!(taken(&offload), Events::new().with_was_reset(true));
        offload.bus().take();
        offload
    }

    #[test]
    fn bits_are_where_the_map_has_them() {
        use map::events::Events as Bits;
        use map::rx_buffer::RxBuffer;
        use map::rx_peak::RxPeak;
        let none = Events::new();
        for (events, at) in [
            (none.with_was_reset(true), Bits::WAS_RESET_OFFSET),
            (none.with_rx_drop(true), Bits::RX_DROP_OFFSET),
            (none.with_rx_overflow(true), Bits::RX_OVERFLOW_OFFSET),
            (none.with_tx_drop(true), Bits::TX_DROP_OFFSET),
            (none.with_flow_refused(true), Bits::FLOW_REFUSED_OFFSET),
            (none.with_step_refused(true), Bits::STEP_REFUSED_OFFSET),
        ] {
            assert_eq!(
                (events.into_bits(), Events::named(u32::MAX).and(events)),
                (1 << at, Events::named(u32::MAX))
            );
        }
        assert_eq!((Events::NAMED.count_ones(), Events::NAMED & Events::NEVER), (6, 0));
        let offsets = [
            RxPeak::BYTES_OFFSET,
            RxBuffer::BYTES_OFFSET,
            RxPeak::FRAMES_OFFSET,
            RxBuffer::FRAMES_OFFSET,
        ];
        assert_eq!(
            offsets,
            [Held::BYTES_OFFSET, Held::BYTES_OFFSET, Held::FRAMES_OFFSET, Held::FRAMES_OFFSET]
        );
    }

    #[test]
    fn an_event_is_told_once_and_cleared_by_its_bit() {
        let offload = quiet();
        offload.bus().inner().counts(3, 2);
        offload.bus().inner().counts_sent(3, 1);
        let events = Events::new().with_rx_drop(true).with_rx_overflow(true).with_tx_drop(true);
        assert_eq!(taken(&offload), events);
        let passed = offload.bus().take();
        let passed: Vec<_> = passed.iter().map(|one| (one.access, one.at, one.word)).collect();
        let word = Ok(events.into_bits());
        assert_eq!(passed, [(Access::Read, 0x188, word), (Access::Write, 0x188, word)]);
        assert_eq!(taken(&offload), Events::new());
        // Where nothing has happened nothing is cleared.
        assert_eq!(offload.bus().take().len(), 1);
    }

    #[test]
    fn what_happens_between_the_look_and_the_clearing_is_told_the_next_time() {
        let offload = quiet();
        offload.bus().inner().counts(1, 1);
        offload.bus().inner().drops_before(1, 3);
        let dropped = Events::new().with_rx_drop(true);
        assert_eq!(taken(&offload), dropped);
        // The second drop is within what was told; that it was for want of room is not.
        assert_eq!(taken(&offload), Events::new().with_rx_overflow(true));
        assert_eq!(taken(&offload), Events::new());
    }

    #[test]
    fn what_was_heard_before_the_bus_failed_is_told_after() {
        for accesses in 0..2 {
            let offload = quiet();
            let fake = offload.bus().inner();
            fake.counts(5, 1);
            fake.fails_once_after(accesses, Fault::Silent { cycles: 9 });
            assert!(offload.take_events().is_err());
            assert_eq!(taken(&offload), Events::new().with_rx_drop(true));
            assert_eq!(taken(&offload), Events::new());
        }
    }

    #[test]
    fn what_others_asked_for_in_vain_is_told_and_changes_nothing() {
        let offload = quiet();
        let (bus, none) = (offload.bus(), Events::new());
        // A place that the table does not have, written to and asked of.
        for commit in [1, 2] {
            bus.write32(0x020, 16).unwrap();
            bus.write32(0x04c, commit).unwrap();
            assert_eq!(taken(&offload), none.with_flow_refused(true));
            assert_eq!((bus.read32(0x020), bus.read32(0x050)), (Ok(16), Ok(0)));
        }
        bus.write32(0x04c, 0).unwrap();
        assert_eq!(taken(&offload), none);
        // And a time that is none.
        bus.write32(0x090, 1_000_000_000).unwrap();
        bus.write32(0x094, 2).unwrap();
        assert_eq!(taken(&offload), none.with_step_refused(true));
        assert_eq!(offload.now().unwrap().generation, 0);
        bus.write32(0x090, 999_999_999).unwrap();
        bus.write32(0x094, 2).unwrap();
        assert_eq!((taken(&offload), offload.now().unwrap().generation), (none, 1));
    }

    #[test]
    fn the_buffer_s_peak_begins_anew_with_each_look() {
        let offload = quiet();
        let held = |bytes, frames| Ok(Some(Held::new().with_bytes(bytes).with_frames(frames)));
        let fake = offload.bus().inner();
        assert_eq!(offload.rx_buffer(), held(32_768, 256));
        assert_eq!(offload.take_rx_peak(), held(0, 0));
        fake.holds(0x8000, 2);
        fake.holds(640, 10);
        fake.holds(320, 5);
        // Each of its own moment.
        assert_eq!(offload.take_rx_peak(), held(0x8000, 10));
        assert_eq!(offload.take_rx_peak(), held(320, 5));
        fake.holds(0, 0);
        assert_eq!(offload.take_rx_peak(), held(320, 5));
        assert_eq!(offload.take_rx_peak(), held(0, 0));
    }

    #[test]
    fn a_device_before_1_2_is_not_asked() {
        let fake = Fake::default();
        fake.says(1, 1 << 16 | 1);
        let offload = found(fake);
        assert_eq!(offload.take_events(), Ok(None));
        assert_eq!(offload.events(), Ok(None));
        assert_eq!((offload.take_rx_peak(), offload.rx_buffer()), (Ok(None), Ok(None)));
        assert_eq!(offload.bus().take(), []);
        offload.bus().inner().counts(0, 3);
        assert_eq!(offload.counters().unwrap().delivered, 3);
        assert_eq!(offload.bus().take().len(), 6);
    }

    #[test]
    fn counters_go_on_over_a_reset_under_the_driver() {
        let offload = quiet();
        let fake = offload.bus().inner();
        fake.counts(0, 20);
        fake.counts(4, 5);
        fake.counts_sent(0, 9);
        let before = Counters { delivered: 20, not_ours: 5, ..Counters::default() };
        let sent_before = TxCounters { finished: 9, ..TxCounters::default() };
        assert_eq!((offload.counters(), offload.tx_counters()), (Ok(before), Ok(sent_before)));
        // One frame after it: less than there were, and more than there were.
        fake.resets();
        fake.counts(0, 1);
        fake.counts(4, 7);
        fake.counts_sent(0, 2);
        let after = Counters { delivered: 21, not_ours: 12, ..Counters::default() };
        let sent_after = TxCounters { finished: 11, ..TxCounters::default() };
        assert_eq!((offload.counters(), offload.tx_counters()), (Ok(after), Ok(sent_after)));
        // The counters' look takes it from nobody who asks for events.
        assert_eq!(taken(&offload), Events::new().with_was_reset(true).with_rx_drop(true));
        assert_eq!((taken(&offload), offload.counters()), (Events::new(), Ok(after)));
        assert_eq!(offload.last_drop(), Ok(Some(DropReason::NotOurs)));
        // And the other way round.
        fake.resets();
        fake.counts(0, 2);
        assert!(taken(&offload).was_reset());
        assert_eq!(offload.counters().unwrap().delivered, 23);
    }

    #[test]
    fn a_reset_at_any_access_of_a_look_makes_no_counter_jump() {
        // Six counters, and the events.
        for accesses in 0..7 {
            let offload = quiet();
            let fake = offload.bus().inner();
            fake.counts(0, 20);
            fake.counts(5, 20);
            offload.counters().unwrap();
            fake.counts(5, 1);
            fake.resets_before(accesses);
            offload.counters().unwrap();
            fake.counts(0, 3);
            fake.counts(5, 3);
            let counters = offload.counters().unwrap();
            // The frame between the last look and the reset is in none.
            let expected = Counters { delivered: 23, flow_drop: 23, ..Counters::default() };
            assert_eq!(counters, expected, "access {accesses}");
        }
    }

    #[test]
    fn a_second_reset_within_one_look_makes_no_counter_jump_either() {
        // Behind six counters and the event's two accesses the six are read once more, the last by access 13.
        for accesses in 8..14 {
            let offload = quiet();
            let fake = offload.bus().inner();
            fake.counts(5, 20);
            offload.counters().unwrap();
            fake.resets();
            fake.resets_before(accesses);
            fake.drops_before(13, 5);
            let expected = Counters { flow_drop: 21, ..Counters::default() };
            assert_eq!(offload.counters(), Ok(expected), "access {accesses}");
            assert_eq!(offload.counters(), Ok(expected), "after access {accesses}");
        }
    }

    #[test]
    fn a_device_that_does_not_come_out_of_its_resets_is_told_of_and_no_counter_jumps() {
        let offload = quiet();
        let fake = offload.bus().inner();
        fake.counts(0, 20);
        offload.counters().unwrap();
        fake.resets_always(true);
        let resets = CountersError::Resets { looks: 4 };
        assert_eq!(offload.counters(), Err(resets));
        assert_eq!(offload.tx_counters(), Err(resets));
        assert!(resets.to_string().contains("look what resets it"), "{resets}");
        fake.resets_always(false);
        fake.counts(0, 3);
        assert_eq!(offload.counters().unwrap().delivered, 23);
    }

    #[test]
    fn whoever_polls_learns_of_a_reset_that_a_look_at_counters_has_heard() {
        for is_sent in [false, true] {
            let offload = quiet();
            let (was_reset, none) = (Events::new().with_was_reset(true), Events::new());
            let polled = || offload.events().unwrap().unwrap();
            assert_eq!(polled(), none);
            offload.bus().inner().resets();
            assert_eq!(polled(), was_reset);
            if is_sent {
                offload.tx_counters().unwrap();
            } else {
                offload.counters().unwrap();
            }
            // The device has told.
            assert_eq!(offload.bus().read32(0x188), Ok(0));
            assert_eq!((polled(), polled()), (was_reset, was_reset));
            offload.bus().inner().counts(5, 1);
            let both = was_reset.with_rx_drop(true);
            assert_eq!((polled(), taken(&offload), polled()), (both, both, none));
        }
    }

    #[test]
    fn a_reset_that_could_not_be_cleared_is_one_still() {
        for accesses in 6..8 {
            let offload = quiet();
            let fake = offload.bus().inner();
            fake.counts(0, 20);
            offload.counters().unwrap();
            fake.resets();
            fake.counts(0, 1);
            fake.fails_once_after(accesses, Fault::Gone);
            assert!(offload.counters().is_err());
            assert_eq!(offload.counters().unwrap().delivered, 21, "access {accesses}");
        }
    }
}
