//! What arguments to a driver switch, where its documentation says that they are the switch: no bit of DPDK's tells of
//! these offloads before a port has started.

use crate::capability::Capability;
use crate::plan::{Advert, Capabilities, Provider};
use crate::profile::Queues;

/// An argument that switches an offload: 0 for off.
struct Switch {
    capability: Capability,
    key: &'static str,
    /// What it is where nobody writes it.
    default: u64,
    /// So many queues it takes besides, by another argument.
    queues: Option<Least>,
    how: &'static str,
}

/// The least number of queues with which a driver does something.
struct Least {
    key: &'static str,
    default: u64,
    of: fn(&Queues) -> u16,
    kind: &'static str,
}

/// DPDK's mlx5 guide, "Driver options" (22.11 to 25.11); on a BlueField `txqs_min_inline` is 16 where nobody writes it.
const MLX5: [Switch; 4] = [
    Switch {
        capability: Capability::RxVector,
        key: "rx_vec_en",
        default: 1,
        queues: None,
        how: "rx_vec_en, which is on unless it is written",
    },
    Switch {
        capability: Capability::Inlining,
        key: "txq_inline_max",
        default: 290,
        queues: Some(Least {
            key: "txqs_min_inline",
            default: 8,
            of: |queues| queues.tx,
            kind: "transmit",
        }),
        how: "up to txq_inline_max bytes, with txqs_min_inline queues or more",
    },
    Switch {
        capability: Capability::CqeCompression,
        key: "rxq_cqe_comp_en",
        default: 1,
        queues: None,
        how: "rxq_cqe_comp_en, which is on unless it is written; mlx5 does not tell whether it does",
    },
    Switch {
        capability: Capability::Mprq,
        key: "mprq_en",
        default: 0,
        queues: Some(Least {
            key: "rxqs_min_mprq",
            default: 12,
            of: |queues| queues.rx,
            kind: "receive",
        }),
        how: "mprq_en, with rxqs_min_mprq queues or more",
    },
];

/// The number that `devargs` have for `key`: the last, as drivers go through them; in hexadecimal too.
pub(crate) fn number(devargs: &str, key: &str) -> Option<u64> {
    let mut args = devargs.split(',').filter_map(|arg| arg.split_once('='));
    let (_, value) = args.rfind(|(known, _)| *known == key)?;
    match value.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => value.parse().ok(),
    }
}

impl Switch {
    /// Whether a port with these arguments and queues has it on, or what is in the way.
    fn is_on(&self, devargs: &str, queues: &Queues) -> Result<(), String> {
        let Switch { key, default, .. } = self;
        match number(devargs, key) {
            Some(0) => return Err(format!("{key}=0 stands in its devargs")),
            None if *default == 0 => return Err(format!("{key}=1 does not stand in its devargs")),
            _ => {}
        }
        let Some(Least { key, default, of, kind }) = &self.queues else { return Ok(()) };
        let (least, has) = (number(devargs, key).unwrap_or(*default), of(queues));
        if u64::from(has) >= least {
            return Ok(());
        }
        Err(format!(
            "its driver wants {least} {kind} queues for that and the profile has {has}; write {key}=0 into the devargs"
        ))
    }
}

impl Capabilities {
    /// The same as the driver is left by its arguments, with so many queues.
    #[must_use]
    pub fn switched(self, devargs: &str, queues: &Queues) -> Capabilities {
        let by = Capability::ALL.into_iter().find_map(|known| self.advert(known));
        let by = by.map_or(Provider::Nic, |advert| advert.by);
        let switches: &[Switch] = if self.driver.name == "mlx5_pci" { &MLX5 } else { &[] };
        switches.iter().fold(self, |all, switch| match switch.is_on(devargs, queues) {
            Ok(()) => all.with(switch.capability, Advert { by, how: switch.how }),
            Err(why) => all.denied(switch.capability, why),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Driver;

    fn switched(driver: &str, devargs: &str, rx: u16, tx: u16) -> Capabilities {
        let queues = Queues { rx, tx, rx_descriptors: 512, tx_descriptors: 512 };
        let known = Capabilities::of(Driver::named(driver));
        known.switched(devargs, &queues)
    }

    #[test]
    fn an_argument_or_its_default_decides_with_the_reason() {
        let (vector, inlining) = (Capability::RxVector, Capability::Inlining);
        let (cqe, mprq) = (Capability::CqeCompression, Capability::Mprq);
        for (capability, devargs, rx, tx, why) in [
            (vector, "", 1, 1, None),
            (vector, "rx_vec_en=0", 1, 1, Some("rx_vec_en=0 stands in its devargs")),
            (vector, "rx_vec_en=0,rx_vec_en=1", 1, 1, None),
            (inlining, "", 1, 1, Some("wants 8 transmit queues for that and the profile has 1")),
            (inlining, "", 1, 7, Some("write txqs_min_inline=0 into the devargs")),
            (inlining, "", 1, 8, None),
            (inlining, "txqs_min_inline=0", 1, 1, None),
            (inlining, "txqs_min_inline=0x2", 1, 1, Some("wants 2 transmit queues")),
            (inlining, "txqs_min_inline=0,txq_inline_max=0", 1, 1, Some("txq_inline_max=0 stands")),
            (cqe, "txqs_min_inline=0", 1, 1, None),
            (cqe, "a=1,rxq_cqe_comp_en=0", 1, 1, Some("rxq_cqe_comp_en=0 stands")),
            (mprq, "", 16, 1, Some("mprq_en=1 does not stand in its devargs")),
            (mprq, "mprq_en=1", 1, 1, Some("wants 12 receive queues for that")),
            (mprq, "mprq_en=1,rxqs_min_mprq=1", 1, 1, None),
        ] {
            let device = switched("mlx5_pci", devargs, rx, tx);
            assert_eq!(device.advert(capability).is_some(), why.is_none(), "{devargs}");
            let said = device.denial(capability).unwrap_or_default();
            assert!(said.contains(why.unwrap_or_default()), "{devargs}: {said}");
        }
    }

    #[test]
    fn another_driver_s_are_left_alone() {
        let device = switched("net_ice", "rx_vec_en=0,mprq_en=1", 16, 16);
        assert_eq!(device, Capabilities::of(Driver::named("net_ice")));
    }
}
