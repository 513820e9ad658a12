//! Offloads that show in the way a driver receives or sends: which it has chosen it says once a port has started
//! (`rte_eth_rx_burst_mode_get`, `rte_eth_tx_burst_mode_get`).

use fixwire_offload::Plan;
use fixwire_offload::capability::Capability;
use fixwire_offload::plan::{Advert, Capabilities, Provider};

use super::error::Errno;
use super::port::{Port, Way};

/// An offload, and a driver's words for a way that has it.
struct Shown {
    capability: Capability,
    way: Way,
    words: &'static [&'static str],
}

/// As mlx5 has them (`mlx5_rx_burst_mode_get`, `mlx5_tx_burst_mode_get`), and of the first the drivers below.
const SHOWN: [Shown; 3] = [
    Shown { capability: Capability::RxVector, way: Way::Rx, words: &["Vector"] },
    Shown { capability: Capability::Mprq, way: Way::Rx, words: &["MPRQ", "Multi-Packet RQ"] },
    Shown { capability: Capability::Inlining, way: Way::Tx, words: &["INLINE"] },
];

/// Drivers with a vector path that they take when they can, besides mlx5, which has a switch for it.
const MAY_BE_VECTOR: [&str; 4] = ["net_bnxt", "net_i40e", "net_ice", "net_ixgbe"];

/// What a driver may do that shows once it has started.
pub(super) fn capabilities(device: Capabilities, by: Provider) -> Capabilities {
    if !MAY_BE_VECTOR.contains(&device.driver.name) {
        return device;
    }
    let how = "where the driver can, which it says once it has started (rte_eth_rx_burst_mode_get)";
    device.with(Capability::RxVector, Advert { by, how })
}

/// What a driver that has started says of each that `device` advertises.
pub(super) fn says(
    port: &Port,
    device: &Capabilities,
    plan: &Plan,
) -> Vec<(Capability, Result<String, String>)> {
    let advertised = SHOWN.iter().filter(|shown| device.advert(shown.capability).is_some());
    let said = advertised.filter_map(|shown| {
        let (rx, tx) = port.queues();
        let queues = if shown.way == Way::Rx { rx } else { tx };
        let of_queues = (0..queues).map(|queue| port.burst_mode(shown.way, queue));
        Some((shown.capability, shown.settle(plan.uses(shown.capability), of_queues)?))
    });
    said.collect()
}

impl Shown {
    /// What to make of the driver's words, queue by queue: nothing where it does not what it is not to do.
    fn settle(
        &self,
        is_used: bool,
        of_queues: impl Iterator<Item = Result<String, Errno>>,
    ) -> Option<Result<String, String>> {
        let call = match self.way {
            Way::Rx => "rte_eth_rx_burst_mode_get",
            Way::Tx => "rte_eth_tx_burst_mode_get",
        };
        let has = |mode: &String| self.words.iter().any(|word| mode.contains(word));
        let modes: Result<Vec<String>, Errno> = of_queues.collect();
        let modes = match modes {
            Ok(modes) => modes,
            Err(errno) if is_used => {
                return Some(Ok(format!(
                    "taken on trust: the driver does not tell ({call}: {errno})"
                )));
            }
            Err(_) => return None,
        };
        let other = modes.iter().find(|mode| !has(mode));
        match (is_used, other, modes.iter().find(|mode| has(mode))) {
            (true, Some(mode), _) => Some(Err(format!("{call} says \"{mode}\""))),
            (true, None, Some(mode)) => Some(Ok(format!("{call} says \"{mode}\""))),
            (false, _, Some(mode)) => {
                Some(Ok(format!("not asked for, and done all the same: {call} says \"{mode}\"")))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(of: Capability, is_used: bool, modes: &[&str]) -> Option<Result<String, String>> {
        let shown = SHOWN.iter().find(|shown| shown.capability == of).unwrap();
        shown.settle(is_used, modes.iter().map(|mode| Ok((*mode).to_owned())))
    }

    #[test]
    fn the_driver_s_words_decide_whether_it_does_what_it_was_left() {
        let (vector, mprq) = (Capability::RxVector, Capability::Mprq);
        let inlining = Capability::Inlining;
        let rx = |mode: &str| format!("rte_eth_rx_burst_mode_get says \"{mode}\"");
        let tx = |mode: &str| format!("rte_eth_tx_burst_mode_get says \"{mode}\"");
        let inline = "Enhanced MPW + MULTI  + CSUM + INLINE + Fast Free";
        let by_reference = "No MPW + MULTI";
        for (of, modes, said) in [
            (vector, &["Vector SSE"][..], Ok(rx("Vector SSE"))),
            (vector, &["Scalar"], Err(rx("Scalar"))),
            (vector, &["Vector AVX2", "Scalar"], Err(rx("Scalar"))),
            (vector, &["MPRQ Vector SSE"], Ok(rx("MPRQ Vector SSE"))),
            (mprq, &["Multi-Packet RQ"], Ok(rx("Multi-Packet RQ"))),
            (mprq, &["Vector SSE"], Err(rx("Vector SSE"))),
            (inlining, &[inline], Ok(tx(inline))),
            (inlining, &[by_reference], Err(tx(by_reference))),
        ] {
            assert_eq!(settled(of, true, modes), Some(said), "{modes:?}");
        }
        assert_eq!(settled(vector, false, &["Scalar"]), None);
        let said = settled(vector, false, &["Vector SSE"]).unwrap().unwrap();
        assert!(said.starts_with("not asked for, and done all the same: "), "{said}");
    }

    #[test]
    fn a_driver_that_does_not_tell_is_trusted_and_said_to_be() {
        let silent = || [Err(Errno::of(-libc::ENOTSUP))].into_iter();
        let said = SHOWN[0].settle(true, silent()).unwrap().unwrap();
        assert!(said.contains("does not tell (rte_eth_rx_burst_mode_get: "), "{said}");
        assert_eq!(SHOWN[0].settle(false, silent()), None);
    }
}
