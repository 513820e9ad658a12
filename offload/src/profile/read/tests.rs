//! What reads, what does not and how that is said; the default profile, the types and the schema agree.

use super::*;
use crate::capability::Capability;
use crate::profile::Setting;

fn source(name: &str, text: &str) -> TomlFile {
    TomlFile { name: name.into(), path: name.into(), text: text.into() }
}

fn read(text: &str) -> Result<Merged, TomlError> {
    Profile::read(&source("mine.toml", text), &mut |_, name| match name {
        "loop.toml" => Ok(source("loop.toml", "extends = \"mine.toml\"")),
        "mine.toml" => Ok(source("mine.toml", text)),
        "desk.toml" => {
            Ok(source("desk.toml", "extends = \"connectx5\"\n[buffers]\nframes = 4096\n"))
        }
        _ => Err("no such file".into()),
    })
}

fn built_in_merged(name: &str) -> Merged {
    Profile::read(&built_in(name).unwrap(), &mut |_, _| Err("none".into())).unwrap()
}

#[test]
fn every_built_in_profile_reads_and_says_what_it_is_for() {
    for (name, _) in BUILT_IN {
        let profile = built_in_merged(name).profile;
        assert_eq!(profile.name, *name);
        assert!(!profile.about.is_empty(), "{name}");
        let is_said = built_in(name).unwrap().text.contains("\nabout = ");
        assert!(is_said, "{name} says what it is for itself");
    }
}

#[test]
fn every_built_in_profile_names_drivers_that_are_known() {
    for (name, _) in BUILT_IN {
        for driver in built_in_merged(name).profile.drivers {
            assert_eq!(crate::driver::Driver::named(&driver).name, driver, "{name}");
        }
    }
}

#[test]
fn the_default_profile_is_what_a_profile_in_code_starts_from() {
    let default = built_in_merged("default").profile;
    let mut coded = Profile::all(Policy::Prefer);
    for capability in Capability::ALL {
        coded = coded.with(capability, default.policy(capability));
    }
    (coded.name, coded.about) = (default.name.clone(), default.about.clone());
    assert_eq!(coded, default);
}

#[test]
fn the_clock_settings_of_every_profile_are_ones_that_the_discipline_takes() {
    for (name, _) in BUILT_IN {
        assert_eq!(built_in_merged(name).profile.clock.config().check(), Ok(()), "{name}");
    }
    for extreme in [
        "drift_ppm_max = 10000\nwander_ppb_per_s_max = 10000\nslew_ppm_max = 10000\n\
         jump_ns_min = 1000000000\nstale_after_ms = 10000\nqueue_delay_us_max = 1000000\n",
        "refresh_ms = 1\ndrift_ppm_max = 1\nwander_ppb_per_s_max = 0\nslew_ppm_max = 1\n\
         jump_ns_min = 1\nstale_after_ms = 2\nqueue_delay_us_max = 1\n",
    ] {
        let profile = read(&format!("[clock]\n{extreme}")).unwrap().profile;
        assert_eq!(profile.clock.config().check(), Ok(()), "{extreme}");
    }
    let usual = built_in_merged("default").profile.clock.config();
    assert_eq!(usual, crate::clock::ClockConfig::default());
}

#[test]
fn pairs_that_come_as_often_as_the_settings_say_are_further_apart_than_a_line_s_lead() {
    for (refresh_ms, lead_ns) in [(1, 250_000), (3, 750_000), (4, 1_000_000), (5_000, 1_000_000)] {
        let settings =
            ClockSettings { refresh_ms, stale_after_ms: 10_000, ..ClockSettings::default() };
        assert_eq!(settings.config().device.lead_ns, lead_ns, "{refresh_ms} ms");
    }
}

#[test]
fn a_short_profile_changes_only_what_it_says() {
    let base = read("extends = \"tap\"").unwrap().profile;
    let mine = read("extends = \"tap\"\n[offloads]\nrx_timestamp = \"require\"\n").unwrap().profile;
    let timestamp = Capability::RxTimestamp;
    assert_eq!(mine.policy(timestamp), Policy::Require);
    assert_eq!(mine.with(timestamp, base.policy(timestamp)), base);
}

