//! The old process: it offers all it has to whoever asks, stops, and ends once the other serves, or goes on.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fixwire::app::{Application, SessionId};
use fixwire::blob::Blob;
use fixwire::engine::Engine;
use fixwire::hand_over::FORMAT;
use fixwire::journal_file::{FileStore, HeldFile, StorePlan};
use fixwire::offload::nic::Nic;
use fixwire::time::{Clock, Now};
use fixwire_hw::clock::HostClock;
use fixwire_hw::tap::TapShare;
use serde_json::json;

use super::super::failure::Failure;
use super::super::session_file::SessionSettings;
use super::line::{HANDLES_MAX, Line};
use super::{ANSWER_WITHIN, Baton, Kernel, Offer, READY_WITHIN, Word};

/// How long a new process that was told that it does not take over may have its stores' files open.
const ENDS_WITHIN: Duration = Duration::from_millis(500);

/// Why nothing of this process can be handed over at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotGiven {
    /// The NIC model's wire is in this process.
    Model,
    /// The built-in exchange is in this process.
    ExchangeInside,
    /// A port of DPDK's belongs to the process that opened it.
    #[cfg_attr(not(feature = "dpdk"), expect(dead_code, reason = "there are none without DPDK"))]
    Dpdk,
    /// The kernel gave no more file descriptors.
    NoHandle,
}

impl NotGiven {
    pub(crate) fn words(self) -> &'static str {
        match self {
            NotGiven::Model => "the NIC model and its wire end with this process",
            NotGiven::ExchangeInside => "the exchange that it trades with ends with this process",
            NotGiven::Dpdk => "a port of DPDK's cannot be passed to another process",
            NotGiven::NoHandle => "this process has no file descriptor left",
        }
    }
}

/// What can be handed over, for as long as the process runs.
pub(crate) struct Giving {
    device: Result<TapShare, NotGiven>,
    app: &'static str,
    secret: [u8; 16],
    /// How long each answer may take while nobody is polled.
    within: Duration,
    stores: Vec<(SessionId, StorePlan, Vec<u8>)>,
}

impl Giving {
    pub(crate) fn new(
        device: Result<TapShare, NotGiven>,
        (app, secret): (&'static str, [u8; 16]),
        within: Duration,
        sessions: &[SessionSettings],
    ) -> Giving {
        let stores = (0..).zip(sessions).filter_map(|(number, settings)| {
            Some((SessionId(number), settings.store.clone()?, settings.identity()))
        });
        Giving { device, app, secret, within, stores: stores.collect() }
    }

    /// What the control socket's thread is told: how to offer, and where to hand who is ready to.
    pub(crate) fn reception(
        &self,
        control: PathBuf,
        metrics: Option<(SocketAddr, TcpListener)>,
        clock: &HostClock,
    ) -> Reception {
        let offer = self.device.as_ref().map_err(|why| *why).and_then(|share| {
            let kernel = share.kernel_side();
            let offer = Offer {
                program: env!("CARGO_PKG_VERSION").into(),
                format: FORMAT,
                nic: share.shown_as().into(),
                kernel: Kernel {
                    name: kernel.name.to_string(),
                    addr: kernel.addr,
                    prefix_len: kernel.prefix_len,
                    mtu: kernel.mtu,
                    mac: kernel.mac,
                    existed: kernel.existed,
                },
                app: self.app.into(),
                secret: self.secret,
                origin_ns: clock.origin_ns().map_err(|_| NotGiven::NoHandle)?,
                control,
                metrics: metrics.as_ref().map(|(addr, _)| *addr),
            };
            let [tun, ask] = share.handles().map(|handle| handle.try_clone_to_owned());
            let no_handle = |_| NotGiven::NoHandle;
            let device = [tun.map_err(no_handle)?, ask.map_err(no_handle)?];
            Ok((offer, device, metrics.map(|(_, listener)| listener)))
        });
        Reception { offer, ready: Arc::default() }
    }
}

/// One that is ready to take over.
pub(crate) struct Asked {
    line: Line,
    baton: Baton,
    /// Whoever counts what came of it.
    outcome: Sender<Result<(), Kept>>,
}

/// Where one that is ready waits for the polling core.
#[derive(Default)]
pub(crate) struct Ready {
    is_there: AtomicBool,
    is_busy: AtomicBool,
    who: Mutex<Option<Asked>>,
}

impl Ready {
    /// Who waits, if anybody does. To be called between rounds: nobody costs a load.
    #[inline]
    pub(crate) fn take(&self) -> Option<Asked> {
        if self.is_there.load(Ordering::Relaxed) { self.take_who() } else { None }
    }

