//! A port: what it says of itself, its set-up and its bursts (rte_ethdev.h).
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::mem::zeroed;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use dpdk_sys as ffi;
use fixwire_offload::nic::{BURST_MAX, Burst};
use fixwire_offload::stamp::ClockInfo;

use super::clock::{Gate, PortClock};
use super::eal::Eal;
use super::error::{DpdkError, Errno};
use super::mbuf::Mbuf;
use super::mempool::Mempool;

/// A port of the running DPDK. Closed when dropped.
pub(super) struct Port {
    id: u16,
    name: String,
    is_started: bool,
    /// Queues that are set up, receive and transmit.
    queues: (u16, u16),
    /// What reads its clock on another thread passes here.
    gate: Gate,
    eal: Rc<Eal>,
}

/// What a port can do (`rte_eth_dev_info`).
#[derive(Clone, Debug)]
pub(super) struct Info {
    /// As DPDK names it.
    pub(super) driver: String,
    /// `RTE_ETH_RX_OFFLOAD_*`, of the port and of its queues.
    pub(super) rx_offloads: u64,
    /// `RTE_ETH_TX_OFFLOAD_*`.
    pub(super) tx_offloads: u64,
    pub(super) rx_queues_max: u16,
    pub(super) tx_queues_max: u16,
    /// The memory node that it is at.
    pub(super) node: Option<u16>,
}

/// How a port is to be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) rx_queues: u16,
    pub(super) tx_queues: u16,
    pub(super) rx_descriptors: u16,
    pub(super) tx_descriptors: u16,
    /// `RTE_ETH_RX_OFFLOAD_*`.
    pub(super) rx_offloads: u64,
    /// `RTE_ETH_TX_OFFLOAD_*`.
    pub(super) tx_offloads: u64,
}

/// What a port has counted (`rte_eth_stats`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stats {
    /// Frames that found no descriptor.
    pub(super) missed: u64,
    /// Frames that arrived wrong.
    pub(super) rx_errors: u64,
    /// Frames that found no buffer.
    pub(super) no_buffer: u64,
    pub(super) tx_errors: u64,
}

impl Port {
    /// The port that DPDK calls `name`.
    pub(super) fn named(eal: &Rc<Eal>, name: &str) -> Option<Port> {
        let c_name = CString::new(name).ok()?;
        let mut id = 0;
        // SAFETY: the name is a C string, and `id` is a number to write to.
        let answer = unsafe { ffi::rte_eth_dev_get_port_by_name(c_name.as_ptr(), &raw mut id) };
        // The table of burst functions is looked up by it.
        let is_there = answer == 0 && u32::from(id) < ffi::RTE_MAX_ETHPORTS;
        is_there.then(|| Port {
            id,
            name: name.to_owned(),
            is_started: false,
            queues: (0, 0),
            gate: Gate::default(),
            eal: Rc::clone(eal),
        })
    }

