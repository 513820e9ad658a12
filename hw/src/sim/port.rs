//! A modelled device behind its driver, and the steps of its life.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use fixwire_offload::Plan;
use fixwire_offload::capability::Capability;
use fixwire_offload::driver::{Driver, IsolationOrder, RuleOrder};
use fixwire_offload::flow::{Classifier, OnMiss, RuleSet};
use fixwire_offload::observe::NicCounters;
use fixwire_offload::time::{Instant, UtcTime};
#[cfg(feature = "rtl")]
use fixwire_rtl::driver::{Finishes, Verdicts};

use super::clock::ModelClock;
use super::departures::Departures;
#[cfg(feature = "rtl")]
use super::design::Blocks;
use super::faults::{NicDice, NicFaults};
use super::live_clock::LiveClock;
use super::model::Model;
use super::receive::Ring;
use crate::clock::HostClock;

/// The one queue of ours that is polled.
pub(super) const OUR_QUEUE: u16 = 0;

/// A step that a modelled driver does not take, as the driver says it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimError {
    /// It has no isolated mode.
    #[error("{driver} has no isolated mode (ENOSYS)")]
    NeverIsolates {
        /// The driver.
        driver: &'static str,
    },
    /// Isolation after start.
    #[error("{driver} isolates a port that is stopped, and this one has started (EBUSY)")]
    IsolatedLate {
        /// The driver.
        driver: &'static str,
    },
    /// Configured while it runs.
    #[error("{driver} configures a port that is stopped, and this one has started (EBUSY)")]
    ConfiguredLate {
        /// The driver.
        driver: &'static str,
    },
    /// Started before it was configured.
    #[error("{driver} starts a port that is configured, and this one is not (EINVAL)")]
    StartedEarly {
        /// The driver.
        driver: &'static str,
    },
    /// The RTL did not take what it was told.
    #[error("the RTL was not set up: {why}")]
    Design {
        /// Why, in its driver's words.
        why: String,
    },
}

/// What the plan told the NIC to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uses {
    pub(super) rx_ipv4: bool,
    pub(super) rx_tcp: bool,
    pub(super) tx_ipv4: bool,
    pub(super) tx_tcp: bool,
    pub(super) stamp: bool,
    pub(super) tx_stamp: bool,
    pub(super) real_time: bool,
}

impl Uses {
    /// What `plan` asks for and `model` does not refuse.
    pub(super) fn new(plan: &Plan, model: &Model) -> Uses {
        let refuses = |wanted| model.refuses.iter().any(|(refused, _)| *refused == wanted);
        let uses = |capability| plan.uses(capability) && !refuses(capability);
        Uses {
            rx_ipv4: uses(Capability::RxIpv4Checksum),
            rx_tcp: uses(Capability::RxTcpChecksum),
            tx_ipv4: uses(Capability::TxIpv4Checksum),
            tx_tcp: uses(Capability::TxTcpChecksum),
            stamp: uses(Capability::RxTimestamp),
            tx_stamp: uses(Capability::TxTimestamp),
            real_time: uses(Capability::RxTimestampRealTime),
        }
    }
}

impl Uses {
    /// Whether it stamps anything.
    pub(super) fn stamps(&self) -> bool {
        self.stamp || self.tx_stamp
    }
}

/// How far a port has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Found,
    Configured,
    Started,
}

/// One end's device.
pub(super) struct Port {
    pub(super) model: Model,
    pub(super) uses: Uses,
    pub(super) counters: NicCounters,
    /// How many frames it has judged.
    pub(super) judged: u64,
    step: Step,
    pub(super) isolated: bool,
    /// The rules installed, if any are.
    pub(super) table: Option<Classifier>,
    pub(super) ring: Ring,
    pub(super) departures: Departures,
    pub(super) faults: NicFaults,
    /// How far its clock has jumped by them, for those who read it on other threads.
    jump_ns: Arc<AtomicI64>,
    pub(super) dice: NicDice,
    /// The RTL that receives and sends, or why there is none.
    #[cfg(feature = "rtl")]
    pub(super) blocks: Option<Result<Blocks, String>>,
    /// How long its clock had wandered at the wire's origin.
    wandered_ns: u64,
    utc_origin: UtcTime,
}

impl Port {
    /// A device that was found, with room for `rx_descriptors` frames that wait to be polled.
    pub(super) fn new(
        model: Model,
        rx_descriptors: usize,
        utc_origin: UtcTime,
        mut dice: NicDice,
    ) -> Port {
        Port {
            faults: model.faults,
            jump_ns: Arc::new(AtomicI64::new(model.faults.clock_jump_ns)),
            wandered_ns: dice.wandered_ns(model.clock.wander_period_ms),
            dice,
            utc_origin,
            #[cfg(feature = "rtl")]
            blocks: model.design.as_ref().map(Blocks::new),
            model,
            uses: Uses::default(),
            counters: NicCounters::default(),
            judged: 0,
            step: Step::Found,
            isolated: false,
            table: None,
            ring: Ring::new(rx_descriptors),
            departures: Departures::new(),
        }
    }

    /// Sets it up as `plan` says: isolation first, then the rest. Says what it refuses of the plan.
    pub(super) fn set_up(&mut self, plan: &Plan) -> Result<Vec<(Capability, String)>, SimError> {
        let isolated = plan.uses(Capability::FlowIsolation);
        if isolated || self.isolated {
            self.isolate(isolated)?;
        }
        self.configure(Uses::new(plan, &self.model))?;
        let asked = |(capability, _): &&(Capability, String)| plan.uses(*capability);
        Ok(self.model.refuses.iter().filter(asked).cloned().collect())
    }

