//! A rule as TOML, and a set of them:
//!
//! ```toml
//! [[steering]]
//! dst = "10.0.0.2"
//! dst_port = 9878
//! action = "queue 0"
//! priority = 1
//!
//! [[steering]]
//! src = "10.66.0.0/16"
//! protocol = "any"
//! action = "drop"
//! count = true
//! ```

use serde::Deserialize;
use toml::Spanned;

use super::field::{AddrMatch, FieldError, PortMatch, VlanId};
use super::rule::{Actions, Carries, Fate, FlowRule, Pattern, TcpMatch};
use super::set::{OnMiss, RuleSet, RuleSetError};
use crate::toml_file::{TomlError, TomlFile};

/// One rule, not yet understood. `action` must be there: `"drop"` or `"queue N"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleEntry {
    /// The VLAN of the outermost tag; with and without a tag if it is left out.
    vlan: Option<Spanned<i64>>,
    /// The sender's address, `"10.0.0.1"`, `"10.0.0.0/8"` or `"10.0.0.5/255.0.0.255"`; any if left out.
    src: Option<Spanned<String>>,
    /// The receiver's.
    dst: Option<Spanned<String>>,
    /// `"tcp"`, which it is if left out, or `"any"`: whatever IPv4 carries, fragments too.
    protocol: Option<Spanned<String>>,
    /// The sender's port, `9878`, or a value and a mask, `"0x2600/0xff00"`; any if left out.
    src_port: Option<Spanned<toml::Value>>,
    /// The receiver's.
    dst_port: Option<Spanned<toml::Value>>,
    action: Spanned<String>,
    /// 0, the highest, if left out.
    priority: Option<Spanned<i64>>,
    mark: Option<Spanned<i64>>,
    #[serde(default)]
    count: bool,
}

impl RuleEntry {
    /// Reads the rule. `place` is the file that it stands in.
    ///
    /// # Errors
    /// The first value that its key does not take, with file, line and remedy.
    pub fn rule(&self, place: &TomlFile) -> Result<FlowRule, TomlError> {
        let fate = read(&self.action, "action", place, str::parse::<Fate>)?;
        let mark = self.mark.as_ref().map(|mark| unsigned(mark, "mark", place)).transpose()?;
        let priority = match &self.priority {
            Some(priority) => unsigned(priority, "priority", place)?,
            None => 0,
        };
        let pattern = Pattern {
            vlan: self.vlan.as_ref().map(|vlan| vlan_id(vlan, place)).transpose()?,
            src: addr(self.src.as_ref(), "src", place)?,
            dst: addr(self.dst.as_ref(), "dst", place)?,
            carries: self.carries(place)?,
        };
        Ok(FlowRule { priority, pattern, actions: Actions { fate, mark, count: self.count } })
    }

    fn carries(&self, place: &TomlFile) -> Result<Carries, TomlError> {
        let named = [("src_port", &self.src_port), ("dst_port", &self.dst_port)];
        let [src_port, dst_port] = named.map(|(key, value)| port(value.as_ref(), key, place));
        let tcp = TcpMatch { src_port: src_port?, dst_port: dst_port? };
        match self.protocol.as_ref().map(|protocol| (protocol, protocol.get_ref().as_str())) {
            None | Some((_, "tcp")) => Ok(Carries::Tcp(tcp)),
            Some((_, "any")) if tcp == TcpMatch::ANY => Ok(Carries::Any),
            Some((protocol, "any")) => Err(place.error(
                protocol.span(),
                "`protocol` is \"any\", and a port is named".into(),
                "write \"tcp\", or delete the port: only TCP has ports here",
            )),
            Some((protocol, _)) => {
                Err(place.bad_value(protocol, "protocol", "write \"tcp\" or \"any\""))
            }
        }
    }
}

impl RuleSet {
    /// Reads the entries of a file as one set.
    ///
    /// # Errors
    /// The first mistake in a rule, or two rules that leave open which is to win, at the second of them.
    pub fn read(
        entries: &[RuleEntry],
        on_miss: OnMiss,
        place: &TomlFile,
    ) -> Result<RuleSet, TomlError> {
        let rules: Vec<FlowRule> =
            entries.iter().map(|entry| entry.rule(place)).collect::<Result<_, _>>()?;
        RuleSet::new(rules, on_miss).map_err(|error| {
            let number = match &error {
                RuleSetError::TooMany { .. } => entries.len() - 1,
                RuleSetError::Ambiguous { second, .. } => *second,
            };
            let FieldError { what, remedy } = error.in_words();
            place.error(entries[number].action.span(), what, &remedy)
        })
    }
}

/// Reads a text, and says where it stands if it cannot be read.
fn read<T>(
    text: &Spanned<String>,
    key: &str,
    place: &TomlFile,
    parse: impl Fn(&str) -> Result<T, FieldError>,
) -> Result<T, TomlError> {
    parse(text.get_ref()).map_err(|FieldError { what, remedy }| {
        place.error(text.span(), format!("`{key}`: {what}"), &remedy)
    })
}

fn addr(
    text: Option<&Spanned<String>>,
    key: &str,
    place: &TomlFile,
) -> Result<AddrMatch, TomlError> {
    text.map_or(Ok(AddrMatch::ANY), |text| read(text, key, place, str::parse))
}

/// A port is a number, or a text where it has a mask.
fn port(
    value: Option<&Spanned<toml::Value>>,
    key: &str,
    place: &TomlFile,
) -> Result<PortMatch, TomlError> {
    let Some(value) = value else { return Ok(PortMatch::ANY) };
    let text = match value.get_ref() {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        _ => place.text.get(value.span()).unwrap_or_default().to_owned(),
    };
    read(&Spanned::new(value.span(), text), key, place, str::parse)
}

