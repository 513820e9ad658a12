//! `fixwire plan --explain`: what a device's word is worth, which bound follows, against which faults.

use fixwire::offload::profile::Profile;
use fixwire::offload::verdict::{
    Audit, FAULT_MODEL, FAULT_MODEL_OF_SENDING, PROOF_FRAMES, TABLE, Treatment,
};
use serde_json::{Value, json};

use crate::cli::table;

/// In words.
pub(super) fn for_people(profile: &Profile) -> String {
    let rows = TABLE.iter().map(|row| {
        [
            row.verdict.to_string(),
            in_words(row.trusted).into(),
            in_words(row.untrusted).into(),
            row.why.into(),
        ]
        .into()
    });
    let header =
        ["device says", "done where the plan trusts it", "done where it does not", "because"];
    let policy = table::texts(&header, rows);
    let audit = profile.rx_checksum_audit;
    let others = [Audit::Always, Audit::OneIn(64), Audit::Off]
        .into_iter()
        .filter(|other| *other != audit)
        .map(|other| format!("\n  \"{other}\" would give: {}", other.bound()))
        .collect::<String>();
    format!(
        "\nwhat a verdict is worth, frame by frame and layer by layer\n{policy}\n\
         A frame is dropped only when its bytes are wrong. The first {PROOF_FRAMES} frames called good are \
         verified whatever the audit.\n\
         rx_checksum_audit = \"{audit}\" gives the bound: {}{others}\n\
         fault model: {FAULT_MODEL}\n\
         fault model of sending: {FAULT_MODEL_OF_SENDING}",
        audit.bound()
    )
}

/// For machines.
pub(super) fn for_machines(profile: &Profile) -> Value {
    let policy = TABLE.iter().map(|row| {
        json!({
            "verdict": row.verdict.to_string(),
            "trusted": in_words(row.trusted),
            "untrusted": in_words(row.untrusted),
            "why": row.why,
        })
    });
    json!({
        "policy": policy.collect::<Vec<_>>(),
        "proof_frames": PROOF_FRAMES,
        "rx_checksum_audit": profile.rx_checksum_audit.to_string(),
        "wrong_frames_max": profile.rx_checksum_audit.wrong_frames_max(),
        "bound": profile.rx_checksum_audit.bound(),
        "fault_model": FAULT_MODEL,
        "fault_model_of_sending": FAULT_MODEL_OF_SENDING,
    })
}

fn in_words(treatment: Treatment) -> &'static str {
    match treatment {
        Treatment::TrustAudited => "believed, audited",
        Treatment::CheckPartial => "taken if the field holds the pseudo-header sum",
        Treatment::Verify => "verified in software",
    }
}
