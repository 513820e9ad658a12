//! Arguments to a driver, as DPDK writes them, and which of them say the contrary of a policy.

use super::{Policy, Profile};
use crate::capability::Capability;
use crate::devargs::number;

/// An argument that switches what a policy switches, the other way round.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clash {
    pub(super) capability: Capability,
    /// As it is written: `mprq_en=1`.
    pub(super) arg: String,
    /// What it does, after a comma.
    pub(super) does: &'static str,
}

/// Arguments of the mlx5 driver that are zero for off (DPDK's mlx5 guide, "Driver options"). Of
/// `txqs_min_inline` this cannot be said: it is a number of queues.
const SWITCHES: [(&str, Capability); 3] = [
    ("rxq_cqe_comp_en", Capability::CqeCompression),
    ("mprq_en", Capability::Mprq),
    ("txq_inline_max", Capability::Inlining),
];

/// Takes `key=value,key=value` apart, `None` where it is no such thing. A list in brackets may have commas.
pub(super) fn pairs(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut in_list = false;
    let at_comma = |sign: char| {
        match sign {
            '[' => in_list = true,
            ']' => in_list = false,
            _ => {}
        }
        sign == ',' && !in_list
    };
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(at_comma).map(pair).collect()
}

fn pair(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once('=')?;
    let is_key = |sign: char| sign.is_ascii_graphic() && !"[],=".contains(sign);
    let has_list = value.ends_with(']');
    let (before, list) = match value.split_once('[') {
        Some((before, list)) if has_list => (before, &list[..list.len() - 1]),
        _ => (value, ""),
    };
    let is_list = |sign: char| is_key(sign) || sign == ',';
    let is_right = !key.is_empty() && !value.is_empty() && key.chars().all(is_key);
    (is_right && before.chars().all(is_key) && list.chars().all(is_list)).then_some((key, value))
}

/// The first argument that contradicts a policy.
pub(super) fn clash(profile: &Profile) -> Option<Clash> {
    pairs(&profile.devargs)?.into_iter().find_map(|(key, value)| {
        let (_, capability) = SWITCHES.into_iter().find(|(known, _)| *known == key)?;
        let arg = format!("{key}={value}");
        let does = match (profile.policy(capability), number(&arg, key)?) {
            (Policy::Off, 1..) => "which switches it on",
            (Policy::Require, 0) => "which switches it off",
            _ => return None,
        };
        Some(Clash { capability, arg, does })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(capability: Capability, policy: Policy, devargs: &str) -> Option<String> {
        let profile = Profile::all(Policy::Prefer).with(capability, policy);
        clash(&Profile { devargs: devargs.into(), ..profile }).map(|clash| clash.arg)
    }

    #[test]
    fn arguments_are_taken_apart_at_the_commas_outside_of_lists() {
        assert_eq!(
            pairs("a=1,representor=pf[0,2],c=[3]").unwrap(),
            [("a", "1"), ("representor", "pf[0,2]"), ("c", "[3]")]
        );
        assert_eq!(pairs(""), Some(vec![]));
    }

    #[test]
    fn only_an_argument_that_says_the_contrary_clashes_with_a_policy() {
        let (cqe, off, require) = (Capability::CqeCompression, Policy::Off, Policy::Require);
        for (capability, policy, devargs, found) in [
            (cqe, off, "a=1,rxq_cqe_comp_en=1", Some("rxq_cqe_comp_en=1")),
            (cqe, off, "rxq_cqe_comp_en=0x4", Some("rxq_cqe_comp_en=0x4")),
            (cqe, off, "rxq_cqe_comp_en=0", None),
            (cqe, require, "rxq_cqe_comp_en=0", Some("rxq_cqe_comp_en=0")),
            (cqe, Policy::Prefer, "rxq_cqe_comp_en=1", None),
            (Capability::Mprq, off, "mprq_en=0,mprq_en=1", Some("mprq_en=1")),
            (Capability::Mprq, off, "rxq_cqe_comp_en=1,mprq_en=0", None),
            (Capability::Inlining, off, "txq_inline_max=204", Some("txq_inline_max=204")),
            (Capability::Inlining, require, "txq_inline_max=0", Some("txq_inline_max=0")),
            (Capability::Inlining, off, "txqs_min_inline=0", None),
        ] {
            assert_eq!(with(capability, policy, devargs).as_deref(), found, "{devargs}");
        }
    }
}
