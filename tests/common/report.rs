//! What every report of the program says, whatever it is of: the plan that the device got, and that no buffer was lost.

use serde_json::Value;

/// Prints the plan, and sees that every buffer came back.
pub fn checked(report: Value) -> Value {
    show_plan(&report);
    assert_no_buffer_lost(&report);
    report
}

pub fn show_plan(report: &Value) {
    println!("plan for {} by profile {}", report["nic"], report["profile"]);
    for row in report["plan"].as_array().expect("rows") {
        let [capability, by, observed, reason] =
            ["capability", "by", "observed", "reason"].map(|key| row[key].as_str().unwrap_or("-"));
        println!("  {capability}: {by}, {observed}: {reason}");
    }
}

/// A model's buffers are counted by nobody.
fn assert_no_buffer_lost(report: &Value) {
    let is_counted = !report["nic"].as_str().unwrap_or_default().starts_with("sim");
    let lost = if is_counted { Value::from(0) } else { Value::Null };
    assert_eq!(report["buffers_not_returned"], lost, "{}", report["nic"]);
}

/// The same of a report for people, which is printed as it is.
pub fn checked_text(text: String) -> String {
    println!("{text}");
    assert!(
        text.contains("what live frames showed") && !text.contains("buffers had not come back"),
        "{text}"
    );
    text
}
