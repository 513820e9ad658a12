//! A ring whose frames get the flags, marks and stamps that a ConnectX-5's driver would give them, by DPDK's own
//! hook on received bursts: the mbufs are real, what they say is made up. Nothing here is a ConnectX-5.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr;
use std::slice;

use dpdk_sys as ffi;
use fixwire_hw::dpdk::{DpdkBackend, DpdkError, DpdkNic};
use fixwire_offload::Plan;
use fixwire_offload::capability::Capability;
use fixwire_offload::device::Backend;
use fixwire_offload::flow::RuleSet;
use fixwire_offload::plan::{Advert, Capabilities, Provider};

use crate::its_clock;

/// What a frame asks the hook to say of it, by its first byte behind the Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Say {
    Nothing,
    Good,
    Bad,
    None,
    /// Good, with a mark.
    Marked,
    /// Good, of something else than IPv4 and TCP.
    GoodOfOther,
    /// Good, and its stamp is missing.
    Unstamped,
    /// Good, and its VLAN tag was taken out of it.
    Stripped,
    /// Good, with a VLAN tag that is in it still.
    Tagged,
    /// Nothing, and its stamp is of a second ago.
    StampedBack,
    /// Nothing, and its stamp is the one before it.
    StampedAgain,
    /// Nothing, and its stamp is of ten seconds on.
    StampedAhead,
}

impl Say {
    const OF_STAMPS_ALONE: [Say; 4] =
        [Say::Nothing, Say::StampedBack, Say::StampedAgain, Say::StampedAhead];
}

pub(crate) const AT: usize = 14;
pub(crate) const MARK: u32 = 0x00ab_cdef;
/// A tag with all of its fields: priority, eligible to be dropped, and number (IEEE 802.1Q 9.6).
pub(crate) const TAG: u16 = 5 << 13 | 1 << 12 | 42;
/// The stamp of the first frame; each after it is one later, unless stamps are by the test's clock.
pub(crate) const FIRST_STAMP: u64 = 1 << 40;

/// What the hook makes up.
pub(crate) const MADE_UP: [Capability; 3] =
    [Capability::RxIpv4Checksum, Capability::RxTcpChecksum, Capability::RxTimestamp];

/// A port that says that it has what it has not.
pub(crate) struct Claiming<'a> {
    pub(crate) backend: DpdkBackend,
    pub(crate) claims: &'a [Capability],
    /// It goes on saying so when it is read back, because somebody makes up for it.
    pub(crate) stands_by_them: bool,
}

impl Claiming<'_> {
    pub(crate) fn these(backend: DpdkBackend, claims: &[Capability]) -> Claiming<'_> {
        Claiming { backend, claims, stands_by_them: true }
    }
}

impl Backend for Claiming<'_> {
    type Nic = DpdkNic;
    type Error = DpdkError;

    fn name(&self) -> String {
        self.backend.name()
    }

    fn capabilities(&self) -> Capabilities {
        let advert = Advert { by: Provider::Model, how: "made up" };
        self.claims.iter().fold(self.backend.capabilities(), |all, of| all.with(*of, advert))
    }

    fn configure(&mut self, plan: &Plan) -> Result<Vec<(Capability, String)>, DpdkError> {
        let mut refused = self.backend.configure(plan)?;
        refused.retain(|(of, _)| !(self.stands_by_them && self.claims.contains(of)));
        Ok(refused)
    }

    fn start(&mut self) -> Result<(), DpdkError> {
        self.backend.start()
    }

    fn says(&self, plan: &Plan) -> Vec<(Capability, Result<String, String>)> {
        self.backend.says(plan)
    }

    fn stop(&mut self) -> Result<(), DpdkError> {
        self.backend.stop()
    }

    fn steer(&mut self, rules: &RuleSet) -> Result<(), String> {
        self.backend.steer(rules)
    }

    fn run(self) -> DpdkNic {
        self.backend.run()
    }
}

/// Has port 0, which runs, say of frames what they ask for.
pub(crate) fn hook() {
    // SAFETY: the port runs; the hook touches the frames that it is given and nothing else.
    let hook = unsafe { ffi::rte_eth_add_rx_callback(0, 0, Some(say), ptr::null_mut()) };
    assert!(!hook.is_null(), "this DPDK was built without hooks");
}

