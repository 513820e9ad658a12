//! What sessions and counters came to, for people and for machines.

use fixwire::app::Application;
use fixwire::desk::SessionStatus;
use fixwire::engine::Engine;
use fixwire::fix::{Event, Garbled, RejectReason};
use fixwire::neighbor::Resolution;
use fixwire::offload::capability::Capability;
use fixwire::offload::nic::Nic;
use fixwire_hw::capture::Summary;
use serde_json::{Map, Value, json};

use super::capture;
use super::clock_report::ClockReport;
use super::steering;
use super::table;
use super::telling::identity;

/// What of a session's counters stands beside it.
const COUNTED: [Event; 7] = [
    Event::MessageReceived,
    Event::MessageSent,
    Event::MessageResent,
    Event::ResendAnswered,
    Event::GapDetected,
    Event::GapFilled,
    Event::DuplicateIgnored,
];

/// A session as machines read it: who, how often, how far, what it counted.
pub(crate) fn session_json(status: &SessionStatus<'_>) -> Map<String, Value> {
    let counters = status.counters;
    let mut counted: Map<String, Value> = COUNTED
        .into_iter()
        .map(|event| (event.name().to_owned(), counters.of(event).into()))
        .collect();
    counted.insert("rejects_sent".into(), rejects_sent(status).into());
    let garbled: u64 = Garbled::ALL.into_iter().map(|reason| counters.of_garbled(reason)).sum();
    counted.insert("garbled".into(), garbled.into());
    let mut session = identity(status.config);
    session.insert("peer".into(), status.peer.to_string().into());
    session.insert("remote".into(), status.remote.to_string().into());
    session.insert("logons".into(), status.logons.into());
    session.insert("next_out".into(), status.next_out.into());
    session.insert("next_in".into(), status.next_in.into());
    session.insert("counters".into(), counted.into());
    session
}

/// Messages of a session that were refused by a Reject.
pub(crate) fn rejects_sent(status: &SessionStatus<'_>) -> u64 {
    RejectReason::ALL.into_iter().map(|reason| status.counters.of_reject(reason)).sum()
}

/// Every counter of an engine by name.
pub(crate) fn counters_json<N: Nic, A: Application>(engine: &Engine<N, A>) -> Value {
    let counters = engine.counters();
    Value::Object(counters.map(|(name, count)| (name.to_owned(), json!(count))).collect())
}

/// The driver's own counters that are not zero, by its own names.
pub(crate) fn driver_counters_json(nic: &impl Nic) -> Value {
    let counted = nic.driver_counters().into_iter().filter(|(_, count)| *count > 0);
    Value::Object(counted.map(|(name, count)| (name, json!(count))).collect())
}

/// What the device refused while it ran, in its own words, by capability.
fn refused_by_device<N: Nic, A: Application>(
    engine: &Engine<N, A>,
) -> impl Iterator<Item = (Capability, &str)> {
    let of_rules = [Capability::FlowSteering, Capability::FlowCount];
    of_rules.into_iter().filter_map(|of| Some((of, engine.device_refusal(of)?)))
}

/// The same for machines, by the capabilities' names.
pub(crate) fn refused_json<N: Nic, A: Application>(engine: &Engine<N, A>) -> Value {
    let refused = refused_by_device(engine);
    Value::Object(refused.map(|(of, words)| (of.name().to_owned(), words.into())).collect())
}

/// What live frames showed, the counters and the steering rules that counted, and what became of the clocks and
/// of a capture that was asked for.
pub(crate) fn observed_and_counted<N: Nic, A: Application>(
    engine: &Engine<N, A>,
    clocks: &ClockReport,
    captured: Option<&Summary>,
) -> String {
    let counted: Vec<String> = engine
        .counters()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    let mut text = format!(
        "what live frames showed:\n{}\n\ncounters: {}\n\n{}",
        table::observed(engine.plan(), engine.observations()),
        counted.join(", "),
        clocks.for_people(),
    );
    let by_driver = engine.nic().driver_counters().into_iter().filter(|(_, count)| *count > 0);
    let by_driver: Vec<String> = by_driver.map(|(name, count)| format!("{name} {count}")).collect();
    if !by_driver.is_empty() {
        text += &format!("\n\nthe driver's own counters: {}", by_driver.join(", "));
    }
    for (of, words) in refused_by_device(engine) {
        text += &format!("\n\nwhile it ran the device refused {of}: {words}");
    }
    if let Some(steered) = steering::for_people(engine) {
        text += &format!("\n\n{steered}");
    }
    if let Some(captured) = captured {
        text += &format!("\n\n{}", capture::summary_for_people(captured));
    }
    text
}

/// Ends the device, and says how many of its buffers have not come back; `None` where nobody counts.
pub(crate) fn close<N: Nic, A: Application>(engine: Engine<N, A>) -> Option<u32> {
    engine.into_nic().close()
}

/// The warning that buffers have not come back, if it is one.
pub(crate) fn lost_buffers(not_returned: Option<u32>) -> Option<String> {
    let lost = not_returned.filter(|lost| *lost > 0)?;
    Some(format!(
        "\n\nwarning: {lost} of the device's buffers had not come back when it was closed, and would be \
         missing in a longer run; please report it with the plan above"
    ))
}

/// Who finds hardware addresses, by the profile's word for it.
pub(crate) fn neighbors<N: Nic, A: Application>(engine: &Engine<N, A>) -> &'static str {
    match engine.resolution() {
        Resolution::Own => "own",
        Resolution::Kernel => "kernel",
    }
}

/// Where the engine was polled, in words.
pub(crate) fn polled(core: Option<u16>) -> String {
    core.map_or("not pinned".to_owned(), |core| format!("pinned to core {core}"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use fixwire::app::taker::Taker;
    use fixwire::offload::profile::{Policy, Profile};
    use fixwire::time::Duration;
    use fixwire_hw::host_counter::HostCounter;
    use fixwire_hw::sim::{End, NicFaults};

    use super::super::clocks::Clocks;
    use super::super::session_file::SessionSettings;
    use super::super::{bring_up, device};
    use super::*;

    #[test]
    fn what_a_device_refuses_while_it_runs_is_reported_in_its_words() {
        let ends = (Ipv4Addr::new(10, 9, 0, 2), Ipv4Addr::new(10, 9, 0, 1));
        let profile = Profile::all(Policy::Prefer);
        let (near, _far, wire) =
            device::sim(fixwire_hw::sim::Model::named("connectx5").unwrap(), &profile);
        let (nic, plan, setup) = bring_up::simulated(near, ends, SessionSettings::default());
        let mut engine = Engine::new(nic, plan, setup, Taker::new(1, 1)).unwrap();
        assert_eq!(refused_json(&engine), json!({}));
        let faults =
            NicFaults { refuses_counts: true, refuses_rules: true, ..NicFaults::default() };
        wire.set_nic_faults(End::A, faults);
        wire.advance(Duration::from_ms(200));
        engine.poll(&wire);
        let said = |of: &str| refused_json(&engine)[of].as_str().unwrap_or_default().to_owned();
        assert!(said("flow_count").contains("ENOTSUP"), "{}", said("flow_count"));
        assert!(said("flow_steering").contains("ENOSPC"), "{}", said("flow_steering"));
        let clocks = Clocks::of_host(HostCounter::best(), &profile.clock);
        let looks = clocks.looks();
        let text = observed_and_counted(&engine, &clocks.finish(&looks), None);
        for of in ["flow_count", "flow_steering"] {
            let words = format!("while it ran the device refused {of}: {}", said(of));
            assert!(text.contains(&words), "{text}");
        }
    }
}
