//! The offload blocks of `rtl-stubs/` in the place of a model's own: the Verilated design steers, judges and counts, and
//! what it hands over is what is received; it finishes checksums, and what it lets out is what is sent.
//!
//! Its time is cycles, which pass only while a frame goes through or a register is reached. They are no time of the
//! wire's, so that it offers no stamps here.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;

use fixwire_offload::capability::Capability;
use fixwire_offload::flow::{Count, RuleSet};
use fixwire_offload::nic::TxMeta;
use fixwire_offload::plan::{Capabilities, Provider};
use fixwire_rtl::Offload;
use fixwire_rtl::design::{Built, Received, Simulation};
use fixwire_rtl::driver::{DropReason, FindError, Finishes, Verdicts};

pub use fixwire_rtl::design::Width;

use super::model::{Model, Parser, VerdictStyle};

/// Why there are no stamps of it.
const NO_STAMPS: &str =
    "the design's clock counts simulated cycles, which are no time of the wire's";

/// A design to build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Design {
    /// The width of its stream.
    pub width: Width,
    /// Draws what its state is before the reset.
    pub seed: u32,
    /// Where to write waves (FST), from the first cycle on.
    pub waves: Option<PathBuf>,
}

impl Design {
    fn found(&self, with_waves: bool) -> Result<Offload<RefCell<Simulation>>, FindError> {
        let waves = self.waves.as_deref().filter(|_| with_waves);
        let built = Built { width: self.width, seed: self.seed, waves };
        // What cannot be built answers nothing; every width is.
        let simulation = Simulation::new(built).map_err(|_| FindError::Identity { found: 0 })?;
        Offload::find(RefCell::new(simulation))
    }
}

impl Model {
    /// A NIC that receives and sends by the design. What it can do the driver has read off its registers.
    ///
    /// # Errors
    /// The driver does not know the design: it is of another version.
    pub fn of_design(design: Design) -> Result<Model, FindError> {
        let capabilities = capabilities(&design.found(false)?);
        Ok(Model {
            name: "rtl".into(),
            capabilities,
            verdicts: VerdictStyle::GoodOrBad,
            parser: Parser::WHOLE,
            design: Some(design),
            ..Model::bare()
        })
    }
}

fn capabilities(offload: &Offload<RefCell<Simulation>>) -> Capabilities {
    let stamps = [Capability::RxTimestamp, Capability::RxTimestampRealTime];
    let all = offload.capabilities(Provider::Model);
    stamps.into_iter().fold(all, |all, stamp| all.denied(stamp, NO_STAMPS.into()))
}

/// What became of a frame.
pub(super) enum Fate {
    Came(Received),
    Dropped(Option<DropReason>),
}

/// The blocks at one end of the wire.
pub(super) struct Blocks {
    offload: Offload<RefCell<Simulation>>,
}

impl Blocks {
    /// Out of their reset, or why not.
    pub(super) fn new(design: &Design) -> Result<Blocks, String> {
        let offload = design.found(true).map_err(|error| error.to_string())?;
        Ok(Blocks { offload })
    }

    /// Has them judge and finish these, and steer by `rules`.
    pub(super) fn set_up(
        &self,
        verdicts: Verdicts,
        finishes: Finishes,
        rules: &RuleSet,
    ) -> Result<(), String> {
        self.offload.judge(verdicts).map_err(|error| error.to_string())?;
        self.offload.finish(finishes).map_err(|error| error.to_string())?;
        self.install(rules)
    }

    pub(super) fn install(&self, rules: &RuleSet) -> Result<(), String> {
        self.offload.install(rules).map_err(|error| error.to_string())
    }

    pub(super) fn count(&self, rule: usize) -> Option<Count> {
        self.offload.flow_count(rule).ok()
    }

    /// One frame to send, all the way through, as it leaves; `None` where it does not.
    pub(super) fn transmit(&self, frame: &[u8], meta: TxMeta) -> Option<Vec<u8>> {
        let mut simulation = self.offload.bus().borrow_mut();
        simulation.transmit(frame, meta);
        simulation.run_until_quiet();
        simulation.next_transmitted()
    }

    /// One frame from the wire, all the way through.
    pub(super) fn carry(&self, frame: &[u8]) -> Fate {
        let received = {
            let mut simulation = self.offload.bus().borrow_mut();
            simulation.send(frame);
            simulation.run_until_quiet();
            simulation.next_received()
        };
        match received {
            Some(received) => Fate::Came(received),
            None => Fate::Dropped(self.offload.last_drop().ok().flatten()),
        }
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blocks({:?})", self.offload.found())
    }
}
