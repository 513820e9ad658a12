//! What a script that failed asks for, where only its text says so: packetdrill does it itself, or gives up
//! before the library could refuse it.

use crate::tcp_info;

/// What the text of a script holds, and what is not offered that it thereby needs.
const TEXTS: [(&str, &str); 10] = [
    ("cap_set(", "cap_set, which packetdrill asks of the kernel and not of the library"),
    ("FO ", "TCP Fast Open (RFC 7413)"),
    ("FOEXP", "TCP Fast Open (RFC 7413)"),
    ("md5 ", "TCP MD5 signatures (RFC 2385)"),
    ("MD5", "TCP MD5 signatures (RFC 2385)"),
    ("mp_capable", "Multipath TCP"),
    ("ECN e1b", "Accurate ECN (RFC 9768)"),
    ("ECN e0b", "Accurate ECN (RFC 9768)"),
    ("SEWA", "Accurate ECN (RFC 9768)"),
    ("SK_MEMINFO", "SO_MEMINFO, of which nothing is known"),
];

/// What packetdrill and the code in its scripts say where a name is not one of Linux's.
const UNKNOWN_NAME: [&str; 2] = ["unknown symbol", "nameerror"];
/// What it says where the code in a script has failed: no field of TCP_INFO is looked at elsewhere.
const OF_CODE: [&str; 2] = ["error in python code", "error in code"];

/// The reasons for which a script that failed with the message `said` is not applicable.
pub(super) fn of(text: &str, said: &str) -> Vec<String> {
    let code = without_comments(text);
    let mut reasons: Vec<String> = Vec::new();
    let mut add = |reason: String| {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    };
    for (needle, reason) in TEXTS {
        if contains_word(&code, needle) {
            add(reason.to_owned());
        }
    }
    let said = said.to_lowercase();
    let is_of_code = OF_CODE.iter().any(|error| said.contains(error));
    for word in code.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_') {
        let is_known = tcp_info::FIELDS.iter().any(|(name, ..)| *name == word);
        if is_of_code && word.starts_with("tcpi_") && !is_known {
            add(format!("{word} of TCP_INFO"));
        }
    }
    if UNKNOWN_NAME.iter().any(|error| said.contains(error)) {
        add("a name that this packetdrill does not know".to_owned());
    }
    reasons
}

/// What the suites' own runners define for IPv4, and their scripts take for granted.
const DEFINITIONS: [(&str, &str); 5] = [
    ("CODE", "host_unreachable"),
    ("CMSG_LEVEL_IP", "SOL_IP"),
    ("CMSG_TYPE_RECVERR", "IP_RECVERR"),
    ("TFO_COOKIE_ZERO", "b7c12350a90dc8f5"),
    ("TFO_COOKIE", "3021b9d889017eeb"),
];

/// The definitions that a script takes for granted, as packetdrill's arguments.
pub(super) fn definitions(text: &str) -> Vec<String> {
    let used = DEFINITIONS.iter().filter(|(name, _)| contains_word(text, name));
    used.map(|(name, value)| format!("--define={name}={value}")).collect()
}

/// The settings that a script makes by packetdrill's own options, which the library is not told of. `--mtu` is
/// the interface's; `--mss` only tells packetdrill how it is to count what it sees, and what it sends as one packet.
pub(super) fn settings(text: &str) -> String {
    let code = without_comments(text);
    let setting = |line: &str| {
        [("--mtu=", "mtu"), ("--mss=", "received_mss")].iter().find_map(|(option, name)| {
            let value = line.trim().strip_prefix(option)?.trim();
            Some(format!("{name}={value}\n"))
        })
    };
    code.lines().filter_map(setting).collect()
}

/// Whether `needle` stands in the text, and not as the end of a longer word.
fn contains_word(text: &str, needle: &str) -> bool {
    text.match_indices(needle).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    })
}

fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("/*") {
        out += &rest[..at];
        rest = rest[at..].find("*/").map_or("", |end| &rest[at + end + 2..]);
    }
    out += rest;
    let lines = out.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_not_filled_is_named_once_and_one_in_a_comment_is_not() {
        let text = "+0 %{ assert tcpi_ato == 1; assert tcpi_ato == 1; assert tcpi_snd_cwnd == 10 }%\n\
                    // tcpi_pmtu\n/* tcpi_rcv_mss\n */";
        assert_eq!(of(text, "a.pkt:1: error in Python code"), ["tcpi_ato of TCP_INFO"]);
        // What fails before such a field is looked at has failed.
        assert!(of(text, "a.pkt:1: error handling packet: live packet field tcp_psh").is_empty());
    }

    #[test]
    fn words_count_and_parts_of_words_do_not() {
        assert!(of("recap_set(3)", "").is_empty());
        assert_eq!(of("+0 cap_set(3) = 0", "").len(), 1);
    }

    #[test]
    fn what_suites_define_for_their_scripts_is_defined_where_it_is_used() {
        let text = "cmsg_type=CMSG_TYPE_RECVERR, NOT_CMSG_LEVEL_IP";
        assert_eq!(definitions(text), ["--define=CMSG_TYPE_RECVERR=IP_RECVERR"]);
    }

    #[test]
    fn what_packetdrill_is_told_of_the_link_becomes_settings() {
        let text = "--mss=1000\n// --mtu=1\n --mtu=9000\n--mtu_x=1";
        assert_eq!(settings(text), "received_mss=1000\nmtu=9000\n");
    }
}
