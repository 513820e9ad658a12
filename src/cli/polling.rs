//! Polls an engine from outside: rounds, idle cores, where the thread runs, and a bounded end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fixwire::app::Application;
use fixwire::engine::Engine;
use fixwire::offload::nic::Nic;
use fixwire::offload::profile::{Core, Idle, Profile};
use fixwire::time::Clock;
use fixwire_hw::clock::HostClock;
use fixwire_hw::core;
use fixwire_hw::large_pages::{self, Gathered};

use super::clocks::Looks;
use super::failure::Failure;
use super::hand_over::{Given, Giving, Taken, giving};
use super::kernel_side::Neighborhood;
use super::operations::Operations;
use super::signals;
use super::telling::{Teller, Voice};

/// Rounds between two looks at everything that is not a packet.
const ROUNDS_PER_LOOK: u32 = 256;
/// As many rounds is one after which the core is lent out: on a busy machine it comes back milliseconds later.
const ROUNDS_PER_LOAN: u32 = 64;
/// Empty rounds before a core that may be lent out is.
const IDLE_ROUNDS: u32 = 2_000;
/// From so many connections on their buffers are more pages of 4 KiB than a core remembers the places of.
const CROWD: usize = 256;
/// How long sessions may take to log out at the end.
const LOG_OUT_WITHIN: Duration = Duration::from_secs(5);

/// An engine, and how it is polled. `beside` polls what else this thread polls: the far side of a
/// simulated wire.
pub(crate) struct Polling<'a, N: Nic, A: Application> {
    pub(crate) engine: &'a mut Engine<N, A>,
    clock: &'a HostClock,
    idle: Idle,
    empty: u32,
    beside: &'a mut dyn FnMut(),
    teller: Teller,
    voice: &'a Voice,
    pub(crate) looks: &'a mut Looks,
    neighborhood: Option<&'a mut Neighborhood>,
    operations: Option<&'a mut Operations>,
    giving: Option<&'a Giving>,
    /// Another process serves.
    is_gone: bool,
    /// Why the kernel looks for no neighbour.
    lost: Option<Failure>,
    /// Set once the operator asks to give the device back what it lost.
    promotes: Arc<AtomicBool>,
}

/// Has the kernel put the buffers of connections into large pages, before anything goes by time.
fn gather_memory(teller: Teller, voice: &Voice) {
    let begun = Instant::now();
    match large_pages::gather() {
        Ok(gathered) => teller.large_pages(&gathered, begun.elapsed().as_millis(), voice),
        Err(error) => {
            let gathered = Gathered { refusal: Some(error), ..Gathered::default() };
            teller.large_pages(&gathered, 0, voice);
        }
    }
}

impl<'a, N: Nic, A: Application> Polling<'a, N, A> {
    /// Says what the engine is up to, and is ready to poll it.
    pub(crate) fn new(
        engine: &'a mut Engine<N, A>,
        clock: &'a HostClock,
        idle: Idle,
        beside: &'a mut dyn FnMut(),
        teller: Teller,
        voice: &'a Voice,
        looks: &'a mut Looks,
    ) -> Result<Self, Failure> {
        let promotes = signals::asked_by(&[signal_hook::consts::SIGUSR1])?;
        if engine.connections_max() >= CROWD {
            gather_memory(teller, voice);
        }
        teller.begin(engine, voice);
        Ok(Polling {
            engine,
            clock,
            idle,
            empty: 0,
            beside,
            teller,
            voice,
            looks,
            neighborhood: None,
            operations: None,
            giving: None,
            is_gone: false,
            lost: None,
            promotes,
        })
    }

    /// The same with neighbours that are found by `neighborhood`.
    pub(crate) fn among(self, neighborhood: &'a mut Neighborhood) -> Self {
        Polling { neighborhood: Some(neighborhood), ..self }
    }

    /// The same with an operator who may look and command.
    pub(crate) fn operated_by(self, operations: &'a mut Operations) -> Self {
        Polling { operations: Some(operations), ..self }
    }

    /// The same, to be handed over to whoever is to take over.
    pub(crate) fn given_by(self, giving: &'a Giving) -> Self {
        Polling { giving: Some(giving), ..self }
    }

    /// Whether another process serves: nothing is to be polled any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Hands the engine over to one that is ready, if there is one.
    fn hand_over(&mut self) {
        let (Some(operations), Some(giving)) = (&mut self.operations, self.giving) else { return };
        let Some(asked) = operations.ready() else { return };
        let begun = self.clock.now();
        let given = giving.give(self.engine, asked, begun);
        let pause_us = giving::pause_us(self.clock, begun);
        match given {
            Ok(Given::Gone { has_control_path, state_len }) => {
                self.is_gone = true;
                operations.leave(has_control_path);
                self.teller.handed_over(state_len, pause_us, self.voice);
            }
            Ok(Given::Kept(why)) => {
                self.teller.kept(why.name(), &why.to_string(), pause_us, self.voice);
            }
            Err(failure) => {
                self.is_gone = true;
                self.lost = Some(failure);
            }
        }
    }

