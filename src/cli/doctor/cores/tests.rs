use fixwire::offload::profile::Profile;

use super::super::check::State::{Fail, Ok, Unknown, Warn};
use super::super::made_host::{MadeHost, asked, assert_state, named, of};
use super::super::polling_core as chosen;
use super::*;

const CPU: &str = "sys/devices/system/cpu";

fn profile(core: Core) -> Profile {
    let mut profile = named("sim");
    profile.core = core;
    profile
}

#[test]
fn the_core_is_the_profile_s_or_the_last_that_may_be_used() {
    for (core, allowed, settled) in [
        (Core::Auto, &[0, 1, 5][..], Some(5)),
        (Core::Auto, &[2], None),
        (Core::Auto, &[], None),
        (Core::Any, &[0, 1], None),
        (Core::Number(9), &[0, 1], Some(9)),
    ] {
        let host = MadeHost::new();
        let found = chosen(&host.host(), &profile(core), allowed);
        assert_eq!(found, settled, "{core:?} of {allowed:?}");
    }
    let isolating = MadeHost::new()
        .file(&format!("{CPU}/online"), "0-7\n")
        .file(&format!("{CPU}/isolated"), "6-7\n");
    for (core, allowed, settled) in [
        (Core::Auto, &[0, 1, 2, 3, 4, 5][..], Some(7)),
        (Core::Auto, &[0, 6], Some(6)),
        (Core::Auto, &[0, 1], Some(1)),
        (Core::Number(3), &[0, 1], Some(3)),
    ] {
        let found = chosen(&isolating.host(), &profile(core), allowed);
        assert_eq!(found, settled, "{core:?} of {allowed:?}");
    }
}

#[test]
fn a_core_that_may_not_be_used_fails_with_the_way_to_it() {
    let online = MadeHost::new().file(&format!("{CPU}/online"), "0-7\n");
    let on =
        |core, allowed: &[u16]| Asked { core: Some(core), allowed: allowed.to_vec(), ..asked() };
    for (of, state, says) in [
        (on(3, &[0, 3]), Ok, "core 3 of 0,3"),
        (on(0, &[0, 3]), Warn, "housekeeping"),
        (on(5, &[0, 1]), Fail, "`taskset -c 0,5 fixwire ...`"),
        (on(5, &[5, 0]), Ok, "core 5"),
        (on(9, &[0, 1]), Fail, "cpu9/online"),
        (
            Asked { core: None, allowed: vec![2], profile: profile(Core::Auto), ..asked() },
            Warn,
            "core 2 alone",
        ),
        (Asked { core: None, profile: profile(Core::Any), ..asked() }, Warn, "core = \"any\""),
    ] {
        assert_state(&polling_core(&online.host(), &of), state, says);
    }
    // An isolated core is asked for by whoever was kept to no others.
    let isolating = MadeHost::new()
        .file(&format!("{CPU}/online"), "0-3\n")
        .file(&format!("{CPU}/isolated"), "2-3\n");
    assert_state(&polling_core(&isolating.host(), &on(3, &[0, 1])), Ok, "core 3, isolated");
    assert_state(&polling_core(&isolating.host(), &on(2, &[0, 1])), Ok, "core 2, isolated");
    assert_state(&polling_core(&isolating.host(), &on(3, &[0])), Fail, "taskset -c 0,3");
    // Where the kernel does not say what is online, the process's own list counts.
    assert_state(&polling_core(&MadeHost::new().host(), &on(9, &[0])), Fail, "taskset -c 0,9");
}

#[test]
fn without_a_core_what_would_be_asked_of_it_is_unknown() {
    let nowhere = Asked { core: None, ..asked() };
    let checks = checks(&MadeHost::new().host(), &nowhere);
    let names =
        ["isolcpus", "nohz_full", "rcu_nocbs", "C-states", "frequency governor", "SMT siblings"];
    for name in names.into_iter().chain(["IRQ affinity"]) {
        assert_state(of(&checks, name), Unknown, "core = N");
    }
    assert_eq!(checks.len(), 10);
}

#[test]
fn a_core_that_is_not_isolated_is_warned_of_with_those_that_are() {
    for (list, state, says) in [
        ("2-3\n", Ok, "isolated: 2-3"),
        ("\n", Warn, "boot with isolcpus=managed_irq,domain,3 nohz_full=3 rcu_nocbs=3"),
        ("1-2\n", Warn, "`taskset -c 0,2 fixwire ...`, and core = 2"),
        ("three\n", Unknown, "no list"),
    ] {
        let made = MadeHost::new().file(&format!("{CPU}/isolated"), list);
        assert_state(&isolcpus(&made.host(), 3, &asked()), state, says);
    }
    assert_state(&isolcpus(&MadeHost::new().host(), 3, &asked()), Unknown, "cpu/isolated");
}

#[test]
fn a_ticking_core_is_warned_of_also_where_the_kernel_could_not_stop_it() {
    for (list, state, says) in [
        ("3\n", Ok, "tickless: 3"),
        ("1-2\n", Warn, "tickless: 1-2"),
        ("  (null)\n", Warn, "tickless: none"),
        ("?\n", Unknown, "no list"),
    ] {
        let made = MadeHost::new().file(&format!("{CPU}/nohz_full"), list);
        assert_state(&nohz_full(&made.host(), 3, &asked()), state, says);
    }
    assert_state(&nohz_full(&MadeHost::new().host(), 3, &asked()), Warn, "CONFIG_NO_HZ_FULL=y");
    let unreadable = MadeHost::new().folder(&format!("{CPU}/nohz_full"));
    assert_state(&nohz_full(&unreadable.host(), 3, &asked()), Unknown, "cannot be read");
}

