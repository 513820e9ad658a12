//! Profiles and plans as a user meets them: `fixwire profiles`, `fixwire plan`.

use std::fs;
use std::process::{Command, Output};

use fixwire_hw::sim::models;
use serde_json::Value;

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");

fn fixwire(arguments: &[&str]) -> Output {
    Command::new(BIN).args(arguments).output().expect("fixwire runs")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", errors(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", errors(output)))
}

fn row<'a>(plan: &'a Value, capability: &str) -> &'a Value {
    let rows = plan["plan"].as_array().expect("rows");
    rows.iter().find(|row| row["capability"] == capability).expect("the capability's row")
}

/// A file of a user's own, and the folder that goes when it does.
fn file(content: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

const NEEDS_STAMPS: &str = "extends = \"connectx5\"\n[offloads]\nrx_timestamp = \"require\"\n";

#[test]
fn a_connectx5_is_planned_by_its_own_profile_with_outcome_provider_and_reason() {
    let plan =
        json(&fixwire(&["plan", "--nic", "sim:connectx5", "--profile", "connectx5", "--json"]));
    assert_eq!((&plan["nic"], &plan["profile"]), (&"sim:connectx5".into(), &"connectx5".into()));
    for (capability, outcome, by) in [
        ("rx_tcp_checksum", "device", "NIC model"),
        ("rx_timestamp", "device", "NIC model"),
        ("flow_isolation", "device", "NIC model"),
        ("cqe_compression", "off", "nobody"),
        ("rx_timestamp_real_time", "host", "fixwire"),
        ("tso", "off", "nobody"),
    ] {
        let row = row(&plan, capability);
        assert_eq!((&row["outcome"], &row["by"]), (&outcome.into(), &by.into()), "{row}");
        assert!(row["reason"].as_str().is_some_and(|reason| reason.len() > 10), "{row}");
    }
}

#[test]
fn a_nic_model_is_planned_by_the_profile_of_its_name_unless_told_otherwise() {
    let listed = text(&fixwire(&["profiles", "list"]));
    for name in models::names() {
        assert!(listed.contains(&format!("│ {name} ")), "{name}: {listed}");
        let output = fixwire(&["plan", "--nic", &format!("sim:{name}"), "--json"]);
        assert!(errors(&output).is_empty(), "{name}: {}", errors(&output));
        assert_eq!(json(&output)["profile"], name);
    }
}

#[test]
fn virtio_shows_what_the_host_does_in_its_stead() {
    let plan = json(&fixwire(&["plan", "--nic", "sim:virtio", "--json"]));
    for capability in ["rx_ipv4_checksum", "rx_timestamp", "flow_steering"] {
        let row = row(&plan, capability);
        assert_eq!((&row["outcome"], &row["by"]), (&"host".into(), &"fixwire".into()), "{row}");
        assert!(row["reason"].as_str().unwrap().starts_with("not advertised: "), "{row}");
    }
}

#[test]
fn a_required_stamp_ends_with_3_where_there_is_none() {
    let (_folder, path) = file(NEEDS_STAMPS);
    for (nic, code) in [("sim:connectx5", 0), ("sim:virtio", 3), ("sim:vmxnet3", 3)] {
        let output = fixwire(&["plan", "--nic", nic, "--profile", &path]);
        assert_eq!(output.status.code(), Some(code), "{nic}: {}", errors(&output));
        assert_eq!(code == 3, errors(&output).contains("requires rx_timestamp"), "{nic}");
    }
}

#[test]
fn each_requirement_that_is_not_met_is_named_with_a_reason_of_its_own() {
    let (_folder, path) = file(
        "extends = \"virtio\"\n[offloads]\nrx_timestamp = \"require\"\nflow_drop = \"require\"\n",
    );
    let output = fixwire(&["plan", "--nic", "sim:virtio", "--profile", &path]);
    assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
    assert!(
        errors(&output).contains(
            "the profile requires rx_timestamp (not advertised: host's clock, read after rx_burst) and flow_drop \
             (not advertised: the software classifier drops by rule), which sim:virtio does not do; write \
             \"prefer\" for them in the profile"
        ),
        "{}",
        errors(&output)
    );
}

#[test]
fn a_profile_for_another_driver_warns_and_in_strict_is_refused_whatever_the_command() {
    let on_e810 = |command: &str, path: &str| match command {
        "plan --diff" => fixwire(&["plan", "--nic", "sim:e810", "--diff", "e810", path]),
        _ => fixwire(&[command, "--nic", "sim:e810", "--profile", path]),
    };
    let (_folder, warned) = file("extends = \"connectx5\"\n");
    let (_folder, refused) = file("extends = \"connectx5\"\nstrict = true\n");
    for command in ["plan", "plan --diff", "run", "selftest", "conformance"] {
        let output = on_e810(command, &warned);
        assert_eq!(output.status.code(), Some(0), "{command}: {}", errors(&output));
        let warnings = errors(&output);
        assert!(
            warnings.contains("is for mlx5_pci") && warnings.contains("net_ice"),
            "{command}: {warnings}"
        );

        let output = on_e810(command, &refused);
        assert_eq!(output.status.code(), Some(2), "{command}: {}", errors(&output));
        assert!(errors(&output).contains("strict = false"), "{command}: {}", errors(&output));
    }
    let output = fixwire(&["plan", "--nic", "sim:connectx5", "--profile", &refused]);
    assert_eq!((output.status.code(), errors(&output)), (Some(0), String::new()));
}

#[test]
fn an_unknown_model_is_told_the_nearest() {
    let output = fixwire(&["plan", "--nic", "sim:conectx5"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("did you mean `connectx5`?"), "{}", errors(&output));
}

#[test]
fn a_shown_profile_says_where_each_value_comes_from_and_reads_back_the_same() {
    let (_folder, path) = file(NEEDS_STAMPS);
    let shown = text(&fixwire(&["profiles", "show", &path]));
    let line = shown.lines().find(|line| line.starts_with("rx_timestamp =")).expect("its line");
    assert!(line.contains("\"require\"") && line.ends_with("mine.toml:3"), "{line}");
    let line = shown.lines().find(|line| line.starts_with("devargs =")).expect("its line");
    assert!(line.contains("built-in profile connectx5:"), "{line}");

    let (_folder, again) = file(&shown);
    let values = |path: &str| -> Vec<(Value, Value)> {
        let shown = json(&fixwire(&["profiles", "show", path, "--json"]));
        let settings = shown["settings"].as_array().unwrap();
        settings.iter().map(|setting| (setting["key"].clone(), setting["value"].clone())).collect()
    };
    let (mut first, mut second) = (values(&path), values(&again));
    first.sort_by_key(|(key, _)| key.to_string());
    second.sort_by_key(|(key, _)| key.to_string());
    assert_eq!(first, second);
}

#[test]
fn what_a_profile_extends_is_looked_for_from_its_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mine = write("desks/mine.toml", "extends = \"../nics/ours.toml\"\n");
    write("nics/ours.toml", "extends = \"base.toml\"\n");
    write("nics/base.toml", "extends = \"sim\"\n[buffers]\nframes = 4096\n");
    let shown = text(&fixwire(&["profiles", "show", &mine]));
    let line = shown.lines().find(|line| line.starts_with("frames =")).expect("its line");
    assert!(line.contains("4096") && line.ends_with("nics/base.toml:3"), "{line}");

    // Round and round through two folders it is the same file by other paths.
    write("nics/base.toml", "\nextends = \"../desks/mine.toml\"\n");
    let output = fixwire(&["plan", "--nic", "sim", "--profile", &mine]);
    assert_eq!(output.status.code(), Some(2));
    let circle = "base.toml:2: `extends = \"../desks/mine.toml\"` closes a circle";
    assert!(errors(&output).contains(circle), "{}", errors(&output));
}

#[test]
fn a_file_that_has_no_end_is_not_read_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("long.toml");
    fs::write(&long, "# x".repeat(400_000)).unwrap();
    let long = long.to_str().unwrap();
    for endless in ["/dev/zero", long] {
        for command in [
            &["profiles", "show", endless][..],
            &["run", "--nic", "sim", "--session", endless],
            &["plan", "--nic", "sim", "--profile", endless],
        ] {
            let output = fixwire(command);
            assert_eq!(output.status.code(), Some(2), "{command:?}: {}", errors(&output));
            assert!(errors(&output).contains("it is longer than 1 MiB"), "{}", errors(&output));
        }
    }
    let just = folder.path().join("just.toml");
    let comment = "#".repeat(1024 * 1024 - 17);
    fs::write(&just, format!("{comment}\nextends = \"sim\"\n")).unwrap();
    let output = fixwire(&["plan", "--nic", "sim", "--profile", just.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
}

#[test]
fn two_profiles_are_compared_by_value_and_by_what_comes_of_them() {
    let (_folder, path) = file("extends = \"connectx5\"\n[offloads]\nrx_tcp_checksum = \"off\"\n");
    let arguments = ["plan", "--nic", "sim:connectx5", "--diff", "connectx5", &path];
    let shown = text(&fixwire(&arguments));
    assert!(shown.contains("offloads.rx_tcp_checksum") && shown.contains("mine.toml:3"), "{shown}");
    assert!(shown.contains("off in the profile"), "{shown}");
    assert!(!shown.contains("rx_ipv4_checksum"), "{shown}");

    let diff = json(&fixwire(&[&arguments[..], &["--json"]].concat()));
    let settings = diff["settings"].as_array().unwrap();
    assert_eq!(settings.len(), 1, "{diff}");
    assert_eq!(settings[0]["b"]["value"], "off");
    let row = row(&diff, "rx_tcp_checksum");
    assert_eq!((&row["a"]["outcome"], &row["b"]["outcome"]), (&"device".into(), &"host".into()));

    let same = text(&fixwire(&["plan", "--nic", "sim", "--diff", "connectx5", "connectx5"]));
    assert!(same.contains("say the same") && same.contains("the same comes of both"), "{same}");
}

#[test]
fn explained_a_plan_says_what_each_verdict_is_worth_and_which_bound_the_audit_gives() {
    for (audit, bound, worst) in [
        ("always", "no frame", 0.into()),
        ("1/10", "at most 18 wrong", 18.into()),
        ("off", "none", Value::Null),
    ] {
        let (_folder, path) =
            file(&format!("extends = \"sim\"\nrx_checksum_audit = \"{audit}\"\n"));
        let shown = text(&fixwire(&["plan", "--nic", "sim", "--profile", &path, "--explain"]));
        for verdict in ["unknown", "bad", "good", "none"] {
            assert!(shown.contains(&format!("│ {verdict}")), "{verdict}: {shown}");
        }
        let line = shown.lines().find(|line| line.contains("gives the bound")).expect("a bound");
        assert!(line.contains(bound), "{line}");
        assert!(
            shown.contains("fault model: errors, in what is received, that the TCP"),
            "{shown}"
        );
        let sending = "fault model of sending: none: what is sent is the peer's to judge";
        assert!(shown.contains(sending), "{shown}");

        let explained =
            json(&fixwire(&["plan", "--nic", "sim", "--profile", &path, "--explain", "--json"]));
        assert_eq!(explained["explain"]["wrong_frames_max"], worst);
        let sending = explained["explain"]["fault_model_of_sending"].as_str().unwrap();
        for part in ["passive", "`fixwire selftest` alone", "tcp_retransmission", "\"off\" for tx_"]
        {
            assert!(sending.contains(part), "{part}: {sending}");
        }
        let policy = explained["explain"]["policy"].as_array().unwrap();
        assert_eq!(policy.len(), 4);
        let of_none = policy.iter().find(|row| row["verdict"] == "none").unwrap();
        assert!(of_none["why"].as_str().unwrap().contains("never audited"), "{of_none}");
    }
}

#[test]
fn the_schema_is_printed_as_it_is_committed() {
    let printed: Value = serde_json::from_str(&text(&fixwire(&["profiles", "schema"]))).unwrap();
    let committed = include_str!("../../offload/profiles/profile.schema.json");
    assert_eq!(printed, serde_json::from_str::<Value>(committed).unwrap());
}
