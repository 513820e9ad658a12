//! An engine on a port that the kernel keeps beside it: who finds neighbours, and whether the kernel would reset
//! our connections.

use fixwire::app::Application;
use fixwire::engine::{Engine, Setup};
use fixwire::offload::nic::Nic;
use fixwire::offload::plan::Plan;
use fixwire::time::Clock;
use fixwire::wire::ethernet::Mac;
use fixwire_hw::rtnetlink::{Heard, KernelNeighbors};

use super::failure::Failure;

/// Who finds the engine's neighbours, and follows them between rounds.
pub(crate) enum Neighborhood {
    /// The engine, by ARP of its own.
    Own,
    /// The kernel, beside which it runs.
    #[cfg_attr(
        not(any(feature = "dpdk", test)),
        expect(dead_code, reason = "a TAP and a model have no kernel beside them")
    )]
    Kernel(KernelNeighbors),
}

impl Neighborhood {
    /// An engine whose neighbours are found so.
    pub(crate) fn engine<N: Nic, A: Application>(
        &self,
        nic: N,
        plan: Plan,
        setup: Setup,
        app: A,
    ) -> Result<Engine<N, A>, String> {
        match self {
            Neighborhood::Own => Engine::new(nic, plan, setup, app),
            Neighborhood::Kernel(_) => Engine::beside_kernel(nic, plan, setup, app),
        }
    }

    /// Keeps the thread that follows them off `core`.
    pub(crate) fn keep_off(&self, core: u16) {
        if let Neighborhood::Kernel(neighbors) = self {
            neighbors.keep_off(core);
        }
    }

    /// Hands on whom the engine wants to know, and what the kernel knows. To be called between rounds: nothing new
    /// costs two loads.
    ///
    /// # Errors
    /// The kernel refuses to look for a neighbour.
    pub(crate) fn look<N: Nic, A: Application>(
        &mut self,
        engine: &mut Engine<N, A>,
        clock: &impl Clock,
    ) -> Result<(), Failure> {
        let Neighborhood::Kernel(neighbors) = self else { return Ok(()) };
        while let Some(addr) = engine.next_wanted_neighbor() {
            neighbors.want(addr);
        }
        let mut outcome = Ok(());
        while let Some(heard) = neighbors.next() {
            match heard {
                Heard::Is(addr, mac) => engine.on_neighbor(clock.now(), addr, Some(Mac(mac))),
                Heard::Unreachable(addr) => engine.on_neighbor(clock.now(), addr, None),
                Heard::Refused(addr, error) => {
                    engine.on_neighbor_refused();
                    let link = &neighbors.link().name;
                    let what = format!("the kernel does not look for {addr} on {link}: {error}");
                    outcome = Err(Failure::run(what, error.remedy()));
                }
            }
        }
        outcome
    }
}

#[cfg(feature = "dpdk")]
pub(crate) use beside::Beside;

#[cfg(feature = "dpdk")]
mod beside {
    use std::net::Ipv4Addr;

    use fixwire::offload::capability::Capability;
    use fixwire::offload::driver::Driver;
    use fixwire::offload::plan::Plan;
    use fixwire::offload::profile::{Neighbors, Profile};
    use fixwire_hw::dpdk::DpdkBackend;
    use fixwire_hw::rtnetlink::{self, KernelNeighbors, Link, RtnetlinkError};

    use super::super::doctor;
    use super::super::failure::Failure;
    use super::super::say;
    use super::Neighborhood;

