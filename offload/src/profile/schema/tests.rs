//! The schema and the types that read a profile take the same texts.

use jsonschema::Validator;

use super::*;
use crate::flow::{AddrMatch, Fate, FieldError, PortMatch};
use crate::profile::devargs::pairs;
use crate::profile::eal;
use crate::verdict::Audit;

/// Every text of up to `len` of these signs.
fn texts(signs: &str, len: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut longest = all.clone();
    for _ in 0..len {
        longest = longest
            .iter()
            .flat_map(|text| signs.chars().map(move |sign| format!("{text}{sign}")))
            .collect();
        all.extend_from_slice(&longest);
    }
    all
}

fn rule_is_valid(validator: &Validator, key: &str, text: &str) -> bool {
    let mut rule = json!({ "action": "drop" });
    rule[key] = text.into();
    validator.is_valid(&json!({ "steering": [rule] }))
}

/// Whether a text is a field, but for what no pattern can say.
fn is_field<T>(read: Result<T, FieldError>) -> bool {
    match read {
        Ok(_) => true,
        Err(error) => error.what.contains("outside its mask") || error.what.contains("port 0"),
    }
}

#[test]
fn a_port_is_one_by_the_schema_if_it_is_read_as_one() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let mut ports = texts("016xf/+", 5);
    let edges = "any any/1 9878 09878 10000 59999 60000 64999 65000 65499 65500 65529 65530 65535 65536 65540 65600 \
                 66000 70000 99999 100000 0xffff 0x10000 0x00026 0X26 0x26g 0x2600/0xff00 0x2600/65280 65535/65535 1/65536 \
                 1/4294967296";
    ports.extend(edges.split(' ').map(str::to_owned));
    ports.extend(["٣".to_owned(), "1 ".to_owned(), "1\n".to_owned()]);
    for port in &ports {
        let by_schema = rule_is_valid(&validator, "src_port", port);
        let read = port.parse::<PortMatch>();
        // Zero in decimal digits and without a mask, a pattern can leave out.
        assert_eq!(by_schema, is_field(read) && port != "0", "{port:?}");
    }
}

#[test]
fn an_address_is_one_by_the_schema_if_it_is_read_as_one() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let octets = "0 1 00 01 9 10 99 100 199 200 249 250 255 256 260 299 300 1000 +1 -1 x";
    let octets: Vec<&str> = octets.split(' ').chain([""]).collect();
    let first = octets.iter().map(|octet| format!("{octet}.0.0.0"));
    let last = octets.iter().map(|octet| format!("10.0.0.{octet}"));
    let masks = "32 33 8 08 19 20 31 255.0.0.255 255.0.0.256 255.0.0 255.0 8/8";
    let masks = masks.split(' ').chain(octets.iter().copied());
    let masked = masks.map(|mask| format!("0.0.0.0/{mask}"));
    let others = ["any", "any/8", "10", "10.0.0", "10.0.0.0.0", "::1", " 10.0.0.1", "10.0.0.1\n"];
    for addr in first.chain(last).chain(masked).chain(others.map(str::to_owned)) {
        let by_schema = rule_is_valid(&validator, "dst", &addr);
        assert_eq!(by_schema, is_field(addr.parse::<AddrMatch>()), "{addr:?}");
    }
}

#[test]
fn an_action_is_one_by_the_schema_if_it_is_read_as_one() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let numbers = "0 1 00 03 3 10 65535 65536 99999 -1 +1 0x1 one";
    let queues = numbers.split(' ').map(|number| format!("queue {number}"));
    let others = ["drop", "Drop", "drop ", "", "queue", "queue ", "queue  3", "queue 3 ", "queue3"];
    for action in queues.chain(others.map(str::to_owned)) {
        let by_schema = rule_is_valid(&validator, "action", &action);
        assert_eq!(by_schema, action.parse::<Fate>().is_ok(), "{action:?}");
    }
}

#[test]
fn an_audit_is_one_by_the_schema_if_it_is_read_as_one() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let mut audits = texts("0129/+", 5);
    let edges = "always off Always 1/64 1/999999999 1/1000000000 1/4294967295 1/4294967296 1/0x8";
    audits.extend(edges.split(' ').map(str::to_owned));
    for audit in &audits {
        let by_schema = validator.is_valid(&json!({ "rx_checksum_audit": audit }));
        assert_eq!(by_schema, Audit::parse(audit).is_some(), "{audit:?}");
    }
}

#[test]
fn arguments_to_a_driver_are_some_by_the_schema_if_they_are_read_as_some() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let mut arguments = texts("a=,[]", 6);
    arguments.extend(
        ["mprq_en=1", "a=1,,b", "a=1, b=2", "a=\u{e9}", "a=\\^~", "a=b\n"].map(str::to_owned),
    );
    for devargs in &arguments {
        let by_schema = validator.is_valid(&json!({ "device": { "devargs": devargs } }));
        assert_eq!(by_schema, pairs(devargs).is_some(), "{devargs:?}");
    }
}

#[test]
fn arguments_to_dpdk_are_some_by_the_schema_if_they_are_read_as_some() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let long = format!("--log-level={}", "x".repeat(eal::ARG_LEN_MAX));
    let mut lists: Vec<Vec<&str>> = [
        "--iova-mode=va",
        "--iova-mode=",
        "--iova-mode",
        "--iova-mod=va",
        "--legacy-mem",
        "--legacy-mem=1",
        "-l",
        "-l0",
        "--vdev=net_tap0",
        "--no-huge",
        "--log-level=a b",
        "--log-level=help",
        "--log-level=help:debug",
        "--log-level=\u{e9}",
        "--log-level=x\n",
        "",
        &long,
        &long[1..],
    ]
    .into_iter()
    .map(|arg| vec![arg])
    .collect();
    lists.extend([vec![], vec!["--no-hpet"; eal::ARGS_MAX], vec!["--no-hpet"; eal::ARGS_MAX + 1]]);
    for list in lists {
        let by_schema = validator.is_valid(&json!({ "device": { "eal": list } }));
        let args: Vec<String> = list.iter().map(ToString::to_string).collect();
        assert_eq!(by_schema, eal::check(&args).is_ok(), "{list:?}");
    }
}

#[test]
fn what_was_measured_has_the_bounds_of_what_holds_it() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for (key, number, is_valid) in [
        ("rx_stamp_ns", i64::from(i32::MIN), true),
        ("rx_stamp_ns", i64::from(i32::MIN) - 1, false),
        ("rx_stamp_ns", i64::from(i32::MAX) + 1, false),
        ("rx_stamp_error_ns", i64::from(u32::MAX), true),
        ("rx_stamp_error_ns", i64::from(u32::MAX) + 1, false),
        ("rx_stamp_error_ns", -1, false),
    ] {
        let measured = json!({ "calibration": { key: number } });
        assert_eq!(validator.is_valid(&measured), is_valid, "{key} = {number}");
        let read = toml::from_str::<File>(&format!("[calibration]\n{key} = {number}\n"));
        assert_eq!(read.is_ok(), is_valid, "{key} = {number}");
    }
}
