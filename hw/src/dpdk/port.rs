//! A port: what it says of itself, its set-up and its life (rte_ethdev.h).
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::mem::zeroed;
use std::ptr;
use std::rc::Rc;

use dpdk_sys as ffi;
use fixwire_offload::stamp::ClockInfo;

use super::clock::{Gate, PortClock, Timesync};
use super::eal::Eal;
use super::error::{DpdkError, Errno};
use super::mempool::Mempool;
use super::spec::DeviceSpec;

/// How many of a driver's own counters are told: some have several for each queue that they could have.
const XSTATS_MAX: usize = 1_024;

/// The number of no port.
const CLOSED: u16 = u16::MAX;

/// A port of the running DPDK. Closed when dropped.
pub(super) struct Port {
    id: u16,
    name: String,
    is_virtual: bool,
    is_started: bool,
    /// Queues that are set up, receive and transmit.
    queues: (u16, u16),
    /// The driver keeps ethdev's record of the link by itself.
    is_told_of_link: bool,
    /// What reads its clock on another thread passes here.
    gate: Gate,
    eal: Rc<Eal>,
}

/// What a port can do (`rte_eth_dev_info`).
#[derive(Clone, Debug)]
pub(super) struct Info {
    /// As DPDK names it.
    pub(super) driver: String,
    /// Those that do its work: it alone, or where it passes frames on, the drivers behind it. Of one whose device is on the
    /// bus there is no name.
    pub(super) at_work: Vec<String>,
    /// `RTE_ETH_RX_OFFLOAD_*`.
    pub(super) rx: Offloads,
    /// `RTE_ETH_TX_OFFLOAD_*`.
    pub(super) tx: Offloads,
    pub(super) rx_queues_max: u16,
    pub(super) tx_queues_max: u16,
    /// The memory node that it is at.
    pub(super) node: Option<u16>,
    /// The kernel's interface on the same port, by its index; 0 for none.
    pub(super) interface: u32,
    /// The driver tells of the link by interrupts. One that passes frames on tells as its devices do, and is taken for one
    /// that does not.
    pub(super) tells_of_link: bool,
}

/// Offloads of one direction: those of the whole port, and those that each queue can have for itself. A driver lists most
/// of the second among the first too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offloads {
    pub(super) port: u64,
    pub(super) queue: u64,
}

impl Offloads {
    /// On either level.
    pub(super) fn any(self) -> u64 {
        self.port | self.queue
    }

    /// Of `asked` what there is, at each level that has it: a port that is asked for what it has not refuses all. What
    /// both levels have is asked for at both, since some drivers look at the port's alone.
    pub(super) fn of(self, asked: u64) -> Offloads {
        Offloads { port: asked & self.port, queue: asked & self.queue }
    }
}

/// How a port is to be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) rx_queues: u16,
    pub(super) tx_queues: u16,
    pub(super) rx_descriptors: u16,
    pub(super) tx_descriptors: u16,
    /// `RTE_ETH_RX_OFFLOAD_*`.
    pub(super) rx: Offloads,
    /// `RTE_ETH_TX_OFFLOAD_*`.
    pub(super) tx: Offloads,
    /// Whether the driver is to keep ethdev's record of the link by interrupts.
    pub(super) tells_of_link: bool,
}

/// A direction, seen from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Rx,
    Tx,
}

/// What a port has counted (`rte_eth_stats`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stats {
    /// Bytes that came, where the driver counts them.
    pub(super) rx_bytes: u64,
    /// Bytes that left, where the driver counts them.
    pub(super) tx_bytes: u64,
    /// Frames that found no descriptor.
    pub(super) missed: u64,
    /// Frames that arrived wrong.
    pub(super) rx_errors: u64,
    /// Frames that found no buffer.
    pub(super) no_buffer: u64,
    pub(super) tx_errors: u64,
}

impl Port {
    /// The port of a device that DPDK was told of.
    pub(super) fn of(eal: &Rc<Eal>, device: &DeviceSpec) -> Option<Port> {
        let id = number_of(device.name())?;
        eal.take(device.name()).then(|| Port {
            id,
            name: device.name().to_owned(),
            is_virtual: !device.is_pci(),
            is_started: false,
            queues: (0, 0),
            is_told_of_link: false,
            gate: Gate::default(),
            eal: Rc::clone(eal),
        })
    }

    /// Whether DPDK has a port of this device, whoever has it.
    pub(super) fn is_there(device: &DeviceSpec) -> bool {
        number_of(device.name()).is_some()
    }

    /// The numbers of the ports that do its work, of which `device` tells: its own, or those behind it.
    pub(super) fn at_work(&self, device: &DeviceSpec) -> Vec<u16> {
        if !device.passes_on() {
            return vec![self.id];
        }
        let behind = device.end_devices();
        behind.iter().filter_map(|device| number_of(device.name())).collect()
    }