unsafe extern "C" fn say(
    _port: u16,
    _queue: u16,
    frames: *mut *mut ffi::rte_mbuf,
    len: u16,
    _room: u16,
    _: *mut c_void,
) -> u16 {
    let (mut offset, mut flag) = (0, 0);
    // SAFETY: both are numbers to write to; registered before, the field is the same again.
    unsafe { ffi::rte_mbuf_dyn_rx_timestamp_register(&raw mut offset, &raw mut flag) };
    // SAFETY: so many frames were handed over.
    let frames = unsafe { slice::from_raw_parts(frames, len.into()) };
    for frame in frames {
        // SAFETY: each is whole and nobody else's.
        let mbuf = unsafe { &mut **frame };
        let data = mbuf.buf_addr.cast::<u8>().wrapping_add(usize::from(mbuf.data_off));
        // SAFETY: every frame of the test's is longer.
        let [asked, number] = unsafe { data.wrapping_add(AT).cast::<[u8; 2]>().read() };
        let number = u64::from(number);
        let ipv4 = ffi::RTE_PTYPE_L2_ETHER | ffi::RTE_PTYPE_L3_IPV4_EXT_UNKNOWN;
        mbuf.__bindgen_anon_1.packet_type = ipv4 | ffi::RTE_PTYPE_L4_TCP;
        let both_good = ffi::RTE_MBUF_F_RX_IP_CKSUM_GOOD | ffi::RTE_MBUF_F_RX_L4_CKSUM_GOOD;
        let mut flags = u64::from(match asked {
            asked if Say::OF_STAMPS_ALONE.iter().any(|say| asked == *say as u8) => 0,
            asked if asked == Say::Bad as u8 => {
                ffi::RTE_MBUF_F_RX_IP_CKSUM_BAD | ffi::RTE_MBUF_F_RX_L4_CKSUM_BAD
            }
            asked if asked == Say::None as u8 => {
                ffi::RTE_MBUF_F_RX_IP_CKSUM_NONE | ffi::RTE_MBUF_F_RX_L4_CKSUM_NONE
            }
            _ => both_good,
        });
        if asked == Say::Marked as u8 {
            flags |= u64::from(ffi::RTE_MBUF_F_RX_FDIR | ffi::RTE_MBUF_F_RX_FDIR_ID);
            mbuf.__bindgen_anon_2.hash.fdir.hi = MARK;
        }
        if asked == Say::Stripped as u8 {
            flags |= u64::from(ffi::RTE_MBUF_F_RX_VLAN_STRIPPED);
        }
        if asked == Say::Stripped as u8 || asked == Say::Tagged as u8 {
            flags |= u64::from(ffi::RTE_MBUF_F_RX_VLAN);
            mbuf.vlan_tci = TAG;
        }
        if asked == Say::GoodOfOther as u8 {
            mbuf.__bindgen_anon_1.packet_type = ipv4 | ffi::RTE_PTYPE_L4_FRAG;
        }
        if asked != Say::Unstamped as u8 {
            flags |= flag;
            let field = ptr::from_mut(mbuf).cast::<u8>().wrapping_add(offset as usize);
            // SAFETY: eight bytes of every mbuf are the registered field's.
            unsafe { field.cast::<u64>().write_unaligned(stamp(asked, number)) };
        }
        mbuf.ol_flags = flags;
    }
    len
}

/// What a frame is stamped with that asked for that, and has this number.
fn stamp(asked: u8, number: u64) -> u64 {
    let say = [Say::StampedBack, Say::StampedAgain, Say::StampedAhead];
    let say = say.into_iter().find(|say| *say as u8 == asked);
    if !its_clock::stamps() {
        return FIRST_STAMP + number;
    }
    match say {
        Some(Say::StampedBack) => its_clock::stamp_off_by(-1),
        Some(Say::StampedAhead) => its_clock::stamp_off_by(10),
        Some(_) => its_clock::last_stamp(),
        None => its_clock::stamp_off_by(0),
    }
}
