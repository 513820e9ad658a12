//! The host that has frames sent, and the wire that they come out to.

use std::collections::VecDeque;

use super::Asked;
use super::abi::{Inputs, LANES_MAX, Outputs};
use super::chance::Chance;
use super::simulation::Manners;

/// Which lanes are kept of a beat of so many bytes.
pub(super) fn keep(len: usize) -> u64 {
    if len == LANES_MAX { u64::MAX } else { (1 << len) - 1 }
}

/// Both ends of the sending side.
#[derive(Debug, Default)]
pub(super) struct Transmit {
    pub(super) manners: Manners,
    /// Frames to send; of the first so many bytes are in.
    waiting: VecDeque<(Vec<u8>, Asked)>,
    bytes_in: usize,
    /// Of a frame on its way out, what has come.
    coming: Vec<u8>,
    sent: VecDeque<Vec<u8>>,
}

impl Transmit {
    pub(super) fn push(&mut self, bytes: &[u8], asked: Asked) {
        if !bytes.is_empty() {
            self.waiting.push_back((bytes.to_vec(), asked));
        }
    }

    pub(super) fn next_sent(&mut self) -> Option<Vec<u8>> {
        self.sent.pop_front()
    }

    /// Frames that are not in whole.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_in_frame(&self) -> bool {
        self.bytes_in > 0
    }

    /// Takes back what has not begun.
    pub(super) fn withdraw(&mut self) {
        self.waiting.truncate(usize::from(self.is_in_frame()));
    }

    /// What was half in is cut, what was half out is lost.
    pub(super) fn reset(&mut self) {
        if self.bytes_in > 0 {
            self.waiting.pop_front();
            self.bytes_in = 0;
        }
        self.coming.clear();
    }

    /// Lays the next beat onto the pins, and says how many bytes it has: none in a gap. What is not kept may be anything, and
    /// so may what is asked beside any beat but a frame's first.
    pub(super) fn lay_beat(
        &mut self,
        inputs: &mut Inputs,
        lanes: usize,
        is_reset: bool,
        chance: &mut Chance,
    ) -> usize {
        inputs.m_tx_tready = !chance.happens(self.manners.stalls);
        let Some((bytes, asked)) = self.waiting.front() else {
            inputs.tx_tvalid = false;
            return 0;
        };
        chance.fill(&mut inputs.tx_tdata[..lanes]);
        inputs.tx_tuser = chance.draw() as u32;
        let is_gap = is_reset || chance.happens(self.manners.gaps);
        let rest = &bytes[self.bytes_in..];
        let len = if is_gap { 0 } else { rest.len().min(lanes) };
        inputs.tx_tdata[..len].copy_from_slice(&rest[..len]);
        if self.bytes_in == 0 && len > 0 {
            inputs.tx_tuser = asked.into_bits();
        }
        inputs.tx_tvalid = len > 0;
        inputs.tx_tkeep = keep(len);
        inputs.tx_tlast = len == rest.len();
        len
    }

    /// Takes what a cycle has moved, in and out; whether anything has, or waits to.
    pub(super) fn takes(
        &mut self,
        outputs: &Outputs,
        lanes: usize,
        in_beat: usize,
        wire_takes: bool,
    ) -> bool {
        let is_out = outputs.m_tx_tvalid != 0;
        if is_out && wire_takes {
            let kept = outputs.tx_tkeep.trailing_ones() as usize;
            self.coming.extend_from_slice(&outputs.tx_tdata[..kept.min(lanes)]);
            if outputs.m_tx_tlast != 0 {
                self.sent.push_back(core::mem::take(&mut self.coming));
            }
        }
        let is_in = in_beat > 0 && outputs.tx_tready != 0;
        if is_in {
            self.bytes_in += in_beat;
            if self.waiting.front().is_some_and(|(bytes, _)| bytes.len() == self.bytes_in) {
                self.waiting.pop_front();
                self.bytes_in = 0;
            }
        }
        is_out || is_in
    }
}