fn vlan_id(number: &Spanned<i64>, place: &TomlFile) -> Result<VlanId, TomlError> {
    let vlan = u16::try_from(*number.get_ref()).ok().and_then(VlanId::new);
    vlan.ok_or_else(|| {
        let what = format!("`vlan` is {}", number.get_ref());
        place.error(number.span(), what, "write a number from 1 to 4094, or delete the line")
    })
}

fn unsigned(number: &Spanned<i64>, key: &str, place: &TomlFile) -> Result<u32, TomlError> {
    u32::try_from(*number.get_ref()).map_err(|_| {
        let what = format!("`{key}` is {}", number.get_ref());
        place.error(number.span(), what, "write a number from 0 to 4294967295")
    })
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, SocketAddrV4};

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        steering: Vec<RuleEntry>,
    }

    fn read_set(text: &str) -> Result<RuleSet, TomlError> {
        let place = TomlFile { name: "mine".into(), path: "mine.toml".into(), text: text.into() };
        let file: File = place.parse("every key is explained")?;
        RuleSet::read(&file.steering, OnMiss::NotOurs, &place)
    }

    #[test]
    fn an_entry_is_a_rule_and_what_it_leaves_out_is_any() {
        let addr = Ipv4Addr::new(10, 0, 0, 2);
        let listener = FlowRule::listener(SocketAddrV4::new(addr, 9878), 0);
        let dropping = Pattern {
            vlan: VlanId::new(5),
            src: "10.0.0.0/8".parse().unwrap(),
            dst: "10.0.0.5/255.0.0.255".parse().unwrap(),
            carries: Carries::Tcp(TcpMatch {
                src_port: PortMatch::masked(0x2600, 0xff00),
                dst_port: PortMatch::exact(9878),
            }),
        };
        for (entry, rule) in [
            ("dst = \"10.0.0.2\"\ndst_port = 9878\naction = \"queue 0\"\npriority = 1", listener),
            (
                "vlan = 5\nsrc = \"10.0.0.0/8\"\ndst = \"10.0.0.5/255.0.0.255\"\nprotocol = \"tcp\"\n\
                 src_port = \"0x2600/0xff00\"\ndst_port = 9878\naction = \"drop\"\nmark = 7\ncount = true",
                FlowRule::new(dropping, Fate::Drop).marked(7).counted(),
            ),
            ("action = \"queue 3\"", FlowRule::new(Pattern::TCP, Fate::Queue(3))),
            (
                "action = \"drop\"\nprotocol = \"any\"\nsrc = \"any\"\nsrc_port = \"any\"",
                FlowRule::new(Pattern::IPV4, Fate::Drop),
            ),
        ] {
            assert_eq!(read_set(&format!("[[steering]]\n{entry}\n")).unwrap().rules(), [rule]);
        }
        assert_eq!(read_set("").unwrap().rules(), []);
    }

    #[test]
    fn each_mistake_is_a_sentence_with_file_line_and_remedy() {
        for (line, sentence) in [
            (
                "src = \"10.0.0\"",
                "`src`: \"10.0.0\" is no IPv4 address or set of them; write an address",
            ),
            (
                "dst = \"10.1.0.0/8\"",
                "`dst`: \"10.1.0.0/8\" has bits outside its mask; write \"10.0.0.0/8\"",
            ),
            ("src_port = 65536", "`src_port`: \"65536\" is no port or set of them; write a port"),
            ("dst_port = -1", "`dst_port`: \"-1\" is no port or set of them; write a port"),
            ("dst_port = true", "`dst_port`: \"true\" is no port or set of them; write a port"),
            ("dst_port = 0", "`dst_port`: port 0 is no port; write a port"),
            ("vlan = 4095", "`vlan` is 4095; write a number from 1 to 4094"),
            ("vlan = 65537", "`vlan` is 65537; write a number from 1 to 4094"),
            ("priority = -1", "`priority` is -1; write a number from 0 to 4294967295"),
            ("mark = 4294967296", "`mark` is 4294967296; write a number from 0 to 4294967295"),
            ("protocol = \"udp\"", "`protocol` is \"udp\"; write \"tcp\" or \"any\""),
            ("dst_prot = 9878", "unknown key `dst_prot`; did you mean `dst_port`?"),
        ] {
            let text = format!("[[steering]]\naction = \"drop\"\n{line}\n");
            let error = read_set(&text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("mine.toml:3: {sentence}")), "{error}");
        }
        for (entry, sentence) in [
            (
                "action = \"queue\"",
                "`action`: \"queue\" is no place for a frame to go to; write \"drop\"",
            ),
            (
                "protocol = \"any\"\ndst_port = 1\naction = \"drop\"",
                "`protocol` is \"any\", and a port",
            ),
        ] {
            let error = read_set(&format!("[[steering]]\n{entry}\n")).unwrap_err().to_string();
            assert!(error.starts_with(&format!("mine.toml:2: {sentence}")), "{error}");
        }
        let error = read_set("[[steering]]\nsrc = \"any\"\n").unwrap_err().to_string();
        assert!(error.contains("missing field `action`"), "{error}");
    }

    #[test]
    fn rules_that_leave_open_which_wins_are_refused_at_the_second() {
        let text =
            "[[steering]]\naction = \"drop\"\n\n[[steering]]\ndst_port = 1\naction = \"queue 0\"\n";
        let error = read_set(text).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "mine.toml:6: steering rules #0 (eth / ipv4 / tcp) and #1 (eth / ipv4 / tcp dst is 1) both"
            ),
            "{error}"
        );
        assert!(error.ends_with("give the one that is to win a lower number for its priority"));
    }
}