    /// Keeps frames that no rule matches away, or lets them in (rte_flow_isolate).
    pub(super) fn isolate(&mut self, isolated: bool) -> Result<(), SimError> {
        let Driver { name: driver, isolation, .. } = self.model.capabilities.driver;
        match isolation {
            IsolationOrder::Never => return Err(SimError::NeverIsolates { driver }),
            _ if self.is_started() => return Err(SimError::IsolatedLate { driver }),
            // What was configured before does not hold any more.
            IsolationOrder::BeforeConfigure => self.step = Step::Found,
            IsolationOrder::WhileStopped => {}
        }
        self.isolated = isolated;
        Ok(())
    }

    /// Sets it up (rte_eth_dev_configure and the queues). Rules of an earlier set-up are gone.
    pub(super) fn configure(&mut self, uses: Uses) -> Result<(), SimError> {
        if self.is_started() {
            return Err(SimError::ConfiguredLate { driver: self.driver() });
        }
        self.uses = uses;
        self.table = None;
        #[cfg(feature = "rtl")]
        self.set_up_blocks().map_err(|why| SimError::Design { why })?;
        self.step = Step::Configured;
        Ok(())
    }

    /// Has the RTL judge and finish what the plan leaves to it, and steer by no rule.
    #[cfg(feature = "rtl")]
    fn set_up_blocks(&self) -> Result<(), String> {
        let Some(blocks) = &self.blocks else { return Ok(()) };
        let verdicts = Verdicts { ipv4: self.uses.rx_ipv4, tcp: self.uses.rx_tcp };
        let finishes = Finishes { ipv4: self.uses.tx_ipv4, tcp: self.uses.tx_tcp };
        let on_miss = if self.isolated { OnMiss::NotOurs } else { OnMiss::Queue(OUR_QUEUE) };
        let blocks = blocks.as_ref().map_err(String::clone)?;
        blocks.set_up(verdicts, finishes, &RuleSet::EMPTY.on_missing(on_miss))
    }

    /// Lets frames pass (rte_eth_dev_start).
    pub(super) fn start(&mut self) -> Result<(), SimError> {
        if self.step == Step::Found {
            return Err(SimError::StartedEarly { driver: self.driver() });
        }
        self.step = Step::Started;
        Ok(())
    }

    /// Lets no frame pass any more (rte_eth_dev_stop). What waits to be polled is lost, and so are the
    /// rules of a driver that takes them once the port has started.
    pub(super) fn stop(&mut self) {
        if !self.is_started() {
            return;
        }
        self.step = Step::Configured;
        self.ring.clear();
        self.departures.clear();
        let keeps = self.model.capabilities.driver.rules == RuleOrder::AfterConfigure;
        if !keeps || self.faults.loses_rules {
            self.table = None;
        }
    }

    /// Installs all rules in place of those before, or none (rte_flow_create).
    pub(super) fn install(&mut self, rules: &RuleSet) -> Result<(), String> {
        let driver = self.driver();
        match self.model.capabilities.driver.rules {
            RuleOrder::Never => return Err(format!("{driver} has no flow table (ENOSYS)")),
            RuleOrder::AfterStart if !self.is_started() => {
                return Err(format!("{driver} takes rules once the port has started (ENODEV)"));
            }
            RuleOrder::AfterConfigure if self.step == Step::Found => {
                return Err(format!("{driver} takes rules once the port is configured (EINVAL)"));
            }
            RuleOrder::AfterStart | RuleOrder::AfterConfigure => {}
        }
        if self.faults.refuses_rules {
            return Err(format!("{driver} has no room for it (ENOSPC)"));
        }
        if self.faults.refuses_priorities && rules.rules().iter().any(|rule| rule.priority > 0) {
            return Err(format!("{driver} knows priority 0 alone (ENOTSUP)"));
        }
        self.model.capabilities.flow.check(rules).map_err(|refused| refused.to_string())?;
        // Isolation is the port's, whatever the rules think of it.
        let on_miss = match rules.on_miss() {
            _ if self.isolated => OnMiss::NotOurs,
            OnMiss::NotOurs => OnMiss::Queue(OUR_QUEUE),
            queue => queue,
        };
        let rules = rules.clone().on_missing(on_miss);
        let table = Classifier::new(&rules);
        self.table = Some(table.map_err(|refused| refused.to_string())?);
        #[cfg(feature = "rtl")]
        if let Some(Ok(blocks)) = &self.blocks {
            blocks.install(&rules).inspect_err(|_| self.table = None)?;
        }
        Ok(())
    }

    /// The clock as it is set up.
    pub(super) fn clock(&self) -> ModelClock {
        let clock = self.model.clock;
        if self.uses.real_time { clock.in_real_time(self.utc_origin) } else { clock }
    }

    /// What its clock reads at a moment, as its faults stand now.
    pub(super) fn clock_at(&self, at: Instant) -> u64 {
        self.clock().reads(at, self.wandered_ns, self.faults.clock_jump_ns)
    }

    /// The same clock in the host's time; `None` where it stamps nothing.
    pub(super) fn live_clock(&self) -> Option<LiveClock> {
        self.uses.stamps().then(|| LiveClock {
            clock: self.clock(),
            wandered_ns: self.wandered_ns,
            jump_ns: Arc::clone(&self.jump_ns),
            host: HostClock::new(),
            dice: self.dice.clone(),
        })
    }

    /// Misbehaves like this from now on.
    pub(super) fn set_faults(&mut self, faults: NicFaults) {
        self.faults = faults;
        self.jump_ns.store(faults.clock_jump_ns, Ordering::Relaxed);
    }

    pub(super) fn is_started(&self) -> bool {
        self.step == Step::Started
    }

    fn driver(&self) -> &'static str {
        self.model.capabilities.driver.name
    }
}
