//! What happens to the device and its clock.

use fixwire::clock_watch::NewLife;
use fixwire::offload::capability::Capability;
use fixwire::offload::clock::Lapse;
use fixwire::offload::observe::{Demotion, DeviceEvent, Doubt, Drift};
use serde_json::{Value, json};

pub(super) const NOTHING_DEMOTED: &str = "nothing was demoted";

pub(super) fn promoted_sentence(capability: Capability) -> String {
    format!("{capability}: given back to the device, which proves itself anew")
}

pub(super) fn promoted_object(capability: Capability) -> Value {
    json!({ "event": "promoted", "capability": capability.name() })
}

/// What a driver may have had words for when it happened.
pub(super) fn said_of(event: DeviceEvent) -> Option<Capability> {
    match event {
        DeviceEvent::RulesInstalled(Doubt::CounterLost) => Some(Capability::FlowCount),
        DeviceEvent::Demoted(Demotion { capability, drift }) => {
            matches!(drift, Drift::RulesRefused | Drift::CountLost).then_some(capability)
        }
        _ => None,
    }
}

/// With what the driver `said` of it.
pub(super) fn device_sentence(event: DeviceEvent, said: Option<&str>) -> String {
    let said = said.map(|words| format!(" ({words})")).unwrap_or_default();
    match event {
        DeviceEvent::Demoted(Demotion { capability, drift }) => {
            format!("{capability}: {drift}{said}; the host does it from here on")
        }
        DeviceEvent::LinkDown => "the link is down".to_owned(),
        DeviceEvent::LinkUp => "the link is up again".to_owned(),
        DeviceEvent::RulesInstalled(doubt) => {
            format!("the steering rules were installed anew: {doubt}{said}")
        }
    }
}

pub(super) fn device_object(event: DeviceEvent, said: Option<&str>) -> Value {
    match event {
        DeviceEvent::Demoted(Demotion { capability, drift }) => json!({
            "event": "demoted",
            "capability": capability.name(),
            "reason": drift.name(),
            "why": drift.to_string(),
            "driver_said": said,
        }),
        DeviceEvent::LinkDown => json!({ "event": "link_down" }),
        DeviceEvent::LinkUp => json!({ "event": "link_up" }),
        DeviceEvent::RulesInstalled(doubt) => json!({
            "event": "rules_installed_anew",
            "reason": doubt.name(),
            "why": doubt.to_string(),
            "driver_said": said,
        }),
    }
}

pub(super) fn new_life_object(life: NewLife) -> Value {
    json!({
        "event": "clock_new_life",
        "generation": life.generation,
        "reason": life.why.name(),
        "why": new_life_in_words(life),
    })
}

pub(super) fn new_life_in_words(life: NewLife) -> &'static str {
    match life.why {
        Lapse::Reset => "the device's clock was reset: stamps before and after do not compare",
        Lapse::Stale | Lapse::Wrapped => {
            "the device's clock had not been read for too long: stamps before and after do not compare"
        }
        _ => "the device's clock jumped: stamps before and after do not compare",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_s_new_life_is_told_with_its_reason() {
        for (why, name, words) in [
            (Lapse::Jumped, "jumped", "the device's clock jumped: stamps before and after"),
            (Lapse::Reset, "reset", "the device's clock was reset: stamps"),
            (Lapse::Stale, "stale", "the device's clock had not been read for too long: stamps"),
            (Lapse::Wrapped, "wrapped", "the device's clock had not been read for too long"),
        ] {
            let life = NewLife { generation: 3, why };
            assert!(new_life_in_words(life).starts_with(words));
            let object = new_life_object(life);
            assert_eq!((&object["generation"], &object["reason"]), (&3.into(), &name.into()));
        }
    }

    #[test]
    fn rules_that_were_installed_anew_are_told_with_what_their_driver_said() {
        let event = DeviceEvent::RulesInstalled(Doubt::CounterLost);
        let said = Some("rule 1: no such rule");
        assert_eq!(
            device_sentence(event, said),
            "the steering rules were installed anew: a rule's counter is gone or went back (rule 1: no such rule)"
        );
        assert!(device_sentence(event, None).ends_with("went back"));
        assert_eq!(device_object(event, said)["driver_said"], "rule 1: no such rule");
        assert_eq!(device_object(event, None)["driver_said"], Value::Null);
    }

    #[test]
    fn what_a_driver_refuses_while_it_runs_is_told_with_its_words() {
        for (capability, drift, words) in [
            (
                Capability::FlowSteering,
                Drift::RulesRefused,
                "did not take them again (no room); the host",
            ),
            (Capability::FlowCount, Drift::CountLost, "installed anew too (no room); the host"),
        ] {
            let event = DeviceEvent::Demoted(Demotion { capability, drift });
            assert_eq!(said_of(event), Some(capability));
            let sentence = device_sentence(event, Some("no room"));
            assert!(sentence.contains(words), "{sentence}");
            assert_eq!(device_object(event, Some("no room"))["driver_said"], "no room");
        }
        let drift = Drift::SteeredWrongly;
        let wrongly = Demotion { capability: Capability::FlowSteering, drift };
        assert_eq!(said_of(DeviceEvent::Demoted(wrongly)), None, "it said nothing");
        assert_eq!(
            said_of(DeviceEvent::RulesInstalled(Doubt::CounterLost)),
            Some(Capability::FlowCount)
        );
    }
}
