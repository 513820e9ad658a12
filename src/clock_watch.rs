//! Between rounds: what a clock service finds out of the device's clock reaches the engine, and stamps
//! become times, counted.

use crate::app::Application;
use crate::engine::Engine;
use crate::offload::RxStamp;
use crate::offload::clock::{Conversions, Lapse, Reader, Refusal, StampTime};
use crate::offload::nic::Nic;

/// The device's clock has begun a new life: stamps from before and after do not compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewLife {
    /// Its number.
    pub generation: u16,
    /// Why the one before it ended.
    pub why: Lapse,
}

/// Watches a device's clock for an engine, on the engine's thread and off the packet's path.
#[derive(Debug)]
pub struct ClockWatch {
    reader: Reader,
    generation: u16,
    conversions: Conversions,
}

impl ClockWatch {
    /// A watch by what `reader` reads, from the engine's start on.
    pub fn new(reader: Reader) -> ClockWatch {
        ClockWatch { reader, generation: 0, conversions: Conversions::default() }
    }

    /// Lets `engine` know of a new life of its device's clock, and says so. To be called between rounds, as
    /// often as one likes: nothing new costs a load.
    pub fn look<N: Nic, A: Application>(&mut self, engine: &mut Engine<N, A>) -> Option<NewLife> {
        let mapping = self.reader.mapping();
        let generation = mapping.device_generation();
        if generation == self.generation {
            return None;
        }
        self.generation = generation;
        engine.on_clock_generation(generation);
        // Whose first life is over has a reason.
        let why = mapping.device_ended().unwrap_or(Lapse::Jumped);
        Some(NewLife { generation, why })
    }

    /// When `stamp` was taken, by the wall clock, and counts what became of it. `received` is the host's
    /// counter when it was in hand.
    ///
    /// # Errors
    /// [`Refusal`], when no bound could be given.
    pub fn convert(&mut self, stamp: &RxStamp, received: u64) -> Result<StampTime, Refusal> {
        let converted = self.reader.convert(stamp, received);
        self.conversions.count(&converted);
        converted
    }

    /// What became of those.
    pub fn conversions(&self) -> &Conversions {
        &self.conversions
    }
}