    #[cold]
    fn take_who(&self) -> Option<Asked> {
        self.is_there.store(false, Ordering::Relaxed);
        self.who.lock().ok()?.take()
    }
}

/// What offers.
pub(crate) struct Reception {
    offer: Result<(Offer, [std::os::fd::OwnedFd; 2], Option<TcpListener>), NotGiven>,
    pub(crate) ready: Arc<Ready>,
}

/// Why nothing was handed over, in time or at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Kept {
    #[error("{}", .0.words())]
    NotGiven(NotGiven),
    #[error("another process is taking over already")]
    Busy,
    #[error("the new process was lost before it was ready: {0}")]
    NotReady(String),
    #[error("the new process was lost while it took over: {0}")]
    Lost(String),
    #[error("the new process did not answer in time")]
    Silent,
    #[error("{why}")]
    Refused { name: String, why: String },
}

impl Kept {
    /// The names of those that are no other's.
    pub(crate) const NAMES: [&'static str; 6] = [
        "not_passable",
        "hand_over_busy",
        "successor_not_ready",
        "successor_lost",
        "successor_silent",
        "successor_refused",
    ];

    pub(crate) fn name(&self) -> &'static str {
        Kept::NAMES[match self {
            Kept::NotGiven(_) => 0,
            Kept::Busy => 1,
            Kept::NotReady(_) => 2,
            Kept::Lost(_) => 3,
            Kept::Silent => 4,
            Kept::Refused { .. } => 5,
        }]
    }

    /// Of what was heard on the line, or not.
    fn of(error: &io::Error) -> Kept {
        match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Kept::Silent,
            ErrorKind::UnexpectedEof => Kept::Lost("it has ended".into()),
            _ => Kept::Lost(error.to_string()),
        }
    }
}

impl Reception {
    /// Nothing is.
    #[cfg(test)]
    pub(crate) fn of_nothing(why: NotGiven) -> Reception {
        Reception { offer: Err(why), ready: Arc::default() }
    }

    /// Admits whoever asks: what can be offered is offered to one at a time, and not to the next before [`Reception::receive`]
    /// is done with it.
    pub(crate) fn admit(&self) -> Result<(), Kept> {
        self.offer.as_ref().map_err(|why| Kept::NotGiven(*why))?;
        if self.ready.is_busy.swap(true, Ordering::Acquire) { Err(Kept::Busy) } else { Ok(()) }
    }

    /// Lets the next one ask.
    pub(crate) fn dismiss(&self) {
        self.ready.is_busy.store(false, Ordering::Release);
    }

    /// Offers all there is to who was admitted, on `stream`, waits until whoever asked is ready, has the polling core hand it
    /// over, and says what came of it. To be called on a thread that may wait.
    ///
    /// # Errors
    /// This process goes on.
    pub(crate) fn receive(&self, stream: UnixStream) -> Result<(), Kept> {
        let offer = self.offer.as_ref().map_err(|why| Kept::NotGiven(*why));
        let done = offer.and_then(|(offer, device, metrics)| {
            self.receive_one(stream, offer, (device, metrics.as_ref()))
        });
        self.dismiss();
        done
    }

    fn receive_one(
        &self,
        stream: UnixStream,
        offer: &Offer,
        (device, metrics): (&[std::os::fd::OwnedFd; 2], Option<&TcpListener>),
    ) -> Result<(), Kept> {
        let not_ready = |error: io::Error| {
            Kept::NotReady(match error.kind() {
                ErrorKind::UnexpectedEof => "it has ended".into(),
                ErrorKind::TimedOut => "it is silent".into(),
                _ => error.to_string(),
            })
        };
        let mut line = Line::new(stream);
        let baton = Baton::new().map_err(not_ready)?;
        let [tun, ask] = device;
        let mut handles = vec![tun.as_fd(), ask.as_fd(), baton.handle()];
        handles.extend(metrics.map(|listener| listener.as_fd()));
        let text = json!({ "offer": offer }).to_string();
        line.say_text(&text, &handles, ANSWER_WITHIN).map_err(not_ready)?;
        match line.word(READY_WITHIN).map_err(not_ready)? {
            Word::Ready => {}
            Word::Refused { name, why } => return Err(Kept::Refused { name, why }),
            _ => return Err(Kept::NotReady("it says what has no place here".into())),
        }
        let (outcome, told) = channel();
        if let Ok(mut who) = self.ready.who.lock() {
            *who = Some(Asked { line, baton, outcome });
        }
        self.ready.is_there.store(true, Ordering::Relaxed);
        told_by(&told)
    }
}

