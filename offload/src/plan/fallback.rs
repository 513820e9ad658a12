//! What happens when a device does not do a piece of work.

use super::{Outcome, Provider};
use crate::capability::Capability;

/// Who does it then, and how.
pub(super) struct Fallback {
    pub(super) outcome: Outcome,
    pub(super) by: Provider,
    pub(super) how: &'static str,
}

/// What becomes of it where the profile has it off.
pub(super) fn when_off(capability: Capability) -> Fallback {
    match capability {
        // Whoever asks for no times of sending is not to pay for them.
        Capability::TxTimestamp => {
            let how = "no sending is told of";
            Fallback { outcome: Outcome::Off, by: Provider::Nobody, how }
        }
        _ => of(capability),
    }
}

pub(super) fn of(capability: Capability) -> Fallback {
    let host = |how| Fallback { outcome: Outcome::Host, by: Provider::Fixwire, how };
    let off = |how| Fallback { outcome: Outcome::Off, by: Provider::Nobody, how };
    match capability {
        Capability::RxIpv4Checksum => host("every IPv4 header is summed in software"),
        Capability::RxTcpChecksum => host("every TCP segment is summed in software"),
        Capability::TxIpv4Checksum => host("each IPv4 header is summed as it is written"),
        Capability::TxTcpChecksum => host("summed while the payload is copied into the frame"),
        Capability::RxTimestamp => host("host's clock, read after rx_burst"),
        Capability::RxTimestampRealTime => {
            host("stamps are converted to the time of day off the path")
        }
        Capability::FlowSteering => {
            host("the 4-tuple table steers, the classifier does what rules add")
        }
        Capability::FlowMasked => host("the software classifier masks addresses and ports"),
        Capability::FlowDrop => host("the software classifier drops by rule"),
        Capability::FlowMark => host("the software classifier marks by rule"),
        Capability::FlowCount => host("the software classifier counts by rule"),
        Capability::FlowIsolation => host("frames for others are refused by name"),
        Capability::Rss => off("one queue: order within a session needs no spreading"),
        Capability::FastFree => off("each sent buffer returns to the pool it came from"),
        Capability::Scatter => off("every frame fits one buffer"),
        Capability::Inlining => off("the frame is handed over by reference"),
        Capability::CqeCompression => off("each completion keeps its own stamp"),
        Capability::Mprq => off("each frame has a buffer of its own"),
        Capability::RxVector => off("the driver receives by its scalar path"),
        Capability::HeldFrames => {
            host("a prepared order is copied into the ring as well, and sent again from there")
        }
        Capability::TxTimestamp => host("host's clock, read as frames are handed over"),
        Capability::Lro => off("always off: each frame keeps its own stamp and verdict"),
        Capability::Tso => off("always off: a message is a segment, and its frame is ours to time"),
    }
}