    pub(super) fn id(&self) -> u16 {
        self.id
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn eal(&self) -> &Rc<Eal> {
        &self.eal
    }

    fn done(&self, what: &'static str, answer: i32) -> Result<(), DpdkError> {
        if answer < 0 {
            let (port, errno) = (self.name.clone(), Errno::of(answer));
            return Err(DpdkError::Failed { port, what, errno });
        }
        Ok(())
    }

    fn raw_info(&self) -> Result<ffi::rte_eth_dev_info, DpdkError> {
        // SAFETY: it is made of numbers and pointers, for which zero is a value.
        let mut info: ffi::rte_eth_dev_info = unsafe { zeroed() };
        // SAFETY: `info` is a whole one to write to.
        let answer = unsafe { ffi::rte_eth_dev_info_get(self.id, &raw mut info) };
        self.done("asking what it can do", answer).map(|()| info)
    }

    pub(super) fn info(&self) -> Result<Info, DpdkError> {
        let info = self.raw_info()?;
        // SAFETY: the id is a port's.
        let node = unsafe { ffi::rte_eth_dev_socket_id(self.id) };
        Ok(Info {
            driver: text(info.driver_name),
            rx_offloads: info.rx_offload_capa,
            tx_offloads: info.tx_offload_capa,
            rx_queues_max: info.max_rx_queues,
            tx_queues_max: info.max_tx_queues,
            node: u16::try_from(node).ok(),
        })
    }

    /// Sets the port and its queues up; frames that arrive go to buffers of `rx`.
    pub(super) fn configure(&mut self, config: &Config, rx: &Mempool) -> Result<(), DpdkError> {
        let info = self.raw_info()?;
        // SAFETY: it is made of numbers, for which zero is a value.
        let mut conf: ffi::rte_eth_conf = unsafe { zeroed() };
        conf.rxmode.offloads = config.rx_offloads;
        conf.rxmode.mtu = self.mtu();
        conf.txmode.offloads = config.tx_offloads;
        let (rx_queues, tx_queues) = (config.rx_queues, config.tx_queues);
        // SAFETY: `conf` is whole and read during the call.
        let answer =
            unsafe { ffi::rte_eth_dev_configure(self.id, rx_queues, tx_queues, &raw const conf) };
        self.done("configuring it", answer)?;
        let (mut rx_descriptors, mut tx_descriptors) =
            (config.rx_descriptors, config.tx_descriptors);
        // SAFETY: both are numbers to read and write.
        let answer = unsafe {
            ffi::rte_eth_dev_adjust_nb_rx_tx_desc(
                self.id,
                &raw mut rx_descriptors,
                &raw mut tx_descriptors,
            )
        };
        self.done("fitting the rings to it", answer)?;
        let node = self.node_of_port();
        let mut rx_conf = info.default_rxconf;
        rx_conf.offloads = config.rx_offloads & info.rx_queue_offload_capa;
        for queue in 0..rx_queues {
            // SAFETY: the configuration is whole, and the pool outlives the port: whoever holds both
            // drops the port first.
            let answer = unsafe {
                ffi::rte_eth_rx_queue_setup(
                    self.id,
                    queue,
                    rx_descriptors,
                    node,
                    &raw const rx_conf,
                    rx.as_ptr(),
                )
            };
            self.done("setting up a receive queue", answer)?;
        }
        let mut tx_conf = info.default_txconf;
        tx_conf.offloads = config.tx_offloads & info.tx_queue_offload_capa;
        for queue in 0..tx_queues {
            // SAFETY: the configuration is whole.
            let answer = unsafe {
                ffi::rte_eth_tx_queue_setup(
                    self.id,
                    queue,
                    tx_descriptors,
                    node,
                    &raw const tx_conf,
                )
            };
            self.done("setting up a transmit queue", answer)?;
        }
        self.queues = (rx_queues, tx_queues);
        Ok(())
    }

    fn node_of_port(&self) -> u32 {
        // SAFETY: the id is a port's. Minus one, "any", is what the call below takes as such.
        (unsafe { ffi::rte_eth_dev_socket_id(self.id) }) as u32
    }

    pub(super) fn start(&mut self) -> Result<(), DpdkError> {
        // SAFETY: the id is a port's; it was configured, or the driver says that it was not.
        let answer = unsafe { ffi::rte_eth_dev_start(self.id) };
        self.done("starting it", answer)?;
        self.is_started = true;
        self.gate.open();
        Ok(())
    }

    pub(super) fn stop(&mut self) -> Result<(), DpdkError> {
        if !core::mem::take(&mut self.is_started) {
            return Ok(());
        }
        self.gate.shut();
        // SAFETY: the id is a port's, whose clock nobody reads any more.
        let answer = unsafe { ffi::rte_eth_dev_stop(self.id) };
        self.done("stopping it", answer)
    }

    /// Lets frames for other hardware addresses in.
    pub(super) fn listen_to_all(&self) -> Result<(), DpdkError> {
        // SAFETY: the id is a port's.
        self.done("making it promiscuous", unsafe { ffi::rte_eth_promiscuous_enable(self.id) })
    }

    pub(super) fn mac(&self) -> [u8; 6] {
        let mut mac = ffi::rte_ether_addr::default();
        // SAFETY: `mac` is a whole one to write to. A port without one leaves it zero.
        let _ = unsafe { ffi::rte_eth_macaddr_get(self.id, &raw mut mac) };
        mac.addr_bytes
    }

    /// The largest IP packet, in bytes.
    pub(super) fn mtu(&self) -> u32 {
        let mut mtu = 0;
        // SAFETY: `mtu` is a number to write to.
        let answer = unsafe { ffi::rte_eth_dev_get_mtu(self.id, &raw mut mtu) };
        if answer == 0 && mtu > 0 { u32::from(mtu) } else { ffi::RTE_ETHER_MTU }
    }

    /// Its clock, for any thread, for as long as it runs.
    pub(super) fn clock(&self, info: ClockInfo) -> PortClock {
        PortClock::new(self.id, self.gate.clone(), info)
    }

    pub(super) fn is_up(&self) -> bool {
        // SAFETY: the id is a port's.
        unsafe { ffi::fixwire_dpdk_link_is_up(self.id) != 0 }
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = ffi::rte_eth_stats::default();
        // SAFETY: `stats` is a whole one to write to.
        let answer = unsafe { ffi::rte_eth_stats_get(self.id, &raw mut stats) };
        if answer != 0 {
            return Stats::default();
        }
        let ffi::rte_eth_stats { imissed, ierrors, oerrors, rx_nombuf, .. } = stats;
        Stats { missed: imissed, rx_errors: ierrors, no_buffer: rx_nombuf, tx_errors: oerrors }
    }

    /// Every counter of the driver's by its name (xstats).
    pub(super) fn xstats(&self) -> Vec<(String, u64)> {
        // SAFETY: with no room, it says how many there are.
        let len = unsafe { ffi::rte_eth_xstats_get(self.id, std::ptr::null_mut(), 0) };
        let Ok(len) = usize::try_from(len) else { return Vec::new() };
        let mut values = vec![ffi::rte_eth_xstat::default(); len];
        let mut names = vec![ffi::rte_eth_xstat_name { name: [0; 64] }; len];
        // SAFETY: there is room for `len` of them.
        let got = unsafe { ffi::rte_eth_xstats_get(self.id, values.as_mut_ptr(), len as u32) };
        // SAFETY: there is room for `len` of them.
        let named =
            unsafe { ffi::rte_eth_xstats_get_names(self.id, names.as_mut_ptr(), len as u32) };
        let len = usize::try_from(got.min(named)).unwrap_or(0).min(len);
        let name = |id: u64| names.get(id as usize).map(|name| text_of(&name.name));
        let mut all = Vec::with_capacity(len);
        for value in &values[..len] {
            all.extend(name(value.id).map(|name| (name, value.value)));
        }
        all
    }

    /// Takes up to `room` frames out of a receive queue, hands each over, and says how many.
    #[inline]
    pub(super) fn rx_burst(&self, queue: u16, room: usize, mut take: impl FnMut(Mbuf)) -> usize {
        if !self.is_started || queue >= self.queues.0 {
            return 0;
        }
        let mut raw = [ptr::null_mut(); BURST_MAX];
        let room = room.min(BURST_MAX) as u16;
        // SAFETY: the port has started with this queue, and so many fit.
        let received =
            usize::from(unsafe { burst::receive(self.id, queue, raw.as_mut_ptr(), room) });
        for raw in raw.into_iter().take(received).filter_map(NonNull::new) {
            // SAFETY: what a driver gives is whoever's who asked, and of the pool that it was set up with.
            take(unsafe { Mbuf::own(raw) });
        }
        received
    }

    /// Has a driver check frames to send and put into them what it wants in them. Says how many it would
    /// take: the one behind those is refused.
    #[inline]
    pub(super) fn tx_prepare<T: AsRef<Mbuf>>(&self, queue: u16, frames: &mut [T]) -> usize {
        let (mut raw, len) = pointers(frames);
        if !self.is_started || queue >= self.queues.1 {
            return usize::from(len);
        }
        // SAFETY: the port has started with this queue; the frames are owned by whoever lends them to be
        // changed.
        usize::from(unsafe { ffi::rte_eth_tx_prepare(self.id, queue, raw.as_mut_ptr(), len) })
    }

    /// Has a driver give back buffers of frames that were sent, for one that does so only when it is told to send.
    pub(super) fn reap(&self, queue: u16) {
        if self.is_started && queue < self.queues.1 {
            let mut nothing = [ptr::null_mut(); BURST_MAX];
            // SAFETY: the port has started with this queue; of no frames none is looked at.
            unsafe { burst::send(self.id, queue, nothing.as_mut_ptr(), 0) };
        }
    }

    /// Hands frames to a transmit queue from the front of `frames`, as many as it takes, and says how many
    /// those were and their bytes.
    #[inline]
    pub(super) fn tx_burst<T: AsRef<Mbuf> + Into<Mbuf>>(
        &self,
        queue: u16,
        frames: &mut Burst<T>,
    ) -> (usize, u64) {
        if !self.is_started || queue >= self.queues.1 || frames.is_empty() {
            return (0, 0);
        }
        let (mut raw, len) = pointers(frames);
        let bytes_of = |frames: &[T]| frames.iter().map(|frame| frame.as_ref().len() as u64).sum();
        let bytes: u64 = bytes_of(frames);
        // SAFETY: the port has started with this queue; the frames are owned, and of those that are taken
        // nobody uses one any more.
        let sent = usize::from(unsafe { burst::send(self.id, queue, raw.as_mut_ptr(), len) });
        for frame in frames.drain(..sent.min(usize::from(len))) {
            frame.into().give_away();
        }
        let left: u64 = bytes_of(frames);
        (sent, bytes - left)
    }
}

/// What a driver is handed frames by.
#[inline]
fn pointers<T: AsRef<Mbuf>>(frames: &[T]) -> ([*mut ffi::rte_mbuf; BURST_MAX], u16) {
    let mut raw = [ptr::null_mut(); BURST_MAX];
    for (raw, frame) in raw.iter_mut().zip(frames) {
        *raw = frame.as_ref().as_ptr();
    }
    (raw, frames.len().min(BURST_MAX) as u16)
}

impl Drop for Port {
    fn drop(&mut self) {
        let _ = self.stop();
        // SAFETY: the id is a port's, which is stopped; nobody else has it, and its clock is read no more.
        unsafe { ffi::rte_eth_dev_close(self.id) };
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Port({} is {})", self.id, self.name)
    }
}

/// A C string of DPDK's; empty for none.
fn text(raw: *const c_char) -> String {
    if raw.is_null() {
        return String::new();
    }
    // SAFETY: what DPDK gives as text is a C string that lives as long as its driver.
    unsafe { CStr::from_ptr(raw) }.to_string_lossy().into_owned()
}

fn text_of(name: &[c_char; 64]) -> String {
    let bytes: Vec<u8> =
        name.iter().map(|c| c.cast_unsigned()).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The two calls of each poll, by the table that DPDK's own inline functions look in: one call instead of two.
mod burst {
    use std::ffi::c_void;

    use dpdk_sys as ffi;

    /// # Safety
    /// The port has started and has this queue; `room` frames fit at `first`.
    #[inline]
    pub(super) unsafe fn receive(
        port: u16,
        queue: u16,
        first: *mut *mut ffi::rte_mbuf,
        room: u16,
    ) -> u16 {
        // SAFETY: the caller vouches for the port.
        let ops = unsafe { of(port) };
        // SAFETY: a port that runs has a place for each of its queues.
        let hook = unsafe { at(ops.rxq.clbk, queue) };
        // SAFETY: the same.
        let data = unsafe { at(ops.rxq.data, queue) };
        match ops.rx_pkt_burst {
            // SAFETY: it is the driver's own call for this queue, as the caller vouches.
            Some(call) if hook.is_null() => unsafe { call(data, first, room) },
            // SAFETY: the same with the hooks of this queue.
            _ => unsafe { ffi::rte_eth_rx_burst(port, queue, first, room) },
        }
    }

    /// # Safety
    /// The port has started and has this queue; the frames are whole and owned by the caller.
    #[inline]
    pub(super) unsafe fn send(
        port: u16,
        queue: u16,
        first: *mut *mut ffi::rte_mbuf,
        frames: u16,
    ) -> u16 {
        // SAFETY: the caller vouches for the port.
        let ops = unsafe { of(port) };
        // SAFETY: a port that runs has a place for each of its queues.
        let hook = unsafe { at(ops.txq.clbk, queue) };
        // SAFETY: the same.
        let data = unsafe { at(ops.txq.data, queue) };
        match ops.tx_pkt_burst {
            // SAFETY: it is the driver's own call for this queue, as the caller vouches.
            Some(call) if hook.is_null() => unsafe { call(data, first, frames) },
            // SAFETY: the same with the hooks of this queue.
            _ => unsafe { ffi::rte_eth_tx_burst(port, queue, first, frames) },
        }
    }

    /// # Safety
    /// The port is one of the table's, and runs: its entry does not change.
    #[inline]
    unsafe fn of(port: u16) -> &'static ffi::rte_eth_fp_ops {
        let table = (&raw const ffi::rte_eth_fp_ops).cast::<ffi::rte_eth_fp_ops>();
        let entry = table.wrapping_add(port.into());
        // SAFETY: the table has a place for each port.
        unsafe { &*entry }
    }

    /// # Safety
    /// There is a place for `queue`.
    #[inline]
    unsafe fn at(places: *mut *mut c_void, queue: u16) -> *mut c_void {
        let place = places.wrapping_add(queue.into());
        // SAFETY: the caller vouches for it.
        unsafe { place.read() }
    }
}