/// The polling core looks between rounds, and its own waits are bounded.
fn told_by(outcome: &Receiver<Result<(), Kept>>) -> Result<(), Kept> {
    outcome.recv().unwrap_or(Err(Kept::Silent))
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Given {
    /// The new process serves, and this one is not to be polled any more.
    Gone { has_control_path: bool, state_len: usize },
    /// This one goes on.
    Kept(Kept),
}

impl Giving {
    /// Hands an engine over, which is between rounds. It stands still meanwhile.
    ///
    /// # Errors
    /// It cannot go on: a store that was closed could not be opened again, or nobody knows who serves.
    pub(crate) fn give<N: Nic, A: Application>(
        &self,
        engine: &mut Engine<N, A>,
        mut asked: Asked,
        now: Now,
    ) -> Result<Given, Failure> {
        let mut held = Vec::new();
        let tried = self.try_to_give(engine, &mut asked, now, &mut held);
        // Whoever is gone has not served; whoever is silent may have what decides it, and then serves.
        let tried = match tried {
            Err((kept, true)) => match asked.baton.pick_up() {
                Ok(true) => Err(kept),
                _ if matches!(kept, Kept::Lost(_)) => Err(kept),
                _ => Ok((false, 0)),
            },
            Err((kept, false)) => Err(kept),
            Ok(served) => Ok(served),
        };
        match tried {
            Ok((has_control_path, state_len)) => {
                let _ = asked.outcome.send(Ok(()));
                Ok(Given::Gone { has_control_path, state_len })
            }
            Err(kept) => {
                let why = Word::Refused { name: kept.name().into(), why: kept.to_string() };
                // It may be gone.
                let _ = asked.line.say(&why, &[], Duration::from_millis(100));
                if !held.is_empty() && !asked.line.outlive(ENDS_WITHIN) {
                    return Err(Failure::run(
                        "the hand-over failed, and the new process neither ended nor could be killed: it has this one's \
                         stores",
                        "end it, and start anew",
                    ));
                }
                for (session, file) in held {
                    self.take_back(engine, session, &file)?;
                }
                let _ = asked.outcome.send(Err(kept.clone()));
                Ok(Given::Kept(kept))
            }
        }
    }

    /// Says, where it fails, whether the baton was laid down.
    fn try_to_give<N: Nic, A: Application>(
        &self,
        engine: &mut Engine<N, A>,
        asked: &mut Asked,
        now: Now,
        held: &mut Vec<(SessionId, HeldFile)>,
    ) -> Result<(bool, usize), (Kept, bool)> {
        let line = &mut asked.line;
        let lost = |error: io::Error| (Kept::of(&error), false);
        let state = engine.export(now).map_err(|why| {
            (Kept::Refused { name: why.name().into(), why: why.to_string() }, false)
        })?;
        let stores = engine.take_stores();
        held.extend(stores.into_iter().map(|(session, store)| (session, store.hold())));
        for some in held.chunks(HANDLES_MAX) {
            let names = some.iter().map(|(session, _)| Blob(self.identity(*session).to_vec()));
            let handles: Vec<_> = some.iter().map(|(_, file)| file.as_fd()).collect();
            line.say(&Word::Stores(names.collect()), &handles, self.within).map_err(lost)?;
        }
        let state_len = state.len();
        let state = Word::State { exported_at_ns: now.mono.as_ns(), state: Blob(state) };
        line.say(&state, &[], self.within).map_err(lost)?;
        match line.word(self.within).map_err(lost)? {
            Word::Imported => {}
            Word::Refused { name, why } => return Err((Kept::Refused { name, why }, false)),
            _ => return Err((Kept::Lost("it says what has no place here".into()), false)),
        }
        asked.baton.lay_down().map_err(lost)?;
        let lost = |error: io::Error| (Kept::of(&error), true);
        line.say(&Word::Go, &[], self.within).map_err(lost)?;
        match line.word(self.within).map_err(lost)? {
            Word::Serving { has_control_path } => Ok((has_control_path, state_len)),
            Word::Refused { name, why } => Err((Kept::Refused { name, why }, true)),
            // It had no reason to say it, and may have picked the baton up.
            _ => Err((Kept::Silent, true)),
        }
    }

    fn identity(&self, session: SessionId) -> &[u8] {
        let found = self.stores.iter().find(|(of, ..)| *of == session);
        found.map_or(&[], |(_, _, identity)| identity)
    }

    fn take_back<N: Nic, A: Application>(
        &self,
        engine: &mut Engine<N, A>,
        session: SessionId,
        file: &HeldFile,
    ) -> Result<(), Failure> {
        let found = self.stores.iter().find(|(of, ..)| *of == session);
        let Some((_, plan, identity)) = found else { return Ok(()) };
        let store = FileStore::reopen(file, plan, identity).map_err(|error| {
            Failure::Run(format!("the hand-over failed, and this process cannot go on: {error}"))
        })?;
        engine.put_store(session, Box::new(store));
        Ok(())
    }
}

/// When a pause ends that began at `begun`, in microseconds.
pub(crate) fn pause_us(clock: &HostClock, begun: Now) -> u64 {
    clock.now().mono.ns_since(begun.mono) / 1_000
}
