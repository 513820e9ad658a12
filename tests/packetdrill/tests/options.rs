//! What getsockopt tells where packetdrill's scripts look at no more than a number.

use fixwire_packetdrill::host::Host;
use fixwire_packetdrill::report::Report;

fn congestion(flags: &str) -> Vec<u8> {
    let mut host = Host::new(flags, Report::default());
    let fd = host.new_socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_TCP).unwrap();
    host.option(fd, libc::IPPROTO_TCP, libc::TCP_CONGESTION).unwrap()
}

#[test]
fn congestion_control_is_a_field_on_linux_and_a_string_on_freebsd() {
    let told = congestion("dialect=linux");
    let name_len = told.iter().position(|byte| *byte == 0).unwrap();
    assert!(["reno", "cubic"].map(str::as_bytes).contains(&&told[..name_len]), "{told:?}");
    assert_eq!(told.len(), 16);
    assert!(told[name_len..].iter().all(|byte| *byte == 0), "{told:?}");
    let string = congestion("dialect=freebsd");
    assert_eq!(string.iter().position(|byte| *byte == 0), Some(string.len() - 1));
}