    /// Closes it and has DPDK make its device anew. Its number may be another, and its address where its driver makes
    /// one up.
    pub(super) fn renew(&mut self, device: &DeviceSpec) -> Result<(), DpdkError> {
        self.close();
        self.id = CLOSED;
        self.queues = (0, 0);
        self.eal.add(device, &[])?;
        let gone = || DpdkError::NotAdded {
            device: device.name().to_owned(),
            errno: Errno::of(libc::ENODEV),
            remedy: "what it said of it stands above".to_owned(),
        };
        self.id =
            number_of(device.name()).filter(|_| self.eal.take(&self.name)).ok_or_else(gone)?;
        Ok(())
    }

    fn close(&mut self) {
        let _ = self.stop();
        // SAFETY: a port of this number is stopped, nobody else has it, and its clock is read no more; where there is none,
        // that is refused.
        unsafe { ffi::rte_eth_dev_close(self.id) };
        self.eal.give_back(&self.name, self.is_virtual);
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

    /// What it can do, as the port of `device`.
    pub(super) fn info(&self, device: &DeviceSpec) -> Result<Info, DpdkError> {
        let info = self.raw_info()?;
        let driver = text(info.driver_name);
        let at_work =
            if device.passes_on() { device.drivers_at_work() } else { vec![driver.clone()] };
        // SAFETY: the id is a port's.
        let node = unsafe { ffi::rte_eth_dev_socket_id(self.id) };
        Ok(Info {
            driver,
            at_work,
            rx: Offloads { port: info.rx_offload_capa, queue: info.rx_queue_offload_capa },
            tx: Offloads { port: info.tx_offload_capa, queue: info.tx_queue_offload_capa },
            rx_queues_max: info.max_rx_queues,
            tx_queues_max: info.max_tx_queues,
            node: u16::try_from(node).ok(),
            interface: info.if_index,
            tells_of_link: !device.passes_on() && flags(&info) & ffi::RTE_ETH_DEV_INTR_LSC != 0,
        })
    }

    /// Sets the port and its queues up; frames that arrive go to buffers of `rx`.
    pub(super) fn configure(&mut self, config: &Config, rx: &Mempool) -> Result<(), DpdkError> {
        let info = self.raw_info()?;
        // SAFETY: it is made of numbers, for which zero is a value.
        let mut conf: ffi::rte_eth_conf = unsafe { zeroed() };
        conf.rxmode.offloads = config.rx.port;
        conf.rxmode.mtu = self.mtu();
        conf.txmode.offloads = config.tx.port;
        conf.intr_conf.set_lsc(config.tells_of_link.into());
        let (rx_queues, tx_queues) = (config.rx_queues, config.tx_queues);
        // SAFETY: `conf` is whole and read during the call.
        let answer =
            unsafe { ffi::rte_eth_dev_configure(self.id, rx_queues, tx_queues, &raw const conf) };
        self.done("configuring it", answer)?;
        self.is_told_of_link = config.tells_of_link;
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
        rx_conf.offloads = config.rx.queue;
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
            self.done("setting up a receive queue, which may want more `frames` ([buffers] in the profile)", answer)?;
        }
        let mut tx_conf = info.default_txconf;
        tx_conf.offloads = config.tx.queue;
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
        self.ask_for_types();
        Ok(())
    }

    /// Has the driver tell of each frame what network and transport it takes it for, and no more.
    fn ask_for_types(&self) {
        let layers = ffi::RTE_PTYPE_L3_MASK | ffi::RTE_PTYPE_L4_MASK;
        // SAFETY: with no room, it says how many types of these layers it can tell.
        let told =
            unsafe { ffi::rte_eth_dev_get_supported_ptypes(self.id, layers, ptr::null_mut(), 0) };
        if told > 0 {
            // SAFETY: the same. A driver that cannot tell fewer goes on telling all.
            let _ = unsafe { ffi::rte_eth_dev_set_ptypes(self.id, layers, ptr::null_mut(), 0) };
        }
    }

    /// The offloads that are on, receive and transmit, as read back after the set-up: of those that a queue can have for
    /// itself, by `info`, what every queue says it has, and `asked` where no driver tells; of the others, which are the
    /// whole port's, what ethdev has on record.
    pub(super) fn switched_on(&self, info: &Info, asked: &Config) -> Result<(u64, u64), DpdkError> {
        // SAFETY: it is made of numbers, for which zero is a value.
        let mut conf: ffi::rte_eth_conf = unsafe { zeroed() };
        // SAFETY: `conf` is a whole one to write to.
        let answer = unsafe { ffi::rte_eth_dev_conf_get(self.id, &raw mut conf) };
        self.done("asking how it is set up", answer)?;
        let of_all = |queues, by_queue: u64, asked, of: fn(&Port, u16) -> Option<u64>| {
            let told = (0..queues).filter_map(|queue| of(self, queue));
            // The record of the port is of what was asked, whatever came of it in a queue.
            told.fold(asked, |all, on| all & (on | !by_queue))
        };
        let (rx, tx) =
            (conf.rxmode.offloads | asked.rx.queue, conf.txmode.offloads | asked.tx.queue);
        Ok((
            of_all(self.queues.0, info.rx.queue, rx, Port::rx_queue_offloads),
            of_all(self.queues.1, info.tx.queue, tx, Port::tx_queue_offloads),
        ))
    }

