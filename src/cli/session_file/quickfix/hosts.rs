//! Where initiators of a file of QuickFIX's connect to besides SocketConnectHost: `SocketConnectHost1` and `SocketConnectPort1`,
//! and so on.

use std::collections::BTreeSet;

use fixwire::offload::toml_file::TomlError;

use super::super::values::{ALTERNATES_MAX, host_of};
use super::lines::Setting;
use super::quoted;
use super::translate::Said;
use super::whole::Whole;

pub(super) const HOST: &str = "SocketConnectHost";
pub(super) const PORT: &str = "SocketConnectPort";

/// The number behind a key.
pub(super) fn number_of(name: &str, key: &str) -> Option<u32> {
    let begins = name.get(..key.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(key));
    begins.then(|| name[key.len()..].parse().ok())?
}

fn is_of_alternates(setting: &Setting<'_>) -> bool {
    [HOST, PORT].iter().any(|key| number_of(setting.name, key).is_some())
}

impl Whole<'_> {
    /// `10.9.0.1, 10.9.0.2`.
    pub(super) fn allowed(&self, setting: &Setting<'_>) -> Result<Said, TomlError> {
        let hosts = setting.value.split(',').map(str::trim).filter(|host| !host.is_empty());
        let hosts: Vec<String> = hosts.map(quoted).collect();
        Ok(Said::Key(format!("allowed_remote_addresses = [{}]", hosts.join(", "))))
    }

    /// All of a section's become one key of ours, in the line of the first.
    pub(super) fn alternate(&self, setting: &Setting<'_>) -> Result<Said, TomlError> {
        if let Some(number) = number_of(setting.name, HOST) {
            self.host(setting)?;
            if self.numbered(setting.section, PORT, number).is_none() {
                return self.error(
                    setting,
                    &format!(", and there is no {PORT}{number}"),
                    "write it beside it",
                );
            }
        } else if let Some(number) = number_of(setting.name, PORT) {
            self.port(setting)?;
            if self.numbered(setting.section, HOST, number).is_none() {
                return self.error(
                    setting,
                    &format!(", and there is no {HOST}{number}"),
                    "write it beside it",
                );
            }
        }
        let mut own = self.settings.iter().filter(|other| other.section == setting.section);
        let first = own.find(|other| is_of_alternates(other));
        if first.is_none_or(|first| first.span != setting.span) {
            return Ok(Said::Implied);
        }
        let numbers: BTreeSet<u32> =
            self.settings.iter().filter_map(|of| number_of(of.name, HOST)).collect();
        let mut named = Vec::new();
        for number in numbers {
            let at = |key| self.numbered(setting.section, key, number);
            let (Some(host), Some(port)) = (at(HOST), at(PORT)) else { continue };
            if named.len() == ALTERNATES_MAX {
                return self.error(
                    host,
                    &format!(", and {ALTERNATES_MAX} come before it"),
                    "delete some",
                );
            }
            named.push(quoted(&format!("{}:{}", self.host(host)?, self.port(port)?)));
        }
        Ok(Said::Key(format!("socket_connect_alternates = [{}]", named.join(", "))))
    }

    /// What is in force in a section for a key with a number.
    fn numbered(&self, section: usize, key: &str, number: u32) -> Option<&Setting<'_>> {
        let default = self.sections.iter().position(|(_, is_session)| !is_session);
        [Some(section), default].into_iter().flatten().find_map(|section| {
            self.settings
                .iter()
                .copied()
                .rfind(|of| of.section == section && number_of(of.name, key) == Some(number))
        })
    }

    fn host<'s>(&self, setting: &'s Setting<'_>) -> Result<&'s str, TomlError> {
        match host_of(&setting.value) {
            Some(_) => Ok(&setting.value),
            None => self.error(setting, "", "write the IPv4 address of a host, or its name"),
        }
    }

    fn port(&self, setting: &Setting<'_>) -> Result<u16, TomlError> {
        let port = setting.value.parse().ok().filter(|port| *port > 0);
        port.map_or_else(|| self.error(setting, "", "write a number from 1 to 65535"), Ok)
    }
}
