use super::*;

const KERNEL: KernelTime = KernelTime {
    is_synchronised: true,
    error_max_us: 500,
    error_estimated_us: 10,
    tai_ahead_s: Some(37),
};

fn told(by_ns: i128, kernel: Option<&KernelTime>) -> PhcTime {
    PhcTime::of(Ahead { by_ns, within_ns: 400 }, kernel)
}

#[test]
fn the_narrowest_bracket_says_how_far_ahead_and_within_what() {
    let brackets = [[0, 1_050, 300], [1_000, 2_060, 1_100], [2_000, 3_101, 2_201]];
    assert_eq!(Ahead::narrowest(&brackets), Some(Ahead { by_ns: 1_010, within_ns: 50 }));
    // An odd width is rounded away from what is claimed.
    assert_eq!(Ahead::narrowest(&brackets[2..]), Some(Ahead { by_ns: 1_000, within_ns: 101 }));
    // The system's time was set back: narrower than any, and nothing.
    let back = [[5_000, 9_000, 4_000], [0, 100, 40]];
    assert_eq!(Ahead::narrowest(&back), Some(Ahead { by_ns: 80, within_ns: 20 }));
    assert_eq!(Ahead::narrowest(&back[..1]), None);
    assert_eq!(Ahead::narrowest(&[]), None);
}

#[test]
fn utc_tai_and_neither_are_told_apart() {
    let unknown = KernelTime { tai_ahead_s: None, ..KERNEL };
    let (tai, by_kernel) = (|by_kernel| Keeps::Tai { ahead_s: 37, by_kernel }, 37_000_000_120);
    for (by_ns, kernel, keeps, off_ns) in [
        (-120, Some(&KERNEL), Keeps::Utc, -120),
        (120, None, Keeps::Utc, 120),
        (by_kernel, Some(&KERNEL), tai(true), 120),
        (by_kernel, Some(&unknown), tai(false), 120),
        (by_kernel, None, tai(false), 120),
        // GPS's time, and that of a clock that began to count when the driver did.
        (18_000_000_000, Some(&KERNEL), Keeps::Own, 18_000_000_000),
        (-1_790_000_000_000_000_000, None, Keeps::Own, -1_790_000_000_000_000_000),
        (-37_000_000_000, Some(&KERNEL), Keeps::Own, -37_000_000_000),
    ] {
        let told = told(by_ns, kernel);
        assert_eq!((told.keeps, told.off_ns()), (keeps, off_ns), "{by_ns} {kernel:?}");
    }
    // The kernel's word goes before what holds since 2017.
    let later = KernelTime { tai_ahead_s: Some(38), ..KERNEL };
    assert_eq!(told(37_000_000_000, Some(&later)).keeps, Keeps::Own);
    assert_eq!(
        told(38_000_000_000, Some(&later)).keeps,
        Keeps::Tai { ahead_s: 38, by_kernel: true }
    );
}

#[test]
fn near_is_a_millisecond_the_bound_and_what_the_kernel_may_be_wrong_by() {
    assert_eq!(told(1_000_400, None).keeps, Keeps::Utc);
    assert_eq!(told(1_000_401, None).keeps, Keeps::Own);
    assert_eq!(told(-1_500_400, Some(&KERNEL)).keeps, Keeps::Utc);
    assert_eq!(told(-1_500_401, Some(&KERNEL)).keeps, Keeps::Own);
    // A kernel that nobody steers says 16 s, with which everything would be near.
    let lost = KernelTime { is_synchronised: false, error_max_us: 16_000_000, ..KERNEL };
    assert_eq!(told(101_000_400, Some(&lost)).keeps, Keeps::Utc);
    assert_eq!(told(101_000_401, Some(&lost)).keeps, Keeps::Own);
}

#[test]
fn each_is_told_in_words_with_its_bound() {
    let words = |by_ns, kernel| told(by_ns, kernel).to_string();
    assert_eq!(words(120, Some(&KERNEL)), "keeps UTC, +120 ns ± 400 ns from the system's time");
    assert_eq!(
        words(-120, None),
        "keeps UTC, -120 ns ± 400 ns from the system's time, which nobody is known to steer"
    );
    assert!(
        words(37_000_000_005, Some(&KERNEL))
            .starts_with("keeps TAI, 37 s ahead as the kernel says, but for +5 ns ± 400 ns ")
    );
    assert!(words(37_000_000_005, None).contains("though the kernel was not told"));
    assert!(
        words(5_000_000_000, None).starts_with("keeps a time of its own, +5000000000 ns ± 400 ns ")
    );
}

