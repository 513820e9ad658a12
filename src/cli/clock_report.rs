//! What became of the clocks of a run, for people and for machines.

use fixwire::offload::clock::{ClockState, Conversions, Drift, Lapse, Mapping, Refusal};
use fixwire::offload::stamp::ClockInfo;
use fixwire_hw::clock_route::{ClockRoute, RouteRefusal};
use fixwire_hw::clock_service::{ClockCounters, PairCounters};
use serde_json::{Map, Value, json};

use super::clocks::Device;
use super::table;

/// What was known of the clocks at the end.
pub(super) struct Known {
    device: Option<ClockState>,
    wall: ClockState,
    /// The bound that a stamp of that moment would have been given.
    error_bound_ns: Result<u64, Refusal>,
}

impl Known {
    pub(super) fn of(mapping: &Mapping, host: u64) -> Known {
        Known {
            device: mapping.device(host),
            wall: mapping.wall(host),
            error_bound_ns: mapping.error_bound_ns(host),
        }
    }
}

/// What became of the clocks of a run.
pub(crate) struct ClockReport {
    pub(super) host: ClockInfo,
    pub(super) device: Device,
    /// The device's clock, where it was followed.
    pub(super) followed: Option<ClockInfo>,
    pub(super) known: Option<Known>,
    pub(super) counters: ClockCounters,
    pub(super) conversions: Conversions,
    pub(super) trouble: Option<String>,
}

impl ClockReport {
    pub(crate) fn json(&self) -> Value {
        let known = self.known.as_ref();
        let device = self.followed.map(|info| {
            let state = known.and_then(|known| known.device.as_ref());
            let mut clock = clock_json(&info, state, &self.counters.device);
            let (route, rate_by) = self.device.way.unzip();
            clock.insert("route".into(), route.map(ClockRoute::name).into());
            clock.insert("rate_by".into(), rate_by.map(|by| by.to_string()).into());
            clock.insert("is_model".into(), self.device.is_model.into());
            clock.insert("silent".into(), self.counters.device_silent.into());
            clock.insert("reset".into(), self.counters.device_reset.into());
            clock
        });
        let wall = known.map(|known| &known.wall);
        let Conversions { converted, error_bound_ns_max, refused } = &self.conversions;
        let refused: Map<String, Value> = counted(refused.iter());
        let routes_refused = self.device.refused.iter();
        let routes_refused: Vec<Value> = routes_refused
            .map(|RouteRefusal { route, why }| json!({ "route": route.name(), "why": why }))
            .collect();
        json!({
            "device": device,
            "routes_refused": routes_refused,
            "host": clock_json(&self.host, wall, &self.counters.wall),
            "error_bound_ns": known.filter(|_| self.follows_stamps()).and_then(|known| known.error_bound_ns.ok()),
            "conversions": {
                "of": self.of_which().domain.in_words(),
                "converted": converted,
                "error_bound_ns_max": error_bound_ns_max,
                "refused": refused,
            },
            "published_late": self.counters.published_late,
            "trouble": self.trouble,
        })
    }

    pub(crate) fn for_people(&self) -> String {
        let Some(known) = &self.known else {
            let trouble = self.trouble.as_deref().unwrap_or_default();
            return format!("clocks: not followed: {trouble}");
        };
        let header = ["clock", "by the", "state", "agreed", "drift, ppb", "generation", "jumps"];
        let host = name(&self.host);
        let whose = if self.device.is_model { " (a model's)" } else { "" };
        let device = self.followed.as_ref().zip(known.device.as_ref()).map(|(info, state)| {
            let clock = format!("{}{whose}", name(info));
            row([clock, host.into()], state, &self.counters.device)
        });
        let of_host = [host.into(), "system's time".into()];
        let rows = device.into_iter().chain([row(of_host, &known.wall, &self.counters.wall)]);
        let mut text = format!("clocks, each by another:\n{}\n", table::rows(&header, rows));
        text += &self.device.ways_for_people();
        text += &self.conversions_for_people();
        text += &match known.error_bound_ns {
            _ if !self.follows_stamps() => ".".to_owned(),
            Ok(bound_ns) => format!(". At the end one would have been within {bound_ns} ns."),
            Err(refusal) => format!(". At the end none would: {refusal}."),
        };
        if self.device.is_model {
            text +=
                "\nThe device's clock is a model's, made of this host's: nothing here is a NIC's.";
        }
        if let Some(trouble) = &self.trouble {
            text += &format!("\n{trouble}");
        }
        text
    }

