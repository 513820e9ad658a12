//! `fixwire flow`: the steering rules of a device, whoever keeps them, and what each has matched.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use fixwire::offload::capability::Capability;
use fixwire::offload::device::{Backend, Device, Probed};
use fixwire::offload::flow::{Count, FlowRule, OnMiss, RuleSet};
use fixwire::offload::nic::Nic;
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::Profile;
use serde_json::{Value, json};

use super::device::{self, Refused};
#[cfg(feature = "dpdk")]
use super::dpdk;
use super::failure::Failure;
use super::nic_spec::NicSpec;
use super::plan::{EXAMPLE_ADDR, EXAMPLE_PEER};
use super::session_file::{Purpose, SessionFile};
use super::signals::Interruption;
use super::{bring_up, profile, say, summary};

/// Show the steering rules that a run would have: each as testpmd would be told of it, who keeps it, and what
/// it has matched.
///
/// The device is brought up and the rules are installed, so that what it refuses shows with the driver's
/// reason; they are taken away again at the end, also when Ctrl-C, SIGTERM or SIGHUP ends --watch, with exit code 1.
/// With --dry-run no rule is installed: the device is opened to ask it what it takes. Exit code 3 when the profile
/// requires what the device does not do, or with --dry-run does not advertise, and 2 when it asks for queues that no
/// run would poll.
#[derive(Debug, Args)]
pub(crate) struct FlowArgs {
    /// The device, as for `run`.
    #[arg(long, value_name = "SPEC", default_value = "sim")]
    nic: NicSpec,
    /// A built-in profile or a file; by default the one that fits the device, as for `run`.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Session settings: a rule for each peer and port of theirs; by default those of a run without.
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
    /// Plan alone: what the device advertises decides. It is opened to be asked, and no rule is installed.
    #[arg(long)]
    dry_run: bool,
    /// Leave the rules in for this long before their counters are read.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, conflicts_with = "dry_run", value_parser = clap::value_parser!(u64).range(0..=86_400))]
    watch: u64,
    /// Print one JSON object for machines.
    #[arg(long)]
    json: bool,
}

pub(crate) fn command(args: &FlowArgs) -> Result<(), Failure> {
    let profile = profile::load(args.profile.as_deref().unwrap_or(args.nic.default_profile()))?;
    let rules = rules(args, &profile)?;
    let job = Job { args, profile: &profile, rules, interruption: Interruption::caught()? };
    match &args.nic {
        NicSpec::TapEmbedded => job.show(device::embedded_tap()?),
        NicSpec::Tap(name) => job.show(device::attached_tap(name)?),
        #[cfg(feature = "dpdk")]
        NicSpec::Dpdk(port) => {
            let opened = dpdk::open(port, &profile, args.json, dpdk::Where::OfOurOwn)?;
            job.show(Device::probed(opened.backend))
        }
        nic => {
            let model = device::model(nic)?.unwrap_or_default();
            job.show(Device::probed(device::sim(model, &profile).0))
        }
    }
}

/// Those of the profile, and those that the sessions need.
fn rules(args: &FlowArgs, profile: &Profile) -> Result<RuleSet, Failure> {
    let settings = SessionFile::open_or_built_in(args.session.as_deref(), Purpose::Trade)?;
    let ours: Ipv4Addr = settings.network.addr.map_or(EXAMPLE_ADDR, |(addr, _)| addr);
    let sessions = bring_up::session_plans(&settings.sessions, ours, EXAMPLE_PEER)?;
    bring_up::rules(profile, ours, settings.network.vlan, &sessions)
}

/// What was asked for.
struct Job<'a> {
    args: &'a FlowArgs,
    profile: &'a Profile,
    rules: RuleSet,
    interruption: Interruption,
}

impl Job<'_> {
    fn show<B: Backend>(self, device: Device<B, Probed>) -> Result<(), Failure> {
        let Job { args, profile, rules, interruption } = self;
        if args.dry_run {
            let planned = device.plan(profile, rules);
            let plan = planned.plan();
            tell(plan, &[], None, args.json);
            return match plan.unmet().next() {
                None => device::refuse_unpolled_queues(&args.nic, profile, plan),
                Some(_) => Err(device::unmet(plan)),
            };
        }
        let started = device::configure(device, profile, rules)
            .and_then(|device| Ok(device.start()?.steer()?))
            .map_err(|refused| match refused {
                Refused::Failed(failure) => failure,
                Refused::Unmet(plan) => {
                    tell(&plan, &[], None, args.json);
                    device::unmet(&plan)
                }
            });
        let (nic, plan) = started?;
        let refused = device::refuse_unpolled_queues(&args.nic, profile, &plan);
        let watched = refused.is_err() || interruption.wait(Duration::from_secs(args.watch));
        let rules = 0..plan.device_rules().rules().len();
        let counted: Vec<Counted> = rules.map(|rule| Counted::of(&nic, rule)).collect();
        let by_driver = summary::driver_counters_json(&nic);
        let ended = Ended { by_driver, not_returned: nic.close() };
        tell(&plan, &counted, Some(&ended), args.json);
        refused?;
        if !watched {
            return Err(Failure::run(
                format!("interrupted before the {} s of --watch were over", args.watch),
                "what the rules counted until then is shown",
            ));
        }
        Ok(())
    }
}

/// What a rule has counted, or why its driver does not tell.
struct Counted {
    count: Option<Count>,
    refusal: Option<String>,
}

