//! A profile's text as serde sees it: every key with its meaning, its unit and its limits.
//!
//! The JSON Schema is made from these types, and the comments in `profiles/default.toml` are the
//! sentences here; tests hold all three together.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::devargs::pairs;
use super::{Core, Idle, Neighbors, NumaNode, Policy};
use crate::capability::Capability;
use crate::flow::RuleEntry;
use crate::toml_file::nearest;
use crate::verdict::Audit;

/// A profile of a NIC for fixwire.
#[derive(Deserialize, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(title = "fixwire profile"))]
pub(super) struct File {
    /// the profile that this one changes: a built-in one, or a file, looked for from this one's folder
    pub(super) extends: Option<String>,
    /// what it is for, in a line
    pub(super) about: Option<String>,
    /// the drivers it is meant for, by DPDK's names; none: any
    pub(super) drivers: Option<Vec<String>>,
    /// a device of another driver is an error, not a warning
    pub(super) strict: Option<bool>,
    /// how often a frame called good is verified all the same: "always", "1/N", "off"
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<String>", regex(pattern = r"^(always|off|1/[1-9][0-9]{0,8})$"))
    )]
    pub(super) rx_checksum_audit: Option<Audit>,
    /// who does what: "off", "prefer" or "require" for each capability
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(schema_with = "super::schema::offloads"))]
    pub(super) offloads: BTreeMap<Capability, Policy>,
    /// the device itself
    #[serde(default)]
    pub(super) device: Device,
    /// queues and their rings
    #[serde(default)]
    pub(super) queues: Queues,
    /// frame buffers
    #[serde(default)]
    pub(super) buffers: Buffers,
    /// the thread that polls
    #[serde(default)]
    pub(super) engine: Engine,
    /// who does what of the network beside the kernel
    #[serde(default)]
    pub(super) network: Network,
    /// how the NIC's clock is followed
    #[serde(default)]
    pub(super) clock: Clock,
    /// what was measured of this device: carried and shown, and taken off no stamp
    #[serde(default)]
    pub(super) calibration: Calibration,
    /// rules of one's own besides those for the sessions: which frames to drop, mark, count or send elsewhere
    #[cfg_attr(feature = "schema", schemars(schema_with = "super::schema::steering"))]
    #[serde(default)]
    pub(super) steering: Option<Vec<RuleEntry>>,
}

#[derive(Deserialize, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Device {
    /// arguments to its driver, as DPDK writes them: "key=value,key=value"
    #[serde(default, deserialize_with = "devargs")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "super::schema::devargs"))]
    pub(super) devargs: Option<String>,
    /// arguments to DPDK itself, one each, such as "--iova-mode=va"; cores, devices and kind of memory are not among them
    #[serde(default, deserialize_with = "eal")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "super::schema::eal_args"))]
    pub(super) eal: Option<Vec<String>>,
}

#[derive(Deserialize, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Queues {
    /// receive queues; the engine polls the first, and `run` and `accept` refuse more of a DPDK port that is not isolated; 1 to 64
    #[serde(default, deserialize_with = "number::<1, 64, _, _>")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 64)))]
    pub(super) rx: Option<u16>,
    /// transmit queues; the engine uses the first; 1 to 64
    #[serde(default, deserialize_with = "number::<1, 64, _, _>")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 64)))]
    pub(super) tx: Option<u16>,
    /// descriptors of each receive queue: frames that can wait for a poll; 32 to 32768
    #[serde(default, deserialize_with = "number::<32, 32768, _, _>")]
    #[cfg_attr(feature = "schema", schemars(range(min = 32, max = 32768)))]
    pub(super) rx_descriptors: Option<u16>,
    /// descriptors of each transmit queue; 32 to 32768
    #[serde(default, deserialize_with = "number::<32, 32768, _, _>")]
    #[cfg_attr(feature = "schema", schemars(range(min = 32, max = 32768)))]
    pub(super) tx_descriptors: Option<u16>,
}

#[derive(Deserialize, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Buffers {
    /// frame buffers set up at start, for both directions together; 128 to 1048576
    #[serde(default, deserialize_with = "number::<128, 1048576, _, _>")]
    #[cfg_attr(feature = "schema", schemars(range(min = 128, max = 1_048_576)))]
    pub(super) frames: Option<u32>,
}

#[derive(Deserialize, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Engine {
    /// which core polls: a number, "auto" (the last isolated one, else the last that this process may use), "any" (not pinned)
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(schema_with = "super::schema::auto_any_or_number"))]
    pub(super) core: Option<Core>,
    /// which memory node buffers come from: a number, "auto" (the device's), "any"
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(schema_with = "super::schema::auto_any_or_number"))]
    pub(super) numa_node: Option<NumaNode>,
    /// when nothing arrives: "spin" (poll again at once), "yield" (let others run after a while)
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(schema_with = "super::schema::idle"))]
    pub(super) idle: Option<Idle>,
}

#[derive(Deserialize, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    /// who finds hardware addresses and answers ARP: "own" (we do), "kernel" (its neighbour table), "auto"
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(schema_with = "super::schema::neighbors"))]
    pub(super) neighbors: Option<Neighbors>,
}