#[test]
fn each_value_says_which_profile_and_line_it_comes_from() {
    let merged =
        read("extends = \"desk.toml\"\n\n[offloads]\nrx_timestamp = \"require\"\n").unwrap();
    let of = |key: &str| -> Setting {
        merged.settings.iter().find(|setting| setting.key == key).unwrap().clone()
    };
    let line_in = |name: &str, key: &str| {
        let text = built_in(name).unwrap().text;
        text.lines().position(|line| line.starts_with(&format!("{key} = "))).unwrap() + 1
    };
    for (key, value, from, line) in [
        ("offloads.rx_timestamp", "\"require\"", "mine.toml", 4),
        ("buffers.frames", "4096", "desk.toml", 3),
        ("engine.idle", "\"spin\"", "built-in profile connectx5", line_in("connectx5", "idle")),
        ("clock.readings", "8", "built-in profile default", line_in("default", "readings")),
    ] {
        let setting = of(key);
        let found = (setting.value.to_string(), setting.from.as_str(), setting.line);
        assert_eq!((found.0.as_str(), found.1, found.2), (value, from, line), "{key}");
    }
}

#[test]
fn each_mistake_is_a_sentence_with_file_line_and_remedy() {
    let cases = [
        ("colour = 1\n", 1, "unknown key `colour`", "known here: extends"),
        (
            "\n[offloads]\nrx_tcp_cheksum = \"off\"\n",
            3,
            "`rx_tcp_cheksum` is no capability",
            "`rx_tcp_checksum`?",
        ),
        (
            "[offloads]\nrx_tcp_checksum = \"yes\"\n",
            2,
            "`rx_tcp_checksum` is \"yes\"",
            "\"prefer\"",
        ),
        ("[offloads]\n\ntso = \"require\"\n", 3, "cannot be required", "\"off\""),
        ("rx_checksum_audit = \"1/0\"\n", 1, "`rx_checksum_audit` is \"1/0\"", "1/N"),
        ("[buffers]\nframes = 7\n", 2, "`frames` is 7", "128"),
        ("[queues]\nrx_descriptors = 40000\n", 2, "`rx_descriptors` is 40000", "32768"),
        ("[queues]\nrx = \"two\"\n", 2, "`rx` is \"two\"", "from 1 to 64"),
        ("[engine]\ncore = \"fast\"\n", 2, "`core` is \"fast\"", "auto"),
        ("[engine]\ncore = 70000\n", 2, "`core` is 70000", "a core's number"),
        ("[engine]\nnuma_node = -1\n", 2, "`numa_node` is -1", "memory node"),
        ("[network]\nneighbors = \"arp\"\n", 2, "`neighbors` is \"arp\"", "\"own\" or \"kernel\""),
        ("[engine]\nidle = \"sleep\"\n", 2, "`idle` is \"sleep\"", "yield"),
        ("[clock]\nslew = 3\n", 2, "unknown key `slew`", "slew_ppm_max"),
        ("[clock]\nstale_after_ms = 50\n", 2, "every 100 ms", "refresh_ms"),
        ("[device]\ndevargs = \"a=1,,b\"\n", 2, "`devargs` is \"a=1,,b\"", "key=value"),
        (
            "[device]\neal = [\n\"--no-hpet\",\n\"--vdev=net_tap0\"]\n",
            2,
            "`eal` has `--vdev`",
            "--nic names",
        ),
        ("[device]\neal = \"--no-hpet\"\n", 2, "`eal`", "correct the line"),
        (
            "[device]\ndevargs = \"mprq_en=1\"\n",
            2,
            "`mprq = \"off\"` contradicts `mprq_en=1` in `devargs`, which switches it on",
            "write `mprq = \"prefer\"`, or take `mprq_en=1` out",
        ),
        ("extends = \"nosuch\"\n", 1, "\"nosuch\" cannot be read", "built-in"),
        ("extends = \"conectx5\"\n", 1, "\"conectx5\" cannot be read", "`connectx5`?"),
        ("strict = \"yes\"\n", 1, "`strict`", "correct the line"),
        ("x = [\n", 1, "", "correct the line"),
        ("[[steering]]\naction = \"keep\"\n", 2, "\"keep\"", "write \"drop\""),
        ("[[steering]]\nsrc = \"10.0.0\"\naction = \"drop\"\n", 2, "`src`", "10."),
        (
            "[[steering]]\naction = \"drop\"\n[[steering]]\nmark = 7\naction = \"queue 0\"\n",
            5,
            "steering rules #0",
            "priorit",
        ),
        (
            "[offloads]\nflow_steering = \"off\"\nflow_drop = \"require\"\n",
            3,
            "`flow_drop = \"require\"` contradicts `flow_steering = \"off\"`",
            "for the one that may yield",
        ),
        (
            "[offloads]\nrx_timestamp = \"require\"\ncqe_compression = \"require\"\n",
            3,
            "`cqe_compression = \"require\"` contradicts `rx_timestamp = \"require\"`",
            "\"prefer\"",
        ),
        (
            "[offloads]\nrss = \"require\"\nflow_isolation = \"require\"\n",
            2,
            "contradicts `flow_isolation = \"require\"`",
            "\"prefer\"",
        ),
    ];
    for (text, line, what, remedy) in cases {
        let error = read(text).unwrap_err();
        let sentence = error.to_string();
        let place = format!("mine.toml:{line}: ");
        assert!(sentence.starts_with(&place) || what.is_empty(), "{sentence}");
        assert!(sentence.contains(what) && sentence.contains(remedy), "{sentence}");
        assert!(!sentence.contains('\n'), "{sentence}");
    }
}

