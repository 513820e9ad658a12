//! Why somebody who connected was refused.

use fixwire::desk::PeerRefusal;
use fixwire::fix::SessionConfig;

use super::Snapshot;
use super::session::{config, name};

pub(super) fn refusal_in_words(
    why: &PeerRefusal,
    stood: Option<&Snapshot>,
    sessions: &[SessionConfig],
) -> String {
    match why {
        PeerRefusal::NotFix(first) => {
            let protocol =
                protocol_of(first).map(|protocol| format!(" but {protocol}")).unwrap_or_default();
            format!(
                "it does not speak FIX{protocol} (it says {:?})",
                String::from_utf8_lossy(first)
            )
        }
        PeerRefusal::Garbled(reason) => {
            format!("its first message is garbled: {}", reason.doc().trim_end_matches('.'))
        }
        PeerRefusal::LogonTooLong(bytes_max) => format!(
            "its first message is longer than the {bytes_max} bytes that `logon_bytes_max` allows; raise it if that is \
             the counterparty's Logon"
        ),
        PeerRefusal::NotLogon(msg_type) => {
            format!("its first message is no Logon but of type \"{}\"", msg_type.escape_ascii())
        }
        PeerRefusal::CompIdMissing(tag) => format!("its Logon lacks the CompID of tag {tag}"),
        PeerRefusal::UnknownIdentity(claim) => {
            let named = |name, id: &[u8]| match id {
                [] => String::new(),
                id => format!(", {name} \"{}\"", id.escape_ascii()),
            };
            format!(
                "no session here is {} from \"{}\" to \"{}\"{}{}",
                claim.begin_string.escape_ascii(),
                claim.sender_comp_id.escape_ascii(),
                claim.target_comp_id.escape_ascii(),
                named("SenderSubID", &claim.sender_sub_id),
                named("TargetSubID", &claim.target_sub_id),
            )
        }
        PeerRefusal::AlreadyLoggedOn(session) => {
            let from = stood.map(|stood| format!(", from {}", stood.remote)).unwrap_or_default();
            format!("{} is connected already{from}", name(config(*session, sessions)))
        }
        PeerRefusal::HeldDown(session) => {
            format!("{} was logged out by an operator", name(config(*session, sessions)))
        }
        PeerRefusal::AddressNotAllowed(session) => {
            format!("{} is not connected to from this address", name(config(*session, sessions)))
        }
        PeerRefusal::LogonTimeout => "it sent no Logon in time".to_owned(),
        PeerRefusal::LoggingOut => {
            "it had sent no Logon yet, and everybody is logged out".to_owned()
        }
        PeerRefusal::ClosedBeforeLogon => "it closed before it had sent a Logon".to_owned(),
    }
}

/// The protocol that begins like this, where it is one that strays onto a FIX port.
pub(super) fn protocol_of(first: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 11] = [
        (b"SSH-", "SSH"),
        (b"HTTP/", "HTTP"),
        (b"GET ", "HTTP"),
        (b"HEAD ", "HTTP"),
        (b"POST ", "HTTP"),
        (b"PUT ", "HTTP"),
        (b"OPTIONS ", "HTTP"),
        (b"CONNECT ", "HTTP"),
        (b"PRI * HTTP/2", "HTTP"),
        // A handshake record of any version.
        (b"\x16\x03", "TLS"),
        // An alert, which is what a TLS server has to say to a Logon.
        (b"\x15\x03", "TLS"),
    ];
    KNOWN.iter().find(|(start, _)| first.starts_with(start)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_that_stray_onto_a_fix_port_are_named() {
        for (first, name) in [
            (&b"GET / HTTP/1.1\r\n"[..], Some("HTTP")),
            (b"SSH-2.0-OpenSSH_9.2p1", Some("SSH")),
            (b"\x16\x03\x01\x02\x00\x01", Some("TLS")),
            (b"hello", None),
            (b"", None),
        ] {
            assert_eq!(protocol_of(first), name);
        }
    }
}