    /// Who finds neighbours.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Who {
        Own,
        Kernel,
        /// The kernel was to, and no answer would reach it.
        NobodyElse,
    }

    fn who(driver: &Driver, wanted: Neighbors, isolated: bool, has_link: bool) -> Who {
        match wanted {
            Neighbors::Own => Who::Own,
            // The kernel is behind it, not beside us.
            Neighbors::Kernel if driver.name == "net_tap" => Who::Own,
            Neighbors::Kernel if driver.is_bifurcated && !isolated => Who::NobodyElse,
            Neighbors::Kernel => Who::Kernel,
            Neighbors::Auto if driver.is_bifurcated && isolated && has_link => Who::Kernel,
            Neighbors::Auto => Who::Own,
        }
    }

    /// What the kernel has of a port of ours.
    pub(crate) struct Beside {
        driver: Driver,
        device: String,
        /// Its interface there, or for our VLAN there, where the driver names it.
        link: Option<Result<Link, RtnetlinkError>>,
        /// Whether it may get the port's frames as well.
        may_share: bool,
    }

    impl Beside {
        /// Looks for the kernel's interface on a port, by whose VLAN our frames go.
        pub(crate) fn of(backend: &DpdkBackend, vlan: Option<u16>) -> Beside {
            Beside {
                driver: Driver::named(backend.driver()),
                device: backend.spec().name().to_owned(),
                link: backend.interface().map(|index| Link::of(index, vlan)),
                may_share: backend.may_share_with_kernel(),
            }
        }

        fn link(&self) -> Option<&Link> {
            self.link.as_ref()?.as_ref().ok()
        }

        /// The gateway by which the kernel would send to `dst` through the port, where it has such a route.
        pub(crate) fn gateway(&self, profile: &Profile, dst: Ipv4Addr) -> Option<Ipv4Addr> {
            let link = self.link().filter(|_| profile.neighbors != Neighbors::Own)?;
            rtnetlink::gateway(dst, link).ok()?
        }

        /// Refuses a start after which the kernel would answer the engine's peers with RST. By which interface a frame
        /// comes to it does not matter: it answers for every address that it has.
        pub(crate) fn check_guard(&self, addr: Ipv4Addr) -> Result<(), Failure> {
            if !self.may_share {
                return Ok(());
            }
            doctor::refuse_unguarded(&doctor::Host::this(), addr)
        }

        /// Who finds neighbours, by the profile and by what came of the plan.
        pub(crate) fn neighborhood(
            self,
            profile: &Profile,
            plan: &Plan,
            json: bool,
        ) -> Result<Neighborhood, Failure> {
            let isolated = plan.uses(Capability::FlowIsolation);
            let device = &self.device;
            match who(&self.driver, profile.neighbors, isolated, self.link.is_some()) {
                Who::Own => return Ok(Neighborhood::Own),
                Who::Kernel => {}
                Who::NobodyElse => {
                    let reason = &plan.row(Capability::FlowIsolation).reason;
                    return Err(Failure::Unmet(format!(
                        "the profile has the kernel find neighbours, and {device} takes every frame of the port, \
                         the kernel's ARP too: flow_isolation is not on ({reason}); write neighbors = \"own\" \
                         under [network] in the profile"
                    )));
                }
            }
            let link = self.link.ok_or_else(|| {
                Failure::Input(format!(
                    "the profile has the kernel find neighbours, and the kernel has no interface on {device}; write \
                     neighbors = \"own\" under [network] in the profile"
                ))
            })?;
            let failed = |error: RtnetlinkError| Failure::Run(error.to_string());
            let neighbors = KernelNeighbors::follow(link.map_err(failed)?).map_err(failed)?;
            if !json {
                let name = &neighbors.link().name;
                say(format_args!("neighbours: the kernel's on {name}; it answers ARP"));
            }
            Ok(Neighborhood::Kernel(neighbors))
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_kernel_finds_neighbors_where_its_arp_comes_to_it() {
            use Neighbors::{Auto, Kernel, Own};
            for (driver, wanted, isolated, has_link, found) in [
                ("mlx5_pci", Auto, true, true, Who::Kernel),
                ("mlx5_pci", Auto, false, true, Who::Own),
                ("mlx5_pci", Auto, true, false, Who::Own),
                ("mlx5_pci", Kernel, true, true, Who::Kernel),
                ("mlx5_pci", Kernel, false, true, Who::NobodyElse),
                ("mlx5_pci", Own, true, true, Who::Own),
                // The kernel gets a copy of each frame.
                ("net_af_packet", Kernel, false, true, Who::Kernel),
                ("net_af_packet", Auto, false, true, Who::Own),
                ("net_ice", Auto, true, false, Who::Own),
                ("net_tap", Kernel, false, false, Who::Own),
            ] {
                let who = who(&Driver::named(driver), wanted, isolated, has_link);
                assert_eq!(who, found, "{driver} {wanted:?} isolated {isolated}, link {has_link}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::{Duration, Instant};

    use fixwire::app::taker::Taker;
    use fixwire::offload::profile::{Policy, Profile};
    use fixwire_hw::clock::HostClock;
    use fixwire_hw::rtnetlink::Link;

    use super::super::session_file::SessionSettings;
    use super::super::{bring_up, device};
    use super::*;

    #[test]
    fn a_neighbor_that_the_kernel_does_not_look_for_ends_the_start_with_its_reason() {
        let ends = (Ipv4Addr::new(10, 9, 0, 2), Ipv4Addr::new(10, 9, 0, 1));
        let (near, _far, wire) = device::sim(
            fixwire_hw::sim::Model::named("connectx5").unwrap(),
            &Profile::all(Policy::Prefer),
        );
        let (nic, plan, setup) = bring_up::simulated(near, ends, SessionSettings::default());
        // No machine has so many.
        let link = Link { index: 0x7fff_fff0, name: "none0".into() };
        let mut neighborhood = Neighborhood::Kernel(KernelNeighbors::follow(link).unwrap());
        let mut engine = neighborhood.engine(nic, plan, setup, Taker::new(1, 1)).unwrap();
        let clock = HostClock::new();
        let begun = Instant::now();
        let failure = loop {
            wire.set_now(clock.mono());
            engine.poll(&clock);
            if let Err(failure) = neighborhood.look(&mut engine, &clock) {
                break failure.to_string();
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "it waits for ever");
        };
        assert!(failure.contains("does not look for 10.9.0.1 on none0"), "{failure}");
        assert!(failure.contains("ip link"), "{failure}");
        let counted = |name| engine.counters().find(|(known, _)| *known == name).unwrap().1;
        assert!(counted("neighbor_refused") > 0 && counted("neighbor_asked_of_kernel") > 0);
        assert_eq!((counted("arp_requests_sent"), counted("tx_frames")), (0, 0));
    }
}