    /// What a receive queue has, the port's among it; `None` where the driver does not tell.
    fn rx_queue_offloads(&self, queue: u16) -> Option<u64> {
        // SAFETY: it is made of numbers and pointers, for which zero is a value.
        let mut info: ffi::rte_eth_rxq_info = unsafe { zeroed() };
        // SAFETY: `info` is a whole one to write to.
        let answer = unsafe { ffi::rte_eth_rx_queue_info_get(self.id, queue, &raw mut info) };
        (answer == 0).then_some(info.conf.offloads)
    }

    /// What a transmit queue has, the port's among it; `None` where the driver does not tell.
    fn tx_queue_offloads(&self, queue: u16) -> Option<u64> {
        // SAFETY: it is made of numbers and pointers, for which zero is a value.
        let mut info: ffi::rte_eth_txq_info = unsafe { zeroed() };
        // SAFETY: `info` is a whole one to write to.
        let answer = unsafe { ffi::rte_eth_tx_queue_info_get(self.id, queue, &raw mut info) };
        (answer == 0).then_some(info.conf.offloads)
    }

    /// By which of its ways the driver receives by a queue or sends by one, in its own words.
    pub(super) fn burst_mode(&self, way: Way, queue: u16) -> Result<String, Errno> {
        // SAFETY: it is made of numbers, for which zero is a value.
        let mut mode: ffi::rte_eth_burst_mode = unsafe { zeroed() };
        let answer = match way {
            // SAFETY: `mode` is a whole one to write to.
            Way::Rx => unsafe { ffi::rte_eth_rx_burst_mode_get(self.id, queue, &raw mut mode) },
            // SAFETY: the same.
            Way::Tx => unsafe { ffi::rte_eth_tx_burst_mode_get(self.id, queue, &raw mut mode) },
        };
        if answer == 0 { Ok(text_of(&mode.info)) } else { Err(Errno::of(answer)) }
    }

    /// How many queues are set up, receive and transmit.
    pub(super) fn queues(&self) -> (u16, u16) {
        self.queues
    }

    pub(super) fn is_started(&self) -> bool {
        self.is_started
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

    /// Sets the clock going that its driver keeps for PTP.
    pub(super) fn timesync(&self) -> Result<Timesync<'_>, Errno> {
        Timesync::of(self.id, &self.gate)
    }

    /// Whether [`is_up`](Port::is_up) reads what the driver has written down, on a port that runs, and asks nobody.
    pub(super) fn is_told_of_link(&self) -> bool {
        self.is_told_of_link
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
        Stats {
            rx_bytes: stats.ibytes,
            tx_bytes: stats.obytes,
            missed: stats.imissed,
            rx_errors: stats.ierrors,
            no_buffer: stats.rx_nombuf,
            tx_errors: stats.oerrors,
        }
    }

    /// Counters of the driver's by its own names (xstats), the first [`XSTATS_MAX`] of them.
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
        for value in values[..len].iter().take(XSTATS_MAX) {
            all.extend(name(value.id).map(|name| (name, value.value)));
        }
        all
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Port({} is {})", self.id, self.name)
    }
}

/// `RTE_ETH_DEV_*` of a port.
fn flags(info: &ffi::rte_eth_dev_info) -> u32 {
    // SAFETY: ethdev has it point to what it keeps of the port, for as long as that is there, or nowhere.
    unsafe { info.dev_flags.as_ref() }.copied().unwrap_or(0)
}

/// The number of the port of this name.
fn number_of(name: &str) -> Option<u16> {
    let name = CString::new(name).ok()?;
    let mut id = 0;
    // SAFETY: the name is a C string, and `id` is a number to write to.
    let answer = unsafe { ffi::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut id) };
    // The table of burst functions is looked up by it.
    (answer == 0 && u32::from(id) < ffi::RTE_MAX_ETHPORTS).then_some(id)
}

/// A C string of DPDK's; empty for none.
fn text(raw: *const c_char) -> String {
    if raw.is_null() {
        return String::new();
    }
    // SAFETY: what DPDK gives as text is a C string that lives as long as its driver.
    unsafe { CStr::from_ptr(raw) }.to_string_lossy().into_owned()
}

fn text_of(name: &[c_char]) -> String {
    let bytes: Vec<u8> =
        name.iter().map(|c| c.cast_unsigned()).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
