//! A million frames, whole ones and everything that can be wrong with one: what the oracle reads in their
//! bytes, what each modelled device says of them, and what the engine makes of both, agree.
//!
//! RTL is held against the same frames by `rtl-stubs/tests/cosimulation`.
#![allow(unreachable_pub, missing_docs)]

mod device;
mod frames;
mod host;
mod oracle;
mod seen;

use std::net::Ipv4Addr;

use fixwire::wire::ethernet::Mac;
use fixwire_hw::sim::{Model, Parser, VerdictStyle, models};

use device::Device;
use frames::Frames;
use seen::Seen;

const HOST: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const HOST_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);
const PEER_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
/// The VLAN of the host that is in one.
const VLAN: u16 = 7;

/// Of all devices together.
const FRAMES: usize = 1_000_000;

/// Every model of the catalogue, one that does nothing, and of every style that is true one that reads
/// neither past tags nor past options.
fn models() -> Vec<Model> {
    use VerdictStyle::{BadOrSilent, GoodOrBad, GoodOrSilent, GoodUnlessBad, NowAndThen, Silent};
    let parser = Parser { tags_max: 0, reads_past_options: false, tells_types: true };
    let narrow =
        [GoodOrSilent, GoodOrBad, GoodUnlessBad, BadOrSilent, NowAndThen, Silent].map(|verdicts| {
            Model {
                name: format!("{verdicts:?}, narrow").into(),
                verdicts,
                parser,
                ..Model::full()
            }
        });
    let named = models::names().filter_map(Model::named);
    named.chain([Model::bare()]).chain(narrow).collect()
}

#[test]
fn oracle_sums_devices_and_engine_agree_on_a_million_frames() {
    let models = models();
    let frames_each = FRAMES.div_ceil(models.len());
    let mut seen = Seen::default();
    for (seed, model) in (0..).zip(models) {
        let (mut frames, mut device) = (Frames::new(seed), Device::new(model, seed));
        for _ in 0..frames_each {
            device.meets(&frames.next(), &mut frames, &mut seen);
        }
        device.ends_believed();
    }
    seen.assert_not_hollow(FRAMES as u64);
}
