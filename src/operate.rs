//! What an operator has the engine do, between rounds, and what it shows of itself to be read by another core.

use crate::app::{Application, SessionId};
use crate::desk::SessionRefusal;
use crate::engine::Engine;
use crate::offload::capability::Capability;
use crate::offload::nic::Nic;
use crate::offload::observe::Drift;
use crate::offload::profile::Policy;
use crate::tcp::Outstanding;
use crate::time::Now;

/// Why an offload was not taken from the device, or not given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffloadRefusal {
    /// The plan leaves it to the host.
    #[error("the plan does not leave it to the device")]
    NotByDevice,
    /// The host has it already.
    #[error("the host has taken it over before")]
    DemotedAlready,
    /// The device has it.
    #[error("it was not demoted")]
    NotDemoted,
    /// No host takes it over from a device that runs.
    #[error("it is the device's for as long as that runs")]
    NotWhileRunning,
    /// The profile says `require`.
    #[error("the profile requires it of the device")]
    Required,
}

impl OffloadRefusal {
    /// Every reason.
    pub const ALL: [OffloadRefusal; 5] = [
        OffloadRefusal::NotByDevice,
        OffloadRefusal::DemotedAlready,
        OffloadRefusal::NotDemoted,
        OffloadRefusal::NotWhileRunning,
        OffloadRefusal::Required,
    ];

    /// Its name for machines.
    pub const fn name(self) -> &'static str {
        match self {
            OffloadRefusal::NotByDevice => "not_by_device",
            OffloadRefusal::DemotedAlready => "demoted_already",
            OffloadRefusal::NotDemoted => "not_demoted",
            OffloadRefusal::NotWhileRunning => "not_while_running",
            OffloadRefusal::Required => "required",
        }
    }
}

impl<N: Nic, A: Application> Engine<N, A> {
    /// Logs one session out: it neither connects again nor is its counterparty let in, until it is
    /// [resumed](Engine::resume_session). [`Desk::is_drained`](crate::desk::Desk::is_drained) tells when it is down, and may be
    /// [removed](Engine::remove_session). To be called between rounds, as everything here.
    ///
    /// # Errors
    /// [`SessionRefusal`].
    pub fn drain_session(
        &mut self,
        now: Now,
        session: SessionId,
        reason: &str,
    ) -> Result<(), SessionRefusal> {
        self.desk.drain_session(now, &mut self.tcp, session, reason)
    }

    /// Lets a session that was [drained](Engine::drain_session) have a connection again, with the numbers it had: an
    /// initiator's is begun at once.
    ///
    /// # Errors
    /// [`SessionRefusal`].
    pub fn resume_session(&mut self, now: Now, session: SessionId) -> Result<(), SessionRefusal> {
        self.desk.resume_session(now, session)
    }

    /// Has a session that has no connection go on from other numbers, and says from which: the next MsgSeqNum(34) to
    /// send and the next expected. One that is not given stays. What was sent under numbers that are used again is
    /// forgotten. They are those of the session's hours at hand, or where it is closed of the next ones.
    ///
    /// # Errors
    /// [`SessionRefusal`].
    pub fn set_session_numbers(
        &mut self,
        now: Now,
        session: SessionId,
        next_out: Option<u32>,
        next_in: Option<u32>,
    ) -> Result<(u32, u32), SessionRefusal> {
        self.desk.set_numbers(now, session, next_out, next_in)
    }

    /// Has a session that has no connection begin again at 1, both ways.
    ///
    /// # Errors
    /// [`SessionRefusal`].
    pub fn reset_session_numbers(
        &mut self,
        now: Now,
        session: SessionId,
    ) -> Result<(u32, u32), SessionRefusal> {
        self.desk.reset_numbers(now, session)
    }

    /// The messages of a session's connection, its own included, that the counterparty's TCP has not acknowledged to their
    /// ends, oldest first: each with its MsgSeqNum(34) as `tag`, how much of it has left and is acknowledged, and since when.
    /// What was [accepted](crate::fix::Sender::send) on this connection and is not among them is acknowledged. Nothing where
    /// there is no connection: what a connection has left is told by
    /// [`on_unacknowledged`](Application::on_unacknowledged).
    pub fn outstanding(&self, session: SessionId) -> impl Iterator<Item = Outstanding> + '_ {
        let connection = self.desk.connection(session);
        connection.into_iter().flat_map(move |connection| self.tcp.outstanding(connection))
    }

    /// Has the host do from here on what the device does: as if the device had been found wrong.
    ///
    /// # Errors
    /// [`OffloadRefusal`].
    pub fn demote(&mut self, capability: Capability) -> Result<(), OffloadRefusal> {
        let row = self.plan.row(capability);
        if !self.plan.uses(capability) {
            return Err(OffloadRefusal::NotByDevice);
        }
        if row.policy == Policy::Require {
            return Err(OffloadRefusal::Required);
        }
        if self.observations.of(capability).is_demoted() {
            return Err(OffloadRefusal::DemotedAlready);
        }
        let (drift, observations) = (Drift::ByOperator, &mut self.observations);
        match capability {
            Capability::RxIpv4Checksum | Capability::RxTcpChecksum => {
                self.verifier.demote(capability);
                observations.demote(capability, drift);
            }
            Capability::RxTimestamp => {
                self.stamps.demote(Capability::RxTimestamp, drift, observations);
            }
            Capability::FlowSteering => self.steering.take_over(drift, observations),
            Capability::FlowCount => self.steering.take_over_counting(drift, observations),
            _ => return Err(OffloadRefusal::NotWhileRunning),
        }
        Ok(())
    }

    /// Gives one capability that was demoted back to the device, which proves itself anew.
    ///
    /// # Errors
    /// [`OffloadRefusal`].
    pub fn promote_one(&mut self, capability: Capability) -> Result<(), OffloadRefusal> {
        if !self.plan.uses(capability) {
            return Err(OffloadRefusal::NotByDevice);
        }
        let promoted = self.promote_those(|of| of == capability);
        if promoted.is_empty() { Err(OffloadRefusal::NotDemoted) } else { Ok(()) }
    }
}
