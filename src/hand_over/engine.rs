//! An engine as plain data, and an engine that goes on from it.

use serde::{Deserialize, Serialize};

use super::{FORMAT, Format, HandOverRefusal, TakenOver};
use crate::app::Application;
use crate::blob::Blob;
use crate::desk::DeskState;
use crate::engine::Engine;
use crate::offload::nic::Nic;
use crate::tcp::Count;
use crate::time::Now;
use crate::wire::ethernet::Mac;

/// How often a device that takes no frame is asked once more before it is handed over: what it does not take is lost, and
/// sent again by TCP.
const LAST_BURSTS: usize = 64;

#[derive(Serialize, Deserialize)]
struct State {
    format: Format,
    /// Address, prefix length and VLAN.
    network: (u32, u8, Option<u16>),
    desk: DeskState,
    neighbors: Vec<(u32, [u8; 6])>,
    /// What the stack leaves besides connections.
    legacy: Blob,
}

impl<N: Nic, A: Application> Engine<N, A> {
    /// Makes plain data of all that is to go on in another process. To be called between rounds; until it is
    /// [polled](Engine::poll) again, nothing it is asked for has changed, and nobody was told anything.
    ///
    /// # Errors
    /// [`HandOverRefusal`].
    pub fn export(&mut self, now: Now) -> Result<Vec<u8>, HandOverRefusal> {
        self.desk.settle(now, &mut self.tcp);
        let held: Vec<_> = self.tcp.live().map(|(id, _)| id).collect();
        for id in held {
            while let Some(name) = self.tcp.next_held(id) {
                self.held.give_back(&mut self.tcp, name, Count::HeldForBuffers);
            }
        }
        self.transmit(now);
        for _ in 0..LAST_BURSTS {
            if self.outbound.is_empty() {
                break;
            }
            self.nic.reclaim();
            self.hand_over();
        }
        let network = self.neighbors.network();
        let state = State {
            format: FORMAT,
            network: (network.addr.to_bits(), network.prefix_len, network.vlan),
            desk: self.desk.hand_over(now, &mut self.tcp)?,
            neighbors: self
                .neighbors
                .all_known()
                .map(|(addr, Mac(mac))| (addr.to_bits(), mac))
                .collect(),
            legacy: Blob(self.tcp.legacy(now.mono)),
        };
        postcard::to_allocvec(&state).map_err(|_| HandOverRefusal::Malformed)
    }

    /// Goes on from what another engine has [exported](Engine::export). To be called before the first
    /// [poll](Engine::poll), and by a clock that goes on from the other's: `now` is when that was asked.
    ///
    /// # Errors
    /// [`HandOverRefusal`]: this engine is not to be polled.
    pub fn import(&mut self, now: Now, state: &[u8]) -> Result<TakenOver, HandOverRefusal> {
        let State { format, network, desk, neighbors, legacy } =
            postcard::from_bytes(state).map_err(|_| HandOverRefusal::Malformed)?;
        let ours = self.neighbors.network();
        if format != FORMAT {
            return Err(HandOverRefusal::Malformed);
        }
        if network != (ours.addr.to_bits(), ours.prefix_len, ours.vlan) {
            return Err(HandOverRefusal::NetworkDiffers);
        }
        self.tcp.inherit(now.mono, &legacy).map_err(HandOverRefusal::Connection)?;
        let taken = self.desk.take_over(now, &mut self.tcp, &desk)?;
        for (addr, mac) in &neighbors {
            self.neighbors.take_over(now.mono, (*addr).into(), Mac(*mac));
        }
        Ok(TakenOver { neighbors: neighbors.len(), ..taken })
    }
}
