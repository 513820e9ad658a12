//! A device that lies of every frame once it is believed: found out within the bound that is stated, and
//! then never believed again.

use fixwire::offload::capability::Capability;

use super::outcome::Outcome;

/// Held against the bound of `rx_checksum_audit`: so many wrong frames at most are let in, for each of
/// `layers`.
///
/// # Errors
/// Both numbers, found and allowed.
pub(super) fn are_found_out(
    layers: &[Capability],
    wrong_frames_max: u64,
    outcome: &Outcome,
) -> Result<(), String> {
    let received_wrong = outcome.ours.received_wrong;
    let refused = outcome.ours.counters.refused().saturating_sub(outcome.strays);
    let let_in = received_wrong.saturating_sub(refused);
    let (mut wrong_before, mut let_in_before) = (0, 0);
    for layer in layers {
        let mut found_out = outcome.found_out.iter();
        let Some(found) = found_out.find(|found| found.capability == *layer) else {
            return Err(format!(
                "the device was not demoted for {layer}, though {} wrong frames that it called good were let \
                 in; the bound is {wrong_frames_max}",
                let_in.saturating_sub(let_in_before)
            ));
        };
        let of_layer = found.let_in.saturating_sub(let_in_before);
        if of_layer > wrong_frames_max {
            return Err(format!(
                "{of_layer} wrong frames that the device called good were let in before it was demoted for \
                 {layer}; the bound is {wrong_frames_max}"
            ));
        }
        (wrong_before, let_in_before) = (found.received_wrong, found.let_in);
    }
    let after = received_wrong.saturating_sub(wrong_before);
    match let_in.saturating_sub(let_in_before) {
        _ if after == 0 => Err("no wrong frame came once the device was demoted".into()),
        0 => Ok(()),
        more => Err(format!(
            "{more} of {after} wrong frames were let in once the device was demoted; none should be"
        )),
    }
}
