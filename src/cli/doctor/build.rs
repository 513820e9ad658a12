//! What this program was built with: a NIC is reached by DPDK, or not at all.

use super::check::{Check, Subject};
use super::nic::Kind;

const DPDK: Subject = Subject::required("NIC", "DPDK");

/// What cargo was told.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    /// The version of DPDK, where the feature `dpdk` is on.
    pub(crate) dpdk: Option<String>,
    /// The drivers that are linked in; none where DPDK's libraries are shared.
    pub(crate) linked: Vec<&'static str>,
    /// The feature `mlx5dv`.
    pub(crate) mlx5dv: bool,
}

impl Build {
    /// This one.
    pub(crate) fn this() -> Build {
        #[cfg(feature = "dpdk")]
        let (dpdk, linked) =
            (Some(fixwire_hw::dpdk::version()), fixwire_hw::dpdk::linked_drivers());
        #[cfg(not(feature = "dpdk"))]
        let (dpdk, linked) = (None, Vec::new());
        Build { dpdk, linked, mlx5dv: cfg!(feature = "mlx5dv") }
    }

    pub(crate) fn check(&self, kind: Kind) -> Check {
        const WITH_CLOCK: &str = "`cargo build --release --features mlx5dv`";
        let remedy = match kind {
            Kind::Bifurcated => WITH_CLOCK,
            Kind::Owned => "`cargo build --release --features dpdk`",
        };
        let Some(version) = &self.dpdk else {
            return DPDK.bad("this program was built without", remedy);
        };
        let found = match self.linked.as_slice() {
            [] => format!("{version}, shared"),
            linked => format!("{version}, linked in with {}", linked.join(", ")),
        };
        match kind {
            Kind::Bifurcated if !self.linked.is_empty() && !self.has_mlx5() => DPDK.bad(
                format!("{found}, and net_mlx5 is not among them"),
                format!("FIXWIRE_DPDK_STATIC=net_mlx5 before {WITH_CLOCK}"),
            ),
            Kind::Bifurcated if !self.mlx5dv => DPDK.warn(
                format!(
                    "{found}; without the feature mlx5dv, by which rdma-core reads the NIC's clock"
                ),
                remedy,
            ),
            _ => DPDK.ok(found),
        }
    }

    /// Whether mlx5's driver is in the program itself.
    pub(crate) fn has_mlx5(&self) -> bool {
        self.linked.contains(&"net_mlx5")
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State::{Fail, Ok, Warn};
    use super::super::made_host::assert_state;
    use super::*;

    fn build(dpdk: bool, linked: &[&'static str], mlx5dv: bool) -> Build {
        Build { dpdk: dpdk.then(|| "22.11.11".into()), linked: linked.to_vec(), mlx5dv }
    }

    #[test]
    fn without_dpdk_no_nic_is_reached_and_mlx5_wants_its_driver_and_clock() {
        use Kind::{Bifurcated, Owned};
        for (build, kind, state, says) in [
            (build(false, &[], false), Bifurcated, Fail, "--features mlx5dv"),
            (build(false, &[], false), Owned, Fail, "--features dpdk"),
            (build(true, &[], false), Bifurcated, Warn, "without the feature mlx5dv"),
            (build(true, &[], true), Bifurcated, Ok, "22.11.11, shared"),
            (build(true, &[], false), Owned, Ok, "22.11.11, shared"),
            (build(true, &["net_mlx5"], true), Bifurcated, Ok, "linked in with net_mlx5"),
            (build(true, &["net_tap"], true), Bifurcated, Fail, "net_mlx5 is not among"),
            (build(true, &["net_e1000"], false), Owned, Ok, "linked in with net_e1000"),
        ] {
            assert_state(&build.check(kind), state, says);
        }
        assert_eq!(Build::this().dpdk.is_some(), cfg!(feature = "dpdk"));
    }
}
