//! What stands behind a device that only passes frames on: the sub-devices of net_failsafe.

use super::error::DpdkError;
use super::spec::DeviceSpec;

/// What an argument names that a device passes frames on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// A device.
    Device(DeviceSpec),
    /// One that somebody else tells the driver of, as `exec(command)` and `fd(number)` have it, or that is no device.
    Untold(String),
}

impl DeviceSpec {
    /// Whether its work is done by the devices behind it.
    pub fn passes_on(&self) -> bool {
        self.driver() == "net_failsafe"
    }

    /// The devices behind it, each as it is written; none of one that does its own work.
    pub(super) fn members(&self) -> Vec<Member> {
        if !self.passes_on() {
            return Vec::new();
        }
        self.parts().into_iter().filter_map(member).collect()
    }

    /// Those who do its work at last: itself, or the devices behind it, and behind those.
    pub(super) fn ends(&self) -> Vec<Member> {
        if !self.passes_on() {
            return vec![Member::Device(self.clone())];
        }
        let members = self.members();
        if members.is_empty() {
            return vec![Member::Untold(self.to_string())];
        }
        let ends = members.into_iter().flat_map(|member| match member {
            Member::Device(device) => device.ends(),
            untold @ Member::Untold(_) => vec![untold],
        });
        ends.collect()
    }

    /// The same, without those that cannot be told.
    pub fn end_devices(&self) -> Vec<DeviceSpec> {
        let device = |end| match end {
            Member::Device(device) => Some(device),
            Member::Untold(_) => None,
        };
        self.ends().into_iter().filter_map(device).collect()
    }

    /// The names of the drivers that do its work; an empty one where that is not told before a device of the bus, or of
    /// somebody else's, is found.
    pub(super) fn drivers_at_work(&self) -> Vec<String> {
        let driver = |end: Member| match end {
            Member::Device(device) if !device.is_pci() => device.driver().to_owned(),
            _ => String::new(),
        };
        self.ends().into_iter().map(driver).collect()
    }

    /// Its arguments; those of a device in parentheses are parts of one.
    pub(super) fn parts(&self) -> Vec<&str> {
        let mut depth = 0_usize;
        let at_comma = |sign: char| {
            match sign {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            sign == ',' && depth == 0
        };
        self.args().split(at_comma).collect()
    }

    /// Refuses what frames are to be passed on from and cannot be looked for, and what the devices there are told wrong.
    ///
    /// # Errors
    /// [`DpdkError::Bonding`], [`DpdkError::UntoldMember`], and those of the devices.
    pub(super) fn check_members(&self) -> Result<(), DpdkError> {
        if self.driver() == "net_bonding" {
            return Err(DpdkError::Bonding { device: self.name().to_owned() });
        }
        self.members().into_iter().try_for_each(|member| match member {
            Member::Device(device) => device.check_arguments(),
            Member::Untold(argument) => {
                Err(DpdkError::UntoldMember { device: self.name().to_owned(), argument })
            }
        })
    }
}

/// What an argument of net_failsafe's names: a device by `dev(device)`.
fn member(argument: &str) -> Option<Member> {
    let (kind, rest) = argument.split_once('(')?;
    let device = rest.strip_suffix(')').filter(|_| kind == "dev");
    let device = device.and_then(|device| DeviceSpec::parse(device).ok());
    Some(device.map_or_else(|| Member::Untold(argument.to_owned()), Member::Device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_that_do_the_work_are_those_at_the_ends() {
        for (device, drivers) in [
            ("net_tap0,iface=d0", &["net_tap"][..]),
            ("net_failsafe0,dev(net_tap1,iface=d0)", &["net_tap"]),
            ("net_failsafe0,dev(net_tap1),mac=02:00:00:00:00:01,dev(3b:00.0)", &["net_tap", ""]),
            (
                "net_failsafe0,dev(net_failsafe1,dev(net_ring0),dev(net_memif1,id=1))",
                &["net_ring", "net_memif"],
            ),
            ("net_failsafe0,dev(net_failsafe1)", &[""]),
            ("net_failsafe0,exec(echo)", &[""]),
        ] {
            assert_eq!(DeviceSpec::parse(device).unwrap().drivers_at_work(), drivers, "{device}");
        }
    }

    #[test]
    fn what_is_passed_on_from_is_refused_by_name_where_it_cannot_be_looked_for() {
        for (device, refused) in [
            ("net_failsafe0,dev(net_tap1,iface=d0),hotplug_poll=9", None),
            ("net_failsafe0,exec(/run/who)", Some("`exec(/run/who)`")),
            ("net_failsafe0,dev(net_ring1),fd(3)", Some("`fd(3)`")),
            ("net_failsafe0,dev(eth0)", Some("`dev(eth0)`")),
            ("net_failsafe0,dev(net_failsafe1,fd(3))", Some("net_failsafe1 is to pass frames on")),
            ("net_failsafe0,dev(net_tap1,ifcae=d0)", Some("no argument `ifcae`")),
            ("net_failsafe0,dev(net_tap1,iface=)", Some("`iface` has no value")),
            ("net_bonding0,mode=1,slave=net_tap1", Some("net_failsafe0,dev(")),
        ] {
            let spec = DeviceSpec::parse(device).unwrap();
            let words = spec.check_arguments().err().map(|error| error.to_string());
            assert_eq!(words.is_some(), refused.is_some(), "{device}: {words:?}");
            let words = words.unwrap_or_default();
            assert!(words.contains(refused.unwrap_or_default()), "{device}: {words}");
        }
    }
}