    /// Whether the clock that stamps are by was followed.
    fn follows_stamps(&self) -> bool {
        self.device.stamps == self.followed
    }

    /// What the stamps that were looked at are by.
    fn of_which(&self) -> &ClockInfo {
        self.device.stamps.as_ref().unwrap_or(&self.host)
    }

    fn conversions_for_people(&self) -> String {
        let Conversions { converted, error_bound_ns_max, refused } = &self.conversions;
        let mut text = format!(
            "stamps of the {} that were looked at: {converted} became UTC",
            name(self.of_which())
        );
        if *converted > 0 {
            text += &format!(", within {error_bound_ns_max} ns of the system's time at most");
        }
        let named = refused.iter().filter(|(_, count)| *count > 0);
        let named: Vec<_> = named.map(|(name, count)| format!("{name} {count}")).collect();
        if !named.is_empty() {
            text += &format!("; refused: {}", named.join(", "));
        }
        text
    }
}

impl Device {
    /// Why a clock that the device stamps by is not read, if so.
    pub(super) fn unread(&self) -> Option<String> {
        let stamps = self.stamps.filter(|_| self.way.is_none() && !self.is_model)?;
        Some(format!(
            "The clock behind the stamps ({}) is not read. {}",
            name(&stamps),
            self.refusals()
        ))
    }

    /// By which way the device's clock was read, or why by none; a line, where there is something to say.
    fn ways_for_people(&self) -> String {
        if let Some(unread) = self.unread() {
            return format!("{unread}\n");
        }
        let Some((route, rate_by)) = self.way else { return String::new() };
        let before = self.refusals();
        let before =
            if before.is_empty() { before } else { format!(" Before it were refused: {before}") };
        let route = route.name();
        format!("the device's clock was read by {route}; its rate: {rate_by}.{before}\n")
    }

    /// Each way that was refused, a sentence each.
    fn refusals(&self) -> String {
        let refused: Vec<_> = self.refused.iter().map(|refusal| format!("{refusal}.")).collect();
        refused.join(" ")
    }
}

/// What a clock is called, without what it counts.
fn name(info: &ClockInfo) -> &'static str {
    let words = info.domain.in_words();
    words.split_once(',').map_or(words, |(name, _)| name)
}

fn counted(counters: impl Iterator<Item = (&'static str, u64)>) -> Map<String, Value> {
    counters.map(|(name, count)| (name.to_owned(), count.into())).collect()
}

fn state_name(lapse: Option<Lapse>) -> &'static str {
    lapse.map_or("locked", Lapse::name)
}

fn clock_json(
    info: &ClockInfo,
    state: Option<&ClockState>,
    readings: &PairCounters,
) -> Map<String, Value> {
    let drift = state.and_then(|state| state.drift);
    let fields = json!({
        "clock": info.domain.in_words(),
        "ticks_per_s": info.ticks_per_s,
        "bits": info.bits,
        "state": state.map(|state| state_name(state.lapse)),
        "generation": state.map(|state| state.generation),
        "drift_ppb": drift.map(|drift| drift.ppb),
        "drift_error_ppb": drift.map(|drift| drift.error_ppb),
        "readings": counted(readings.iter()),
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn row([name, by]: [String; 2], state: &ClockState, readings: &PairCounters) -> Vec<String> {
    let drift = |Drift { ppb, error_ppb }| format!("{ppb:+} ± {error_ppb}");
    vec![
        name,
        by,
        state_name(state.lapse).to_owned(),
        readings.agreed.to_string(),
        state.drift.map_or("-".to_owned(), drift),
        state.generation.to_string(),
        readings.jumped.to_string(),
    ]
}