    /// Many rounds, and then what happened in them is told.
    pub(crate) fn rounds(&mut self) {
        let mut rounds = 0;
        while rounds < ROUNDS_PER_LOOK {
            rounds += if self.round() { ROUNDS_PER_LOAN } else { 1 };
        }
        let neighborhood = self.neighborhood.as_mut();
        let looked = neighborhood.map(|of| of.look(self.engine, self.clock));
        if let Some(Err(failure)) = looked {
            self.lost = Some(failure);
        }
        if let Some(life) = self.looks.look(self.engine) {
            self.teller.new_life(life, self.voice);
        }
        if let Some(operations) = &mut self.operations {
            operations.look(self.engine, || self.clock.now(), self.teller, self.voice);
            if operations.is_answering() {
                // Who asks waits for many looks: the core is not lent out between them.
                self.empty = 0;
            }
        }
        self.teller.tell(self.engine, self.voice);
        if self.promotes.load(Ordering::Relaxed) {
            self.promotes.store(false, Ordering::Relaxed);
            self.teller.promoted(&self.engine.promote(), self.voice);
        }
        self.hand_over();
    }

    /// Why trading is not to begin: before any session was up a requirement of the profile was refuted, or the
    /// kernel refused to look for a neighbour.
    pub(crate) fn refused(&mut self) -> Option<Failure> {
        let lost = self.lost.take();
        if self.is_gone {
            return lost;
        }
        let capability = self.engine.refuted_requirement();
        if lost.is_none() && capability.is_none() {
            return None;
        }
        let never_up = self.engine.desk().statuses().all(|status| status.logons == 0);
        let refuted = capability.map(|capability| {
            let plan = self.engine.plan();
            Failure::Unmet(format!(
                "the profile requires {capability}, and the first frames showed that {} does it wrongly; \
                 write \"prefer\" or \"off\" for it in the profile, or choose another NIC",
                plan.nic
            ))
        });
        refuted.or(lost).filter(|_| never_up)
    }

    /// The first round after another process was taken over from, and what is told of it.
    pub(crate) fn begin(&mut self, taken: &Taken) {
        let told = taken.told(self.clock);
        self.round();
        self.teller.taken_over(&told, self.voice);
    }

    /// Logs every session out, and gives up after a while. Those that another process has go on there.
    pub(crate) fn log_out(mut self, reason: &str) {
        if self.is_gone {
            return self.teller.tell(self.engine, self.voice);
        }
        self.engine.log_out(self.clock.now(), reason);
        self.teller.tell(self.engine, self.voice);
        self.teller.logging_out(self.engine, self.voice);
        let deadline = self.clock.now().mono.as_ns() + LOG_OUT_WITHIN.as_nanos() as u64;
        while !self.engine.is_idle() && self.clock.now().mono.as_ns() < deadline {
            self.round();
        }
        // What a short run's rules have counted is evidence as well.
        self.engine.look_at_device(self.clock.now().mono);
        self.teller.tell(self.engine, self.voice);
    }

    /// Whether the core was lent out behind it.
    #[inline]
    fn round(&mut self) -> bool {
        let received = self.engine.poll(self.clock);
        (self.beside)();
        if received > 0 {
            self.looks.after_frames(self.engine);
        }
        self.empty = if received > 0 { 0 } else { self.empty.saturating_add(1) };
        let lends = self.empty > IDLE_ROUNDS && self.idle == Idle::Yield;
        if lends {
            std::thread::yield_now();
        }
        lends
    }
}

/// Puts the polling thread where the profile says, and says where that is. Threads that were started before are
/// told to keep off that core.
pub(crate) fn pin(profile: &Profile, keep_off: impl Fn(u16)) -> Result<Option<u16>, Failure> {
    let pinned = match profile.core {
        Core::Any => None,
        Core::Number(core) => {
            core::pin(core).map_err(|error| {
                Failure::run(error, "write `core = \"auto\"` or \"any\" in the profile")
            })?;
            Some(core)
        }
        Core::Auto => {
            let (online, isolated) = core::online_and_isolated();
            // A cpuset may forbid what the affinity does not.
            let cores = core::auto_cores(&core::allowed_cores(), &online, &isolated);
            cores.into_iter().find(|core| core::pin(*core).is_ok())
        }
    };
    if let Some(core) = pinned {
        keep_off(core);
    }
    Ok(pinned)
}
