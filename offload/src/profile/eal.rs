//! Arguments to DPDK itself, as its command line has them, and which of them are not a profile's to give.
//!
//! DPDK takes any beginning of an option's name that is no other's, so that what is refused has to be known by what is
//! taken: the names below, in full (DPDK's "EAL parameters", 22.11 and later).

use crate::toml_file::nearest;

/// How many a profile may have.
pub(super) const ARGS_MAX: usize = 32;
/// The longest, in bytes.
pub(super) const ARG_LEN_MAX: usize = 256;

/// What a profile may say, each with its value behind `=`, or alone where it has none.
const TAKEN: &[(&str, Value)] = &[
    ("--base-virtaddr", Value::Needed),
    ("--create-uio-dev", Value::None),
    ("--force-max-simd-bitwidth", Value::Needed),
    ("--huge-dir", Value::Needed),
    ("--iova-mode", Value::Needed),
    ("--legacy-mem", Value::None),
    ("--log-level", Value::Needed),
    ("--match-allocations", Value::None),
    ("--mbuf-pool-ops-name", Value::Needed),
    ("--no-hpet", Value::None),
    ("--single-file-segments", Value::None),
    ("--socket-limit", Value::Needed),
    ("--socket-mem", Value::Needed),
    ("--vfio-intr", Value::Needed),
    ("--vfio-vf-token", Value::Needed),
];

/// What is fixwire's own to say, or said elsewhere: which, and where.
const OURS: &[(&str, &str)] = &[
    ("-l", CORES),
    ("-c", CORES),
    ("--lcores", CORES),
    ("--main-lcore", CORES),
    ("-s", CORES),
    ("-S", CORES),
    ("-a", DEVICES),
    ("--allow", DEVICES),
    ("-b", DEVICES),
    ("--block", DEVICES),
    ("--vdev", DEVICES),
    ("--no-pci", DEVICES),
    ("-m", MEMORY),
    ("--no-huge", MEMORY),
    ("--in-memory", MEMORY),
    ("--huge-unlink", MEMORY),
    ("--file-prefix", MEMORY),
    ("--no-shconf", MEMORY),
    ("--proc-type", ALONE),
    ("--telemetry", ALONE),
    ("--no-telemetry", ALONE),
    ("-h", ENDS),
    ("--help", ENDS),
    ("-v", ENDS),
    ("--", ENDS),
];

/// DPDK prints the levels that there are and ends the program, as a success.
const LISTS_LEVELS: &str = "--log-level=help";

const CORES: &str = "which core polls is said by `core` under [engine]";
const DEVICES: &str =
    "the device is the one that --nic names, and its driver's arguments are `devargs`";
const MEMORY: &str = "frames lie in huge pages where enough are free, and in ordinary ones otherwise, of one process alone";
const ALONE: &str = "one process has the device, and shares nothing with another";
const ENDS: &str = "it does nothing but end DPDK's reading or the program";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Needed,
    None,
}

/// Whether a profile may have these.
///
/// # Errors
/// What is wrong with the first that it may not, and what to do.
pub(super) fn check(args: &[String]) -> Result<(), String> {
    if args.len() > ARGS_MAX {
        return Err(format!("has {} arguments; write {ARGS_MAX} or fewer", args.len()));
    }
    args.iter().try_for_each(|arg| check_one(arg))
}

fn check_one(arg: &str) -> Result<(), String> {
    if arg.len() > ARG_LEN_MAX || !arg.bytes().all(|sign| sign.is_ascii_graphic()) {
        return Err(format!(
            "has {arg:?}; write one argument of up to {ARG_LEN_MAX} signs without blanks, its value behind `=`"
        ));
    }
    let (name, value) =
        arg.split_once('=').map_or((arg, None), |(name, value)| (name, Some(value)));
    // A short option has its value right behind it.
    let is_short = name.len() > 2 && name.starts_with('-') && !name.starts_with("--");
    let ours = OURS.iter().find(|(known, _)| {
        *known == name || is_short && known.len() == 2 && name.starts_with(known)
    });
    if let Some((known, why)) = ours {
        return Err(format!("has `{known}`, and {why}; delete it"));
    }
    let Some((_, takes)) = TAKEN.iter().find(|(known, _)| *known == name) else {
        let known = TAKEN.iter().map(|(known, _)| *known);
        return Err(format!("has `{name}`, which no profile can say; {}", nearest(name, known)));
    };
    match (takes, value) {
        (Value::Needed, None | Some("")) => {
            Err(format!("has `{name}` without a value; write `{name}=VALUE`"))
        }
        (Value::Needed, Some(_)) if arg == LISTS_LEVELS => {
            Err(format!("has `{arg}`, and {ENDS}; delete it"))
        }
        (Value::None, Some(_)) => Err(format!("has `{arg}`, which takes no value; write `{name}`")),
        _ => Ok(()),
    }
}

/// What is taken, as one pattern, for editors.
#[cfg(feature = "schema")]
pub(super) fn pattern() -> String {
    let of = |(name, value): &(&str, Value)| match value {
        Value::Needed => format!("{name}=[!-~]+"),
        Value::None => (*name).to_owned(),
    };
    format!("^(?!{LISTS_LEVELS}$)({})$", TAKEN.iter().map(of).collect::<Vec<_>>().join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(args: &[&str]) -> Option<String> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        check(&args).err()
    }

    #[test]
    fn what_dpdk_may_be_told_besides_is_taken() {
        assert_eq!(refused(&[]), None);
        let taken = [
            "--iova-mode=va",
            "--socket-mem=512,0",
            "--log-level=pmd.net.mlx5:debug",
            "--log-level=helper:debug",
            "--legacy-mem",
        ];
        assert_eq!(refused(&taken), None);
    }

    #[test]
    fn what_contradicts_us_is_refused_and_says_where_it_is_said() {
        for (arg, words) in [
            ("-l", "`-l`, and which core polls is said by `core` under [engine]; delete it"),
            ("-l3", "`-l`, and which core"),
            ("--lcores=0-3", "`core` under [engine]"),
            ("--vdev=net_tap0", "`--vdev`, and the device is the one that --nic names"),
            ("-a0000:3b:00.0", "--nic"),
            ("--no-huge", "huge pages where enough are free"),
            ("-m512", "huge pages where enough are free"),
            ("--proc-type=secondary", "one process"),
            ("--", "end DPDK's reading"),
            ("--log-level=help", "`--log-level=help`, and it does nothing but end"),
            // DPDK would read it as --no-huge.
            ("--no-hug", "`--no-hug`, which no profile can say"),
            ("--iova-mod=va", "did you mean `--iova-mode`?"),
            ("--iova-mode", "`--iova-mode=VALUE`"),
            ("--iova-mode=", "`--iova-mode=VALUE`"),
            ("--legacy-mem=1", "takes no value"),
            ("iova-mode=va", "no profile can say"),
            ("--socket-mem 512", "without blanks"),
            ("", "no profile can say"),
        ] {
            let said = refused(&["--no-hpet", arg]).unwrap_or_else(|| panic!("{arg} is taken"));
            assert!(said.contains(words), "{arg}: {said}");
        }
        let many: Vec<&str> = [ARG; ARGS_MAX + 1].to_vec();
        assert!(refused(&many).unwrap().contains("32 or fewer"));
        assert_eq!(refused(&many[1..]), None);
        assert!(refused(&[&format!("--log-level={}", "x".repeat(ARG_LEN_MAX))]).is_some());
    }

    const ARG: &str = "--no-hpet";
}
