//! Captures of our own (`--capture`): each of their interfaces has stamps by a clock of its own, and says which, and how far off.

use fixwire::measure::capture::{About, AboutInterface};
use fixwire::measure::wire_time::WireSpan;

use super::inputs::Input;

/// How our captures begin to say who wrote them.
const APPLICATION: &str = "fixwire ";
/// How they say that the device was a model: so ends what they were made on.
const MODEL: &str = "a NIC model";

/// What a capture of our own says of itself.
fn of(file: &Input) -> Option<&About> {
    file.about().filter(|about| about.application.starts_with(APPLICATION))
}

/// Whether a device of which there is a capture was a model, if it says so.
pub(super) fn is_model(files: &[Input]) -> Option<bool> {
    files.iter().filter_map(of).any(|about| about.hardware.ends_with(MODEL)).then_some(true)
}

/// What the clocks of two interfaces may be apart: the two greatest bounds that are stated.
pub(super) fn apart(files: &[Input]) -> WireSpan {
    let interfaces = files.iter().filter_map(of).flat_map(|about| &about.interfaces);
    let mut bounds_ns: Vec<_> =
        interfaces.filter_map(|interface| bound_ns(&interface.statistics)).collect();
    bounds_ns.sort_unstable();
    WireSpan::from_ns(bounds_ns.iter().rev().take(2).sum())
}

/// What to know of the times in a file of ours, in sentences.
pub(super) fn notes(file: &Input) -> Vec<String> {
    let (name, Some(about)) = (&file.name, of(file)) else { return Vec::new() };
    let of_interface = |(number, interface): (usize, &AboutInterface)| {
        let between = if interface.statistics.is_empty() { "" } else { "; " };
        format!(
            "{name}: interface {number}: {}{between}{}",
            interface.description, interface.statistics
        )
    };
    let mut notes: Vec<_> = about.interfaces.iter().enumerate().map(of_interface).collect();
    let has_unbounded = about.interfaces.iter().any(|interface| {
        let said = &interface.statistics;
        bound_ns(said).is_none() || said.contains("without a bound")
    });
    if file.terms.is_one_clock && has_unbounded {
        notes.push(format!(
            "{name}: of some frames nothing says how far their times are off: that is not in the noise floor"
        ));
    }
    if about.hardware.ends_with(MODEL) {
        notes.push(format!(
            "{name}: the device was a model of a NIC: nothing here is a NIC's latency"
        ));
    }
    notes
}

/// How far frames' times may be off, as an interface's statistics state: `12 frames shown within 340 ns of the system's time`.
fn bound_ns(statistics: &str) -> Option<i64> {
    let (_, behind) = statistics.split_once(" frames shown within ")?;
    behind.split_once(" ns of ")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_what_stands_before_its_unit() {
        for (said, bound) in [
            ("207 frames shown within 104 ns of the system's time", Some(104)),
            (
                "2 frames lost to a full ring; 9 frames shown within 7 ns of the system's time; without a bound: x 3",
                Some(7),
            ),
            ("shown without a bound: device_not_yet 206", None),
            ("", None),
        ] {
            assert_eq!(bound_ns(said), bound, "{said}");
        }
    }
}
