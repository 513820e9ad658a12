//! `fixwire conformance`: the same session on every kind of device that a NIC could turn out to be.

mod bench;
mod case;
mod compare;
mod course;
mod judge;
mod lies;
mod outcome;
mod recorded;
mod report;
mod strays;
#[cfg(test)]
mod tests;
mod trial;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use fixwire::offload::capability::Capability;
use fixwire::offload::toml_file::nearest;
use indicatif::{ProgressBar, ProgressStyle};

use super::failure::Failure;
use super::nic_spec::NicSpec;
use super::{bring_up, device, profile, say};
use bench::Bench;
use case::Case;

/// Test in your own CI that a session is the same whatever the NIC does and does not.
///
/// One trading session is run on a model of the NIC again and again: with each part of what the NIC has on
/// the data path (--all-subsets), with each way in which a NIC speaks of checksums, lying included, on a clean
/// line and on one that corrupts one frame in a hundred. Meanwhile strangers' frames come: some that a rule
/// drops, some that one sends to another queue, and some that no rule names.
///
/// Each time the session is held against the same one on a device that does nothing. Both applications must be
/// given the same messages, byte for byte. Every counter must be the same at both ends, but for those that
/// say who does the work: sessions', TCP's, neighbours', each reason for a refusal; of frames that a rule keeps
/// away, the device's and the host's count together. Every frame that the line made wrong must have been refused
/// by name, and no segment and no message may be lost without one. A device that says what is true must not
/// be contradicted. One that lies must be found out: at once where every frame is audited, and within the bound of
/// the audit (`fixwire plan --explain`) under 1/8 and under the profile's own 1/N; after that it must
/// get nothing wrong let in. What it got let in is not sent again: such a case is held to its session's
/// counters, not to TCP's.
///
/// A profile's own steering rules are not tried: they are about your addresses.
///
/// A case that fails says which counter, what was found and what should have been. Ends with `N passed, N failed`
/// of the cases that traded: none does where the profile requires what the device lacks. Exit code 1 when a case
/// failed, 3 when none traded.
#[derive(Debug, Args)]
pub(crate) struct ConformanceArgs {
    /// The model: `sim` or `sim:MODEL` (`fixwire profiles list` has their names); or the RTL, `rtl` or `rtl:512`, where built
    /// with the feature `rtl`.
    #[arg(long, value_name = "SPEC", default_value = "sim")]
    nic: NicSpec,
    /// A built-in profile or a file; by default the one of the model's name.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Capabilities that the device is to lack in every case.
    #[arg(long, value_name = "CAP", value_delimiter = ',', value_parser = capability)]
    without: Vec<Capability>,
    /// Every part of what the NIC has on the data path, not only all of it.
    #[arg(long)]
    all_subsets: bool,
    /// Write the cases as JUnit XML, for a CI that shows them.
    #[arg(long, value_name = "FILE.xml")]
    junit: Option<PathBuf>,
}

fn capability(text: &str) -> Result<Capability, String> {
    let names = Capability::ALL.iter().map(|known| known.name());
    Capability::named(text).ok_or_else(|| format!("no capability; {}", nearest(text, names)))
}

/// A case that was tried: what was wrong with it, if anything, and how long it took.
struct Tried {
    case: Case,
    wrong: Option<String>,
    /// There was no session: the profile requires what the device lacks.
    is_refused: bool,
    took: Duration,
}

pub(crate) fn command(args: &ConformanceArgs) -> Result<(), Failure> {
    #[cfg(feature = "rtl")]
    if let NicSpec::Rtl(design) = &args.nic
        && design.waves.is_some()
    {
        return Err(Failure::Input(
            "each case has a design of its own, and all of them one file for their waves; look at one session by \
             `fixwire run --nic rtl:waves=FILE.fst`"
                .into(),
        ));
    }
    let Some(model) = device::model(&args.nic)? else {
        return Err(Failure::Input(format!(
            "conformance needs a line that it can corrupt, and {} has none; use `sim:MODEL` with the model of \
             your NIC",
            args.nic
        )));
    };
    let profile = profile::load(args.profile.as_deref().unwrap_or(args.nic.default_profile()))?;
    device::check_driver(&profile, &model.capabilities)?;
    bring_up::rules(&profile, trial::OURS, None, &[])?;
    if model.is_design() {
        say("not tried: NICs that speak otherwise of checksums, or lie; the RTL says what it says");
    } else if let Some((audit, why)) = case::audit_not_tried(&profile) {
        say(format_args!("not tried: a liar under the profile's own audit, {audit}; {why}"));
    }
    let (bench, cases) = Bench::new(model, profile, &args.without, args.all_subsets)
        .map_err(|why| Failure::run(why, "please report it"))?;
    let tried = try_all(&bench, &cases);
    for Tried { case, wrong, .. } in &tried {
        if let Some(why) = wrong {
            say(format_args!("FAILED {case}\n  {why}"));
        }
    }
    if let Some(path) = &args.junit {
        report::write(path, &args.nic.to_string(), &tried)?;
    }
    if !bench.profile().steering.is_empty() {
        say(
            "not tried: the profile's own [[steering]] rules, which are about your addresses; the sessions trade \
             under rules made for them",
        );
    }
    let failed = tried.iter().filter(|tried| tried.wrong.is_some()).count();
    let refused = tried.iter().filter(|tried| tried.is_refused).count();
    if refused > 0 {
        say(format_args!(
            "{refused} of {} cases did not trade: the profile requires what the device lacks there",
            tried.len()
        ));
    }
    say(format_args!("{} passed, {failed} failed", tried.len() - refused - failed));
    match (failed, refused == tried.len()) {
        (0, false) => Ok(()),
        (0, true) => Err(Failure::Unmet(format!(
            "nothing was tried: the profile {:?} requires what {} lacks in every case; write \"prefer\" for it \
             in the profile, or choose another model",
            bench.profile().name,
            args.nic
        ))),
        _ => Err(Failure::Run(format!("{failed} cases failed"))),
    }
}

/// Tries the cases on every core, and keeps their order.
fn try_all(bench: &Bench, cases: &[Case]) -> Vec<Tried> {
    let bar = ProgressBar::new(cases.len() as u64);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} cases, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from).min(cases.len().max(1));
    let work = || {
        let mut tried = Vec::new();
        while let Some((number, case)) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            cases.get(number).map(|case| (number, case))
        } {
            let began = Instant::now();
            let (is_refused, wrong) = match bench.tries(case, number as u64) {
                Ok(traded) => (!traded, None),
                Err(why) => (false, Some(why)),
            };
            let took = began.elapsed();
            tried.push((number, Tried { case: case.clone(), wrong, is_refused, took }));
            bar.inc(1);
        }
        tried
    };
    let mut all = thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles
            .into_iter()
            .flat_map(|handle| handle.join().expect("a case panicked"))
            .collect::<Vec<_>>()
    });
    bar.finish_and_clear();
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, tried)| tried).collect()
}