#[derive(Deserialize, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Clock {
    /// from one reading of the NIC's clock to the next, in milliseconds; 1 to 5000
    #[serde(default, deserialize_with = "number::<1, 5000, _, _>")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 5000)))]
    pub(super) refresh_ms: Option<u32>,
    /// readings at each, of which the one in the narrowest bracket counts; 1 to 64
    #[serde(default, deserialize_with = "number::<1, 64, _, _>")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 64)))]
    pub(super) readings: Option<u8>,
    /// how far its rate may be from what the device declares, in parts per million; 1 to 10000
    #[serde(default, deserialize_with = "number::<1, 10000, _, _>")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 10000)))]
    pub(super) drift_ppm_max: Option<u32>,
    /// how much that rate may change in a second, in parts per billion; 0 to 10000
    #[serde(default, deserialize_with = "number::<0, 10000, _, _>")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 10000)))]
    pub(super) wander_ppb_per_s_max: Option<u32>,
    /// how fast the time shown is moved to where it should be, in parts per million; 1 to 10000
    #[serde(default, deserialize_with = "number::<1, 10000, _, _>")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 10000)))]
    pub(super) slew_ppm_max: Option<u32>,
    /// the least by which it jumps, if it jumps, in nanoseconds; 1 to 1000000000
    #[serde(default, deserialize_with = "number::<1, 1000000000, _, _>")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000_000)))]
    pub(super) jump_ns_min: Option<u32>,
    /// after how long without a reading stamps are converted no more, in milliseconds; 2 to 10000
    #[serde(default, deserialize_with = "number::<2, 10000, _, _>")]
    #[cfg_attr(feature = "schema", schemars(range(min = 2, max = 10000)))]
    pub(super) stale_after_ms: Option<u32>,
    /// how long a frame may wait in its ring, in microseconds; 1 to 1000000
    #[serde(default, deserialize_with = "number::<1, 1000000, _, _>")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub(super) queue_delay_us_max: Option<u32>,
}

#[derive(Deserialize, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Calibration {
    /// from a frame's first bit on the wire to its receive stamp, in nanoseconds
    #[serde(default, deserialize_with = "number::<-2147483648, 2147483647, _, _>")]
    #[cfg_attr(feature = "schema", schemars(range(min = i32::MIN, max = i32::MAX)))]
    pub(super) rx_stamp_ns: Option<i32>,
    /// how far off that may be, in nanoseconds
    #[serde(default, deserialize_with = "number::<0, 4294967295, _, _>")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = u32::MAX)))]
    pub(super) rx_stamp_error_ns: Option<u32>,
    /// who measured it, when and how; empty where nobody has
    pub(super) source: Option<String>,
}

/// A whole number from `MIN` to `MAX`. A mistake is said as "what is there; what to write".
fn number<'de, const MIN: i64, const MAX: i64, N, D>(deserializer: D) -> Result<Option<N>, D::Error>
where
    N: TryFrom<i64>,
    D: Deserializer<'de>,
{
    let value = toml::Value::deserialize(deserializer)?;
    let within = value.as_integer().filter(|number| (MIN..=MAX).contains(number));
    match within.and_then(|number| N::try_from(number).ok()) {
        Some(number) => Ok(Some(number)),
        None => Err(D::Error::custom(format!("is {value}; write a number from {MIN} to {MAX}"))),
    }
}

fn devargs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let read = |text: &str| pairs(text).map(|_| text.to_owned());
    word(deserializer, read, "write \"key=value,key=value\" without blanks").map(Some)
}

fn eal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let args = Vec::<String>::deserialize(deserializer)?;
    super::eal::check(&args).map_err(D::Error::custom)?;
    Ok(Some(args))
}

impl<'de> Deserialize<'de> for Capability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = Capability::ALL.iter().map(|known| known.name());
        Capability::named(&name)
            .ok_or_else(|| D::Error::custom(format!("is no capability; {}", nearest(&name, known))))
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, Policy::parse, "write \"off\", \"prefer\" or \"require\"")
    }
}

impl<'de> Deserialize<'de> for Audit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let remedy = "write \"always\", \"off\" or \"1/N\" with N from 1 to 999999999";
        word(deserializer, Audit::parse, remedy)
    }
}

impl<'de> Deserialize<'de> for Idle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| match text {
            "spin" => Some(Idle::Spin),
            "yield" => Some(Idle::Yield),
            _ => None,
        };
        word(deserializer, read, "write \"spin\" or \"yield\"")
    }
}

impl<'de> Deserialize<'de> for Neighbors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| match text {
            "auto" => Some(Neighbors::Auto),
            "own" => Some(Neighbors::Own),
            "kernel" => Some(Neighbors::Kernel),
            _ => None,
        };
        word(deserializer, read, "write \"auto\", \"own\" or \"kernel\"")
    }
}

impl<'de> Deserialize<'de> for Core {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let remedy = "write \"auto\", \"any\" or a core's number";
        auto_any_or_number(deserializer, Core::Auto, Core::Any, Core::Number, remedy)
    }
}

impl<'de> Deserialize<'de> for NumaNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let remedy = "write \"auto\", \"any\" or a memory node's number";
        auto_any_or_number(deserializer, NumaNode::Auto, NumaNode::Any, NumaNode::Number, remedy)
    }
}

fn word<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    read: impl Fn(&str) -> Option<T>,
    remedy: &str,
) -> Result<T, D::Error> {
    let value = toml::Value::deserialize(deserializer)?;
    let found = value.as_str().and_then(read);
    found.ok_or_else(|| D::Error::custom(format!("is {value}; {remedy}")))
}

fn auto_any_or_number<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    auto: T,
    any: T,
    of_number: impl Fn(u16) -> T,
    remedy: &str,
) -> Result<T, D::Error> {
    let value = toml::Value::deserialize(deserializer)?;
    let number = value.as_integer().and_then(|number| u16::try_from(number).ok());
    match (number, value.as_str()) {
        (Some(number), _) => Ok(of_number(number)),
        (_, Some("auto")) => Ok(auto),
        (_, Some("any")) => Ok(any),
        _ => Err(D::Error::custom(format!("is {value}; {remedy}"))),
    }
}
