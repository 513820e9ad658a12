//! Stamps of received frames, and the clock that they are by (rte_mbuf_dyn.h, rte_ethdev.h).
#![allow(unsafe_code)]

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dpdk_sys as ffi;
use fixwire_offload::clock::Bracket;
use fixwire_offload::stamp::{ClockInfo, Domain};

use super::eal;
use super::error::Errno;
use super::mbuf::DynamicField;
use super::offloads::Stamping;
use crate::clock_service::DeviceClock;
use crate::host_counter::HostCounter;

/// Makes room in every mbuf for a stamp, before a port that stamps is configured.
pub(super) fn register_stamps(domain: Domain) -> Result<Stamping, Errno> {
    let (mut offset, mut flag) = (0, 0);
    // SAFETY: both are numbers to write to.
    let answer = unsafe { ffi::rte_mbuf_dyn_rx_timestamp_register(&raw mut offset, &raw mut flag) };
    let field = DynamicField::at(offset).filter(|_| answer == 0);
    field.map(|field| Stamping { field, flag, domain }).ok_or_else(eal::errno)
}

/// Stands between a port and whoever reads its clock on another thread: the port neither stops nor closes while
/// its clock is read, and is read no more once it has stopped.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate(Arc<Mutex<bool>>);

/// The port behind a gate runs, for as long as this is held.
#[derive(Debug)]
pub(super) struct Running<'a>(#[expect(dead_code, reason = "held")] MutexGuard<'a, bool>);

impl Gate {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The port has started.
    pub(super) fn open(&self) {
        *self.lock() = true;
    }

    /// The port is about to stop: waits for a reading that is under way.
    pub(super) fn shut(&self) {
        *self.lock() = false;
    }

    /// `None` where the port does not run.
    pub(super) fn pass(&self) -> Option<Running<'_>> {
        let is_open = self.lock();
        is_open.then_some(Running(is_open))
    }
}

/// A running port's own clock, for any thread.
#[derive(Debug)]
pub(super) struct PortClock {
    port: u16,
    gate: Gate,
    info: ClockInfo,
}

impl PortClock {
    /// The clock of the port with this number, behind its gate.
    pub(super) fn new(port: u16, gate: Gate, info: ClockInfo) -> PortClock {
        PortClock { port, gate, info }
    }

    /// The same, of which is known how fast it counts.
    pub(super) fn at_rate(self, ticks_per_s: u64) -> PortClock {
        PortClock { info: ClockInfo { ticks_per_s, ..self.info }, ..self }
    }

    /// Its counter now, or why there is none to be had; `None` where the port does not run.
    pub(super) fn ask(&self) -> Option<Result<u64, Errno>> {
        let running = self.gate.pass()?;
        Some(read(self.port, &running))
    }
}

impl DeviceClock for PortClock {
    fn info(&self) -> ClockInfo {
        self.info
    }

    fn read(&mut self) -> Option<u64> {
        self.ask()?.ok()
    }

    fn bracket(&mut self, host: &HostCounter) -> Option<Bracket> {
        // Passed before the first reading of the host's counter: a port that is about to stop widens nothing.
        let running = self.gate.pass()?;
        let mut said = None;
        let bracket = host.bracket(|| {
            said = read(self.port, &running).ok();
            0
        });
        Some(Bracket { reading: said?, ..bracket })
    }
}

/// A port's counter now.
fn read(port: u16, _: &Running<'_>) -> Result<u64, Errno> {
    let mut clock = 0;
    // SAFETY: `clock` is a number to write to, and the port runs and goes on until its gate is let go, so that
    // what its driver reads is there. Beside the thread that polls: the call looks the port up in a table that
    // does not change while it runs, and drivers that have it share nothing with their burst functions in it.
    // mlx5 reads two words of a page of the device's that is mapped until the port closes, or, with packets
    // paced by it (`tx_pp`), the one entry of a queue of its own that goes when the port stops. Those that keep
    // state in it (e1000's time counter) change that by it and by the timesync calls, which pass the same gate.
    // What fails is told in a variable of the calling thread's, which need not be one of DPDK's.
    let answer = unsafe { ffi::rte_eth_read_clock(port, &raw mut clock) };
    if answer == 0 { Ok(clock) } else { Err(Errno::of(answer)) }
}

/// The clock that a port's driver keeps for PTP (`rte_eth_timesync_*`). It runs for as long as this is held; a driver
/// that stamps PTP frames alone stamps none of ours by it.
pub struct Timesync<'a> {
    port: u16,
    /// Somebody may read the port's counter on another thread, and some drivers keep both in one place.
    gate: &'a Gate,
}

impl<'a> Timesync<'a> {
    /// Sets it going. The port must run.
    ///
    /// # Errors
    /// Its driver keeps no such clock (ENOTSUP), or says why not.
    pub(super) fn of(port: u16, gate: &'a Gate) -> Result<Timesync<'a>, Errno> {
        let _alone = gate.lock();
        // SAFETY: it takes a number.
        match unsafe { ffi::rte_eth_timesync_enable(port) } {
            0 => Ok(Timesync { port, gate }),
            refused => Err(Errno::of(refused)),
        }
    }

    /// What it shows, in nanoseconds from wherever it was set going or set to.
    ///
    /// # Errors
    /// The driver's, when it cannot be read.
    pub fn now_ns(&self) -> Result<i128, Errno> {
        let _alone = self.gate.lock();
        let mut time = ffi::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a whole one to write to.
        match unsafe { ffi::rte_eth_timesync_read_time(self.port, &raw mut time) } {
            0 => Ok(i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)),
            refused => Err(Errno::of(refused)),
        }
    }

    /// Steps it by so many nanoseconds, ahead or back.
    ///
    /// # Errors
    /// The driver's, when it cannot be set.
    pub fn step(&self, ns: i64) -> Result<(), Errno> {
        let _alone = self.gate.lock();
        // SAFETY: it takes numbers.
        match unsafe { ffi::rte_eth_timesync_adjust_time(self.port, ns) } {
            0 => Ok(()),
            refused => Err(Errno::of(refused)),
        }
    }
}

impl Drop for Timesync<'_> {
    fn drop(&mut self) {
        let _alone = self.gate.lock();
        // SAFETY: it takes a number; what is not running stays so.
        let _ = unsafe { ffi::rte_eth_timesync_disable(self.port) };
    }
}

impl fmt::Debug for Timesync<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timesync(port {})", self.port)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_port_does_not_stop_while_its_clock_is_read_and_is_not_read_after() {
        let gate = Gate::default();
        assert!(gate.pass().is_none(), "not started");
        gate.open();
        let running = gate.pass().unwrap();
        let (sender, stopped) = mpsc::channel();
        let stopping = thread::spawn({
            let gate = gate.clone();
            move || {
                gate.shut();
                sender.send(()).unwrap();
            }
        });
        // However long it is given, it has not stopped: a reading is under way.
        thread::sleep(Duration::from_millis(20));
        assert_eq!(stopped.try_recv(), Err(mpsc::TryRecvError::Empty));
        drop(running);
        stopping.join().unwrap();
        assert_eq!(stopped.recv(), Ok(()));
        assert!(gate.pass().is_none(), "stopped");
    }
}