/// Why a rule that is in has no counters to show; nothing where it has, and where no rule is in.
fn uncounted(plan: &Plan, rule: &FlowRule, counted: Option<&Counted>) -> Option<String> {
    let counted = counted.filter(|counted| counted.count.is_none())?;
    if let Some(why) = &counted.refusal {
        return Some(format!("its driver does not tell what it has counted: {why}"));
    }
    // Nobody takes in frames here, which is where the host counts.
    let is_host_s = !plan.uses(Capability::FlowSteering);
    Some(if rule.actions.count && is_host_s {
        "counted by fixwire as it takes in frames, in `run` and `accept`, whose reports tell".into()
    } else if is_host_s {
        "not counted: only rules of the profile with `count = true` are".into()
    } else {
        "not counted: the device steers by it, and does not count".into()
    })
}

impl Counted {
    fn of(nic: &impl Nic, rule: usize) -> Counted {
        let count = nic.flow_count(rule);
        Counted { count, refusal: nic.take_flow_count_refusal() }
    }
}

/// A device that ran: its driver's own counters, for machines alone, and buffers that have not come back.
struct Ended {
    by_driver: Value,
    not_returned: Option<u32>,
}

fn tell(plan: &Plan, counted: &[Counted], ended: Option<&Ended>, as_json: bool) {
    if as_json {
        return say(for_machines(plan, counted, ended));
    }
    let warning = summary::lost_buffers(ended.and_then(|ended| ended.not_returned));
    say(for_people(plan, counted) + &warning.unwrap_or_default());
}

fn for_machines(plan: &Plan, counted: &[Counted], ended: Option<&Ended>) -> Value {
    let row = plan.row(Capability::FlowSteering);
    let rules = plan.device_rules();
    let rules = rules.rules().iter().enumerate().map(|(number, rule)| {
        let counted = counted.get(number);
        let count = counted.and_then(|counted| counted.count);
        let (hits, bytes) = count.map(|Count { hits, bytes }| (hits, bytes)).unzip();
        json!({
            "number": number,
            "rule": rule.to_string(),
            "outcome": row.outcome.to_string(),
            "by": row.by.to_string(),
            "hits": hits,
            "bytes": bytes,
            "uncounted_because": uncounted(plan, rule, counted),
        })
    });
    json!({
        "nic": plan.nic,
        "profile": plan.profile,
        "outcome": row.outcome.to_string(),
        "by": row.by.to_string(),
        "reason": row.reason,
        "isolated": plan.rules().on_miss() == OnMiss::NotOurs,
        "rules": rules.collect::<Vec<_>>(),
        "driver_counters": ended.map(|ended| &ended.by_driver),
        "buffers_not_returned": ended.and_then(|ended| ended.not_returned),
    })
}

fn for_people(plan: &Plan, counted: &[Counted]) -> String {
    let row = plan.row(Capability::FlowSteering);
    let rules = plan.device_rules();
    let lines: String = rules
        .rules()
        .iter()
        .enumerate()
        .map(|(number, rule)| {
            let counted = counted.get(number);
            let told = match counted.and_then(|counted| counted.count) {
                Some(Count { hits, bytes }) => Some(format!("frames {hits}, bytes {bytes}")),
                None => uncounted(plan, rule, counted),
            };
            let told = told.map(|words| format!("; {words}")).unwrap_or_default();
            format!("\n  {number}: {rule}\n     by the {}: {}{told}", row.outcome, row.by)
        })
        .collect();
    let missed = match plan.rules().on_miss() {
        OnMiss::NotOurs => "do not come to us".to_owned(),
        OnMiss::Queue(queue) => format!("go to queue {queue}"),
    };
    format!(
        "rules of profile {} on {}, by the {}: {} ({}){lines}\nframes that no rule matches {missed}",
        plan.profile, plan.nic, row.outcome, row.by, row.reason
    )
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;

    use fixwire::offload::profile::Policy;
    use fixwire_hw::sim::Model;

    use super::*;

    #[test]
    fn a_count_that_its_driver_does_not_tell_is_shown_with_the_reason() {
        let profile = Profile::all(Policy::Prefer);
        let device = Model::full().capabilities;
        let listener = |port| FlowRule::listener(SocketAddrV4::new(EXAMPLE_ADDR, port), 0);
        let rules = RuleSet::new(vec![listener(1), listener(2)], OnMiss::Queue(0)).unwrap();
        let plan = Plan::negotiate("x", &profile, &device).steered_by(rules, &device.flow);
        let counted = [
            Counted { count: Some(Count { hits: 3, bytes: 240 }), refusal: None },
            Counted { count: None, refusal: Some("rule 1: no such rule".into()) },
        ];
        let ended = Ended { by_driver: json!({ "rx_good_packets": 7 }), not_returned: Some(2) };
        let shown = for_machines(&plan, &counted, Some(&ended));
        let [first, second] = [0, 1].map(|number| &shown["rules"][number]);
        assert_eq!((&first["hits"], &first["bytes"]), (&json!(3), &json!(240)));
        assert_eq!(first["uncounted_because"], Value::Null);
        for rule in [first, second] {
            assert_eq!(
                (&rule["outcome"], &rule["by"]),
                (&shown["outcome"], &shown["by"]),
                "{rule}"
            );
        }
        assert_eq!((&second["hits"], &second["bytes"]), (&Value::Null, &Value::Null));
        let why = "its driver does not tell what it has counted: rule 1: no such rule";
        assert_eq!(second["uncounted_because"], why);
        assert_eq!(shown["driver_counters"]["rx_good_packets"], 7);
        assert_eq!(shown["buffers_not_returned"], 2);
        let text = for_people(&plan, &counted);
        let [outcome, by] = ["outcome", "by"].map(|key| shown[key].as_str().unwrap());
        let by = format!("\n     by the {outcome}: {by}; ");
        assert!(text.contains(&format!("{by}frames 3, bytes 240")), "{text}");
        assert_eq!(text.matches(&by).count(), 2, "each rule says so: {text}");
        assert!(text.contains(why), "{text}");
    }
}
