//! The plan that a device got, in the output of the test that brought it up.

use fixwire_offload::Plan;

pub(crate) fn show(plan: &Plan) {
    println!("plan for {} by profile {}", plan.nic, plan.profile);
    for row in plan.rows() {
        println!("  {}: {}, {}: {}", row.capability, row.outcome, row.by, row.reason);
    }
}
