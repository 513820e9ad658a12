//! A modelled ConnectX says what it has to say of a frame as the device does: in 64 bytes, which are read as
//! a driver reads them. What does not fit into them does not get through.

use fixwire_offload::nic::{Parsed, RxMeta};
use fixwire_offload::stamp::{Domain, RxStamp};
use fixwire_offload::verdict::Verdict;

use super::model::{Model, VerdictStyle};
use crate::mlx5::{
    Completion, FlowTag, L3Header, L4Header, Received, StampFormat, StampSource, software_owner,
};

/// Entries of the completion queue, as a power of two.
const ENTRIES_LOG2: u32 = 8;
const NS_PER_S: u64 = 1_000_000_000;

impl Model {
    /// Whether it writes completion entries that are known here, and says no more than fits into one. A model
    /// that was changed to say bad, or to hand over unfinished sums, is no ConnectX any more.
    pub(super) fn writes_entries(&self) -> bool {
        let may_say_bad = matches!(
            self.verdicts,
            VerdictStyle::GoodOrBad | VerdictStyle::GoodUnlessBad | VerdictStyle::BadOrSilent
        );
        let fits = !may_say_bad && !self.capabilities.gives_none;
        fits && self.capabilities.driver.name == "mlx5_pci"
    }
}

/// What is left of `meta`, of the frame of `len` bytes that is the `nth` received, when it has been through an
/// entry.
pub(super) fn through_entry(meta: RxMeta, len: usize, nth: u64) -> RxMeta {
    // Both count on past their last bit.
    let (index, wqe_counter) = (nth as u32, nth as u16);
    let owner = software_owner(index, ENTRIES_LOG2);
    let is_tcp = meta.parsed == Parsed::Ipv4Tcp;
    let l3_ok = meta.l3 == Verdict::Good;
    let received = Received {
        l2_ok: true,
        l3_ok,
        l4_ok: meta.l4 == Verdict::Good,
        l3: if is_tcp || l3_ok { L3Header::Ipv4 } else { L3Header::None },
        l4: if is_tcp { L4Header::TcpAckWithData } else { L4Header::None },
        byte_cnt: u16::try_from(len).unwrap_or(u16::MAX),
        timestamp: meta.stamp.map_or(0, |stamp| field(&stamp)),
        flow_tag: meta.mark.and_then(FlowTag::of_dpdk_mark).unwrap_or_default(),
        wqe_counter,
        ..Received::default()
    };
    let entry = Completion::Received(received).encode(owner);
    match Completion::decode(&entry, owner) {
        Ok(Some(Completion::Received(read))) => read.meta(meta.queue, meta.stamp.map(source)),
        // Not a frame's: nothing is known of it.
        _ => RxMeta { queue: meta.queue, ..RxMeta::UNKNOWN },
    }
}

fn source(RxStamp { clock, generation, domain, .. }: RxStamp) -> StampSource {
    let format = match domain {
        Domain::NicNs => StampFormat::RealTime,
        _ => StampFormat::FreeRunning,
    };
    StampSource { clock, generation, format }
}

/// The timestamp as the device writes it.
fn field(stamp: &RxStamp) -> u64 {
    match source(*stamp).format {
        StampFormat::FreeRunning => stamp.ticks,
        StampFormat::RealTime => ((stamp.ticks / NS_PER_S) << 32) | (stamp.ticks % NS_PER_S),
    }
}

#[cfg(test)]
mod tests {
    use fixwire_offload::stamp::ClockId;
    use proptest::prelude::*;

    use super::*;

    fn meta() -> impl Strategy<Value = RxMeta> {
        let says = || prop::sample::select(vec![Verdict::Good, Verdict::Unknown]);
        let parsed = prop::sample::select(vec![Parsed::Ipv4Tcp, Parsed::Other]);
        let mark = prop::option::of(0u32..=0x00ff_ffef);
        // Real time until 2038, when its seconds take the bit that does not count.
        let stamp = prop_oneof![
            Just(None),
            (0..=u64::MAX >> 1).prop_map(|ticks| Some((Domain::NicTicks, ticks))),
            (0..NS_PER_S << 31).prop_map(|ticks| Some((Domain::NicNs, ticks))),
        ];
        (any::<u16>(), mark, parsed, says(), says(), stamp).prop_map(
            |(queue, mark, parsed, l3, l4, stamp)| {
                let stamp = stamp.map(|(domain, ticks)| RxStamp {
                    clock: ClockId(1),
                    generation: 2,
                    domain,
                    ticks,
                });
                RxMeta { queue, mark, parsed, l3, l4, stamp, ..RxMeta::UNKNOWN }
            },
        )
    }

    proptest! {
        #[test]
        fn what_a_connectx_can_say_comes_through_as_it_was(
            meta in meta(),
            len in 60usize..1_518,
            nth in any::<u64>(),
        ) {
            prop_assert_eq!(through_entry(meta, len, nth), meta);
        }
    }

    #[test]
    fn what_it_cannot_say_does_not() {
        let bad = RxMeta { l3: Verdict::Bad, l4: Verdict::Bad, ..RxMeta::UNKNOWN };
        let meta = through_entry(RxMeta { mark: Some(0x00ff_fff0), ..bad }, 60, 0);
        assert_eq!((meta.l3, meta.l4, meta.mark), (Verdict::Unknown, Verdict::Unknown, None));
    }

    #[test]
    fn every_connectx_writes_entries_and_nothing_else_does() {
        for name in super::super::models::names() {
            let writes = Model::named(name).unwrap().writes_entries();
            assert_eq!(writes, name.starts_with("connectx"), "{name}");
        }
    }
}
