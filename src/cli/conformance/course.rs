//! How long a session is, and what the line does to its frames meanwhile.

use fixwire::offload::capability::Capability;
use fixwire::offload::verdict::PROOF_FRAMES;
use fixwire_hw::sim::{Aim, Direction, Faults, Wire};

use super::strays::STRAYS_GONE;

/// How long a session is, and what the line does to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Course {
    pub(super) orders: u64,
    pub(super) harm: Harm,
}

/// What the line does to frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    None,
    /// Of so many frames in a million a bit is flipped, both ways.
    Flips {
        ppm: u32,
    },
    /// Once the device has passed its proof, every frame to us is wrong in the first of these layers until
    /// the device is found out, then in the next. The flipped bit is one of the checksum itself: whoever
    /// lets the frame in has what it carries right, and the session goes on as if nothing were. Then the
    /// first frame of each of a number of reports is wrong anywhere.
    Lies {
        layers: Vec<Capability>,
        /// How many such frames at most are let in for each layer.
        wrong_frames_max: u64,
    },
}

/// Reports after which the device has passed its proof, each of them a frame at least.
const PROVEN: u64 = PROOF_FRAMES as u64 + 6;
const _: () = assert!(STRAYS_GONE < PROVEN, "a stray in flight would count for a frame let in");
/// Reports of which the first frame is wrong once all is found out.
const SPOILED_AFTER: u64 = 20;

impl Course {
    /// The usual length, on a clean line.
    pub(super) const CLEAN: Course = Course { orders: 100, harm: Harm::None };
    /// One frame in a hundred is wrong: long enough for some of them each way.
    pub(super) const CORRUPT: Course = Course { orders: 300, harm: Harm::Flips { ppm: 10_000 } };

    /// One long enough for a device that lies of `layers` and gets at most so many wrong frames let in for
    /// each.
    pub(super) fn of_lies(layers: &[Capability], wrong_frames_max: u64) -> Course {
        let told = wrong_frames_max * layers.len() as u64;
        let orders = PROVEN + told + 2 * SPOILED_AFTER;
        Course { orders, harm: Harm::Lies { layers: layers.to_vec(), wrong_frames_max } }
    }
}

/// Does to the frames on a wire what a course says.
pub(super) struct Spoiler {
    wire: Wire,
    harm: Harm,
    /// What it does now, to us and to the peer.
    does: [Faults; 2],
    spoiled_after: u64,
    /// How many reports there were when the last of those was spoiled.
    spoiled_at: u64,
    /// How many wrong frames had come before it.
    wrong_before: u64,
}

impl Spoiler {
    pub(super) fn new(wire: Wire, harm: Harm) -> Spoiler {
        let does = [Faults::default(); 2];
        Spoiler { wire, harm, does, spoiled_after: 0, spoiled_at: 0, wrong_before: 0 }
    }

    /// Frames sent from now on meet what the course says, `reports` having come.
    pub(super) fn set(&mut self, reports: u64) {
        let flips =
            |corrupt_ppm, corrupt_at| Faults { corrupt_ppm, corrupt_at, ..Faults::default() };
        let whole = Faults::default();
        let does = match &self.harm {
            Harm::None => [whole; 2],
            Harm::Flips { ppm } => [flips(*ppm, Aim::Anywhere); 2],
            Harm::Lies { .. } if reports < PROVEN => [whole; 2],
            Harm::Lies { layers, .. } => match layers.first() {
                Some(Capability::RxIpv4Checksum) => [flips(1_000_000, Aim::Ipv4Checksum), whole],
                Some(_) => [flips(1_000_000, Aim::TcpChecksum), whole],
                None => {
                    let ppm = if self.spoils_next(reports) { 1_000_000 } else { 0 };
                    [flips(ppm, Aim::Anywhere), whole]
                }
            },
        };
        self.does(does);
    }

    /// The device was found out: it is not believed in this layer any more.
    pub(super) fn found_out(&mut self, layer: Capability) {
        if let Harm::Lies { layers, .. } = &mut self.harm {
            layers.retain(|other| *other != layer);
            self.wrong_before = self.received_wrong();
        }
    }

    /// Frames sent by `send` are left alone.
    pub(super) fn spares(&mut self, send: impl FnOnce()) {
        let does = self.does;
        self.does([Faults::default(); 2]);
        send();
        self.does(does);
    }

    /// Every frame sent from now on is left alone.
    pub(super) fn rests(&mut self) {
        self.harm = Harm::None;
        self.does([Faults::default(); 2]);
    }

    /// Frames that have reached us wrong.
    pub(super) fn received_wrong(&self) -> u64 {
        self.wire.counters(Direction::BToA).received_wrong
    }

    /// Whether the report that is waited for has not come wrong yet, and is to.
    fn spoils_next(&mut self, reports: u64) -> bool {
        let wrong = self.received_wrong();
        if wrong > self.wrong_before {
            self.wrong_before = wrong;
            self.spoiled_at = reports;
            self.spoiled_after += 1;
        }
        self.spoiled_at != reports && self.spoiled_after < SPOILED_AFTER
    }

    fn does(&mut self, does: [Faults; 2]) {
        if self.does != does {
            self.does = does;
            let [to_us, to_them] = does;
            self.wire.set_faults(Direction::BToA, to_us);
            self.wire.set_faults(Direction::AToB, to_them);
        }
    }
}
