//! The sending side: which checksums it finishes, and what became of frames to send.

use fixwire_offload::capability::Capability;

use crate::bus::{Bus, BusError};

use super::Offload;
use super::counters::{CountersError, DropReason};

/// Which checksums of frames to send the device finishes, where a frame asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finishes {
    /// Fills in IPv4's header checksum.
    pub ipv4: bool,
    /// Finishes TCP's from the pseudo-header's sum.
    pub tcp: bool,
}

/// Frames to send by what became of them. Each is in one of them, as soon as it is in the device whole. They count from
/// one reset and over others as [`Counters`](super::Counters) do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxCounters {
    /// Sent with a checksum that the device finished, or two.
    pub finished: u64,
    /// Sent as they came: nothing was asked for them, or nothing that is switched on.
    pub passed: u64,
    /// Dropped: longer than the device takes.
    pub too_long: u64,
    /// Dropped: what was asked for cannot be done at the lengths that came with it.
    pub lengths: u64,
}

impl TxCounters {
    /// All of them.
    pub const fn frames(&self) -> u64 {
        self.finished + self.passed + self.dropped()
    }

    /// Those that were not sent.
    pub const fn dropped(&self) -> u64 {
        self.too_long + self.lengths
    }
}

impl<B: Bus> Offload<B> {
    /// Switches finishing on and off; what is received is judged and steered as before. A frame goes by what is on when its
    /// first beat comes. Where the device cannot finish, it stays off.
    ///
    /// # Errors
    /// The bus failed.
    pub fn finish(&self, finishes: Finishes) -> Result<(), BusError> {
        self.words.regs().enables().try_modify(|enables| {
            enables.set_tx_ipv4_checksum(finishes.ipv4 && self.has(Capability::TxIpv4Checksum));
            enables.set_tx_tcp_checksum(finishes.tcp && self.has(Capability::TxTcpChecksum));
        })
    }

    /// Which checksums it finishes.
    ///
    /// # Errors
    /// The bus failed.
    pub fn finishes(&self) -> Result<Finishes, BusError> {
        let enables = self.words.regs().enables().try_read()?;
        Ok(Finishes { ipv4: enables.tx_ipv4_checksum(), tcp: enables.tx_tcp_checksum() })
    }

    /// What became of frames to send; nothing of a device of version 1.0, whose registers know no sending side. To be asked
    /// as often as [`counters`](Offload::counters), for the same reason, and it takes a reset as that does.
    ///
    /// # Errors
    /// The bus failed, or the device does not come out of its resets.
    pub fn tx_counters(&self) -> Result<TxCounters, CountersError> {
        if !self.has_sending_side() {
            return Ok(TxCounters::default());
        }
        let regs = self.words.regs();
        let now = self.read_counters(|| {
            Ok([
                regs.tx_finished().try_read()?.frames(),
                regs.tx_passed().try_read()?.frames(),
                regs.tx_drop_too_long().try_read()?.frames(),
                regs.tx_drop_lengths().try_read()?.frames(),
            ])
        })?;
        let [finished, passed, too_long, lengths] = self.tx_counters.take(now.map(u64::from));
        Ok(TxCounters { finished, passed, too_long, lengths })
    }

    /// Why a frame to send was dropped, the last time that one was.
    ///
    /// # Errors
    /// The bus failed.
    pub fn tx_last_drop(&self) -> Result<Option<DropReason>, BusError> {
        if !self.has_sending_side() {
            return Ok(None);
        }
        Ok(DropReason::numbered(self.words.regs().tx_last_drop().try_read()?.code()))
    }

    /// Whether there are registers of it: since 1.1.
    fn has_sending_side(&self) -> bool {
        self.found.version.1 >= 1
    }
}
