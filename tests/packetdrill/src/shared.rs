//! The host between two threads: packetdrill's own, and the one in which its scripts' blocking calls wait.
//!
//! A call that waits is tried by whoever moves the host, at the moment in virtual time at which it can be
//! done; the waiting thread only fetches the outcome, and reads that moment as the time. Where packetdrill sleeps, it lets
//! that thread on, which notes there what its call returned: in virtual time it would be back at once, so it is kept
//! until the other has. Nothing depends on how fast the two run.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Duration as WallDuration;

use fixwire::time::{Duration, Instant};

use crate::calls::{Call, Outcome};
use crate::errno::Errno;
use crate::host::{Host, Waiting};

/// How long the waiting thread sleeps before it looks whether anybody still moves the host.
const LOOK_EVERY: WallDuration = WallDuration::from_millis(5);
/// How many looks in a row must find packetdrill's own thread asleep and the host untouched: it waits for
/// this call, then, and time has to move for it to end.
const LOOKS: u32 = 4;
/// How often it is looked whether a thread has come to rest, and for how long at most: a script that it never does is one that fails.
const REST_EVERY: WallDuration = WallDuration::from_micros(50);
const REST_MAX: WallDuration = WallDuration::from_secs(2);
/// How many looks in a row find a thread asleep that has come to rest, and not only waited for a lock.
const RESTS: u32 = 2;

/// A host that two threads use.
pub struct Shared {
    host: Mutex<Inner>,
    moved: Condvar,
    /// packetdrill's own thread.
    main: ThreadId,
    /// The same, as the kernel knows it.
    main_tid: i32,
}

struct Inner {
    host: Host,
    /// How often packetdrill's own thread has called.
    calls: u64,
    /// When the other thread's last call was done, if it has not read the clock since.
    done_at: Option<Instant>,
    /// The other thread, as the kernel knows it, once it has called.
    other_tid: Option<i32>,
}

impl Shared {
    /// To be called on packetdrill's own thread, `main_tid`.
    pub fn new(host: Host, main_tid: i32) -> Shared {
        let host = Mutex::new(Inner { host, calls: 0, done_at: None, other_tid: None });
        Shared { host, moved: Condvar::new(), main: std::thread::current().id(), main_tid }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic ends the process at the edge to C: a poisoned lock is never seen.
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_main(&self) -> bool {
        std::thread::current().id() == self.main
    }

    /// Does something with the host that never waits.
    pub fn with<R>(&self, act: impl FnOnce(&mut Host) -> R) -> R {
        let mut inner = self.lock();
        inner.calls += 1;
        inner.host.on_call();
        let result = act(&mut inner.host);
        self.moved.notify_all();
        result
    }

    /// Lets virtual time go by, and the other thread on with what is done by then.
    pub fn sleep(&self, duration: Duration) {
        self.with(|host| host.sleep(duration));
        if self.is_main() {
            self.wait_for_rest();
        }
    }

    /// Waits until the other thread is in a call that is not done, or asleep out of one.
    fn wait_for_rest(&self) {
        let (began, mut rests) = (std::time::Instant::now(), 0);
        while rests < RESTS && began.elapsed() < REST_MAX {
            let inner = self.lock();
            let Some(tid) = inner.other_tid else { return };
            let is_back = match &inner.host.waiting {
                Some(waiting) if waiting.outcome.is_none() => return,
                waiting => waiting.is_none() && inner.done_at.is_none(),
            };
            drop(inner);
            rests = if is_back && is_asleep(tid) { rests + 1 } else { 0 };
            std::thread::sleep(REST_EVERY);
        }
    }

    /// The time, as this thread is to see it: whoever comes out of a call reads when it was done.
    pub fn read_clock(&self) -> Instant {
        let mut inner = self.lock();
        if !self.is_main()
            && let Some(done_at) = inner.done_at.take()
        {
            return done_at;
        }
        inner.calls += 1;
        let now = inner.host.read_clock();
        self.moved.notify_all();
        now
    }

    /// Makes a call, waiting if it has to.
    pub fn call(&self, mut call: Call) -> Outcome {
        let mut inner = self.lock();
        if !self.is_main() && inner.other_tid.is_none() {
            inner.other_tid = Some(crate::abi::thread_id());
        }
        inner.host.on_call();
        let tried = inner.host.attempt(&mut call);
        inner.host.pump();
        match tried {
            Some(outcome) => {
                inner.done_at = (!self.is_main()).then_some(inner.host.now);
                outcome
            }
            None if self.is_main() => Shared::wait_alone(&mut inner.host, call),
            None => self.wait_for_others(inner, call),
        }
    }

    /// Nobody else is there to move time.
    fn wait_alone(host: &mut Host, mut call: Call) -> Outcome {
        loop {
            if let Some(outcome) = host.attempt(&mut call) {
                host.pump();
                return outcome;
            }
            let next = call.deadline().unwrap_or(Instant::FAR_FUTURE).min(host.next_deadline());
            if next == Instant::FAR_FUTURE {
                eprintln!(
                    "fixwire: a call waits for what never comes; a script marks one that waits by TIME...TIME"
                );
                return Err(Errno(libc::EDEADLK));
            }
            host.advance(next);
        }
    }

    fn wait_for_others(&self, mut inner: MutexGuard<'_, Inner>, call: Call) -> Outcome {
        inner.host.waiting = Some(Waiting { call, outcome: None });
        let (mut seen, mut looks) = (inner.calls, 0);
        loop {
            if let Some(Waiting { outcome: Some((outcome, at)), .. }) = inner.host.waiting.as_ref()
            {
                let (outcome, at) = (outcome.clone(), *at);
                inner.host.waiting = None;
                inner.done_at = Some(at);
                return outcome;
            }
            inner = self
                .moved
                .wait_timeout(inner, LOOK_EVERY)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            let is_idle = inner.calls == seen && is_asleep(self.main_tid);
            (seen, looks) = (inner.calls, if is_idle { looks + 1 } else { 0 });
            if looks >= LOOKS && !inner.host.step() {
                eprintln!("fixwire: a call waits for what never comes");
                inner.host.waiting = None;
                return Err(Errno(libc::EDEADLK));
            }
        }
    }
}

/// Whether a thread of this process sleeps (`S` in its `stat`).
fn is_asleep(tid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S'))
}