#[test]
fn a_step_is_told_from_slewing_and_from_what_readings_are_wrong_by() {
    let at = |ms: i128, by_ns, within_ns| Beside {
        host_ns: ms * 1_000_000,
        ahead: Ahead { by_ns, within_ns },
    };
    let mut steps = Steps::default();
    assert_eq!(steps.stepped(at(0, 5_000_000_000, 200)), None);
    // A thousandth of 100 ms, and both bounds.
    assert_eq!(steps.stepped(at(100, 5_000_100_500, 300)), None);
    assert_eq!(steps.stepped(at(200, 5_000_201_101, 300)), Some(100_601));
    // From where it stands now on.
    assert_eq!(steps.stepped(at(300, 5_000_201_101, 300)), None);
    assert_eq!(steps.stepped(at(400, -32_000_000_000, 300)), Some(-37_000_201_101));
    steps.forget();
    assert_eq!(steps.stepped(at(500, 9_000_000_000, 300)), None);
}

#[test]
fn the_kernel_tells_of_its_own_time() {
    let time = KernelTime::read().unwrap();
    // It calls itself wrong by 16 s at the most, and then nobody steers it (NTP_PHASE_LIMIT of linux/timex.h).
    assert!(time.error_max_us <= 16_000_000, "{time:?}");
    assert!(time.is_synchronised || time.error_max_us > 0, "{time:?}");
}

#[test]
fn an_interface_without_a_clock_is_told_of() {
    let error = PtpClock::of_interface("lo").unwrap_err();
    assert!(error.to_string().starts_with("lo "), "{error}");
    let error = PtpClock::of_interface("fixwire-none").unwrap_err();
    assert!(matches!(error, PtpError::Untold { .. }), "{error}");
    let source = PtpClock::open(Path::new("/dev/ptp-none")).unwrap_err();
    let error = PtpError::NotOpened { path: "/dev/ptp-none".into(), source };
    assert!(error.to_string().contains("give the container the device"), "{error}");
}

/// What is no such clock refuses both ways of asking, and is no endless loop.
#[test]
fn a_file_that_is_no_clock_is_not_read() {
    let clock = PtpClock::open(Path::new("/dev/null")).unwrap();
    assert!(clock.ahead().is_err());
    assert!(clock.beside().is_err());
}

/// Whichever clocks this machine has.
#[test]
fn a_real_clock_is_read_both_ways_and_they_agree() {
    let names = std::fs::read_dir("/sys/class/ptp").into_iter().flatten().filter_map(Result::ok);
    let names: Vec<_> = names.map(|entry| entry.file_name().into_string().unwrap()).collect();
    let skip =
        |why: &str| eprintln!("SKIPPED ptp::a_real_clock_is_read_both_ways_and_they_agree: {why}");
    if names.is_empty() {
        return skip("this machine has no PTP clock");
    }
    for name in names {
        let clock = match PtpClock::open(&Path::new("/dev").join(&name)) {
            Ok(clock) => clock,
            Err(error) => {
                skip(&format!("/dev/{name}: {error}"));
                continue;
            }
        };
        // By one way, the other, and the first again: however fast it drifts, the second lies between.
        let of_calls = || Ahead::narrowest(&ptp::brackets_of_calls(clock.file.as_fd()).unwrap());
        let (before, between, after) =
            (clock.ahead().unwrap(), of_calls().unwrap(), clock.ahead().unwrap());
        let (least, most) = (before.by_ns.min(after.by_ns), before.by_ns.max(after.by_ns));
        let all = [before, between, after];
        let bound_ns: i128 = all.iter().map(|of| i128::from(of.within_ns)).sum();
        let allowed = least - bound_ns..=most + bound_ns;
        assert!(allowed.contains(&between.by_ns), "{name}: {all:?}");
        let (first, second) = (clock.beside().unwrap(), clock.beside().unwrap());
        assert!(second.host_ns > first.host_ns, "{name}: {first:?} and {second:?}");
    }
}