#[test]
fn rules_are_read_and_those_of_an_extending_profile_stand_alone() {
    let text = "extends = \"desk.toml\"\n[[steering]]\nsrc = \"10.66.0.0/16\"\naction = \"drop\"\n\
                count = true\n";
    let merged = read(text).unwrap();
    let [rule] = &merged.profile.steering[..] else { panic!("{:?}", merged.profile.steering) };
    assert_eq!(
        rule.to_string(),
        "flow create 0 ingress priority 0 pattern eth / ipv4 src spec 10.66.0.0 src prefix 16 / tcp / end \
         actions count / drop / end"
    );
    let setting = merged.settings.iter().find(|setting| setting.key == "steering").unwrap();
    assert_eq!((setting.from.as_str(), setting.line), ("mine.toml", 2));
    assert!(read("extends = \"tap\"\n").unwrap().profile.steering.is_empty());
}

#[test]
fn a_contradiction_is_named_where_the_last_of_the_two_was_written() {
    let text = "extends = \"x710\"\n[offloads]\nrx_timestamp_real_time = \"require\"\n";
    let error = read(text).unwrap_err();
    assert_eq!((error.path.as_str(), error.line), ("mine.toml", 3), "{error}");
    assert!(error.what.contains("contradicts `rx_timestamp = \"off\"`"), "{error}");
}

#[test]
fn what_does_not_go_together_is_named_where_the_most_derived_profile_wrote_it() {
    for (text, line, what) in [
        ("extends = \"connectx5\"\n[clock]\nrefresh_ms = 5000\n", 3, "`stale_after_ms` is 1000"),
        ("extends = \"connectx5\"\n[clock]\nstale_after_ms = 100\n", 3, "every 100 ms"),
        (
            "extends = \"connectx5\"\n\n[offloads]\nmprq = \"require\"\n",
            4,
            "`mprq = \"require\"` contradicts `mprq_en=0` in `devargs`, which switches it off",
        ),
        (
            "extends = \"default\"\n[offloads]\n\nflow_steering = \"off\"\nflow_drop = \"require\"\n",
            5,
            "contradicts",
        ),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!((error.path.as_str(), error.line), ("mine.toml", line), "{error}");
        assert!(error.what.contains(what), "{error}");
    }
}

#[test]
fn a_circle_of_extends_is_refused() {
    for text in ["extends = \"loop.toml\"", "extends = \"mine.toml\""] {
        let error = read(text).unwrap_err();
        assert!(error.what.contains("circle"), "{error}");
    }
}

#[test]
fn profiles_in_a_row_are_so_many_and_no_circle() {
    // Each of them extends the one with the next number, the last of them a built-in one.
    let chain = |files: usize| {
        let text = |number: usize| match number {
            last if last == files => "extends = \"tap\"".to_owned(),
            number => format!("\nextends = \"{}.toml\"", number + 1),
        };
        let mut find = |from: &TomlFile, name: &str| {
            let number: usize = name.trim_end_matches(".toml").parse().unwrap();
            assert_eq!(from.path, format!("{}.toml", number - 1), "who extends it");
            Ok(source(name, &text(number)))
        };
        Profile::read(&source("1.toml", &text(1)), &mut find)
    };
    assert!(chain(EXTENDS_DEPTH_MAX).is_ok());
    for files in [EXTENDS_DEPTH_MAX + 1, EXTENDS_DEPTH_MAX + 9] {
        let error = chain(files).unwrap_err();
        let sentence = error.to_string();
        assert!(
            sentence.starts_with(
                "16.toml:2: `extends = \"17.toml\"` is one too many: 16 files stand in a row already; put"
            ),
            "{sentence}"
        );
    }
}