#[test]
fn callbacks_are_off_a_core_by_either_parameter() {
    for (tickless, boot_line, state, says) in [
        ("3", "quiet", Ok, "by nohz_full"),
        ("", "quiet rcu_nocbs=0,3 x", Ok, "rcu_nocbs=0,3"),
        ("", "rcu_nocbs=all", Ok, "all"),
        ("2", "quiet", Warn, "RCU callbacks run on core 3"),
        ("", "rcu_nocbs=0-2", Warn, "rcu_nocbs=0-2"),
        ("", "rcu_nocbs=3 rcu_nocbs=2", Warn, "rcu_nocbs=2"),
        ("", "quiet -- rcu_nocbs=3", Warn, "boot with"),
        ("", "rcu_nocbs", Warn, "boot with"),
        ("", "xrcu_nocbs=3", Warn, "boot with"),
        ("", "rcu_nocbs=N", Unknown, "no list"),
    ] {
        let made = MadeHost::new()
            .file(&format!("{CPU}/nohz_full"), tickless)
            .file("proc/cmdline", &format!("{boot_line}\n"));
        assert_state(&rcu_nocbs(&made.host(), 3, &asked()), state, says);
    }
    assert_state(&rcu_nocbs(&MadeHost::new().host(), 3, &asked()), Unknown, "/proc/cmdline");
}

fn with_states(states: &[(&str, u64, u8)]) -> MadeHost {
    let folder = format!("{CPU}/cpu3/cpuidle");
    let made = MadeHost::new().folder(&folder);
    states.iter().enumerate().fold(made, |made, (number, (name, latency_us, disabled))| {
        let state = format!("{folder}/state{number}");
        made.file(&format!("{state}/name"), &format!("{name}\n"))
            .file(&format!("{state}/latency"), &format!("{latency_us}\n"))
            .file(&format!("{state}/disable"), &format!("{disabled}\n"))
    })
}

#[test]
fn a_deep_state_that_is_enabled_is_warned_of_with_its_latency() {
    for (states, state, says) in [
        (&[("POLL", 0, 0), ("C1", 2, 0)][..], Ok, "POLL 0 us, C1 2 us"),
        (&[("POLL", 0, 0), ("C1", 2, 0), ("C6", 133, 1)], Ok, "C1 2 us"),
        (&[("POLL", 0, 0), ("C1E", 10, 0), ("C6", 133, 0)], Warn, "C1E 10 us, C6 133 us"),
        (&[("POLL", 0, 0), ("C1", 3, 0)], Warn, "max_cstate=1"),
        (&[("C6", 133, 1)], Ok, "all are disabled"),
    ] {
        assert_state(&c_states(&with_states(states).host(), 3, &asked()), state, says);
    }
    assert_state(&c_states(&MadeHost::new().host(), 3, &asked()), Unknown, "hypervisor");
    let odd = with_states(&[("C1", 1, 0)]);
    let odd = odd.file(&format!("{CPU}/cpu3/cpuidle/state0/latency"), "soon");
    assert_state(&c_states(&odd.host(), 3, &asked()), Unknown, "not a number");
}

#[test]
fn a_governor_that_follows_load_is_warned_of() {
    for (name, state, says) in
        [("performance\n", Ok, "performance"), ("schedutil\n", Warn, "cpupower -c 3 frequency-set")]
    {
        let made = MadeHost::new().file(&format!("{CPU}/cpu3/cpufreq/scaling_governor"), name);
        assert_state(&governor(&made.host(), 3, &asked()), state, says);
    }
    assert_state(&governor(&MadeHost::new().host(), 3, &asked()), Unknown, "BIOS");
}

#[test]
fn a_sibling_is_named_with_the_way_to_take_it_away() {
    for (list, state, says) in [
        ("3\n", Ok, "with none"),
        ("3,67\n", Warn, "cpu67/online"),
        ("2-3\n", Warn, "cpu2/online"),
        ("x\n", Unknown, "no list"),
    ] {
        let made = MadeHost::new().file(&format!("{CPU}/cpu3/topology/thread_siblings_list"), list);
        assert_state(&smt(&made.host(), 3, &asked()), state, says);
    }
    assert_state(&smt(&MadeHost::new().host(), 3, &asked()), Unknown, "BIOS");
}

#[test]
fn throttling_is_told_in_its_own_units() {
    for (runtime, state, says) in [
        ("-1\n", Ok, "off"),
        ("950000\n", Warn, "950000 us of each 1000000 us"),
        ("1000000\n", Warn, "sched_rt_runtime_us=-1"),
        ("all\n", Unknown, "not a number"),
    ] {
        let made = MadeHost::new()
            .file("proc/sys/kernel/sched_rt_runtime_us", runtime)
            .file("proc/sys/kernel/sched_rt_period_us", "1000000\n");
        assert_state(&rt_throttling(&made.host()), state, says);
    }
}

#[test]
fn who_moves_interrupts_is_named() {
    let made =
        |name| MadeHost::new().file("proc/self/comm", "irqbalance\n").file("proc/412/comm", name);
    assert_state(&irqbalance(&made("irqbalance\n").host()), Warn, "process 412");
    assert_state(&irqbalance(&made("irqbalanced\n").host()), Ok, "does not run");
    assert_state(&irqbalance(&MadeHost::new().host()), Unknown, "disable --now irqbalance");
}