#[cfg(feature = "schema")]
mod against_the_schema {
    use std::collections::BTreeMap;

    use serde_json::Value as Json;

    use super::*;
    use crate::profile::schema::schema;

    /// The description of every key, as the schema has it.
    fn descriptions() -> BTreeMap<String, String> {
        fn note(prefix: &str, of: &Json, root: &Json, into: &mut BTreeMap<String, String>) {
            for (name, property) in of["properties"].as_object().into_iter().flatten() {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                let target = property["$ref"].as_str().and_then(|path| root.pointer(&path[1..]));
                let inner = target.unwrap_or(property);
                if inner["properties"].is_object() {
                    note(&key, inner, root, into);
                } else {
                    let text = property["description"].as_str().unwrap_or_default();
                    into.insert(key, text.replace('\n', " "));
                }
            }
        }
        let (root, mut found) = (schema(), BTreeMap::new());
        note("", &root, &root, &mut found);
        found
    }

    #[test]
    fn the_default_profile_carries_every_key_with_the_meaning_that_the_schema_gives() {
        let mut descriptions = descriptions();
        descriptions.remove("extends").expect("a profile extends another");
        let default = built_in("default").unwrap();
        let lines: Vec<&str> = default.text.lines().collect();
        let merged = built_in_merged("default");
        for setting in &merged.settings {
            let comment = lines[setting.line - 1].rsplit_once(" # ").map(|(_, comment)| comment);
            assert_eq!(descriptions.remove(&setting.key).as_deref(), comment, "{}", setting.key);
        }
        assert!(descriptions.is_empty(), "not in default.toml: {descriptions:?}");
    }

    #[test]
    fn the_committed_schema_is_the_one_that_the_types_give() {
        let committed: Json =
            serde_json::from_str(include_str!("../../../profiles/profile.schema.json")).unwrap();
        let now = schema();
        assert!(
            committed == now,
            "write offload/profiles/profile.schema.json anew: `fixwire profiles schema`\n{now:#}"
        );
    }

    #[test]
    fn every_built_in_profile_is_valid_by_the_schema_and_each_mistake_is_not() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let json = |text: &str| -> Json {
            let table: toml::Table = toml::from_str(text).unwrap();
            serde_json::to_value(table).unwrap()
        };
        for (name, text) in BUILT_IN {
            let found = validator.validate(&json(text)).map_err(|error| error.to_string());
            assert_eq!(found, Ok(()), "{name}");
        }
        let rules = "[[steering]]\nvlan = 42\nsrc = \"10.0.0.0/8\"\ndst = \"10.0.0.5/255.0.0.255\"\n\
                     src_port = 9878\ndst_port = \"0x2600/0xff00\"\nprotocol = \"tcp\"\n\
                     action = \"queue 3\"\npriority = 2\nmark = 7\ncount = true";
        assert!(validator.is_valid(&json(rules)) && read(rules).is_ok());
        for mistake in [
            "colour = 1",
            "strict = \"yes\"",
            "drivers = \"mlx5_pci\"",
            "rx_checksum_audit = \"1/0\"",
            "rx_checksum_audit = \"sometimes\"",
            "[offloads]\nrx_magic = \"off\"",
            "[offloads]\nrss = \"yes\"",
            "[offloads]\ntso = \"require\"",
            "[buffers]\nframes = 7",
            "[queues]\nrx_descriptors = 40000",
            "[engine]\ncore = \"fast\"",
            "[engine]\nidle = \"sleep\"",
            "[clock]\nreadings = 0",
            "[[steering]]\nsrc = \"10.0.0.1\"",
            "[[steering]]\naction = \"keep\"",
            "[[steering]]\naction = \"drop\"\nport = 1",
            "[[steering]]\naction = \"drop\"\nvlan = 4095",
            "[[steering]]\naction = \"drop\"\nsrc_port = 0",
            "[[steering]]\naction = \"drop\"\nprotocol = \"udp\"",
            "[[steering]]\naction = \"drop\"\nsrc = \"here\"",
        ] {
            assert!(!validator.is_valid(&json(mistake)), "{mistake}");
            assert!(read(mistake).is_err(), "{mistake}");
        }
    }
}
