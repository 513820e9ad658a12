use super::super::check::State::{Ok, Unknown, Warn};
use super::super::made_host::{MadeHost, asked, assert_state, at, named, of};
use super::*;

const ADDR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 254);
const NIC: &str = "sys/bus/pci/devices/0000:3b:00.0";
const OWNED: &str = "Local:\n  |-- 10.9.0.2\n     /32 host LOCAL\n";
const NOT_OWNED: &str = "Main:\n  |-- 10.9.0.0\n     /24 link UNICAST\n";
const FORWARDING: &str = "proc/sys/net/ipv4/conf/eth2/forwarding";

fn card() -> MadeHost {
    MadeHost::new()
        .file(&format!("{NIC}/class"), "0x020000\n")
        .file(&format!("{NIC}/vendor"), "0x15b3\n")
        .folder(&format!("{NIC}/net/eth2"))
}

fn with_nic() -> Asked {
    Asked {
        nic: Some("3b:00.0".parse().unwrap()),
        profile: named("connectx5"),
        network: at(ADDR),
        ..asked()
    }
}

fn said(text: &str) -> Answer {
    Answer::Said(text.to_owned())
}

#[track_caller]
fn assert_published(made: &MadeHost, asked: &Asked, state: State, says: &str) {
    assert_state(of(&checks(&made.host(), asked), "published address"), state, says);
}

#[track_caller]
fn assert_hop(made: &MadeHost, asked: &Asked, state: State, says: &str) {
    assert_state(of(&checks(&made.host(), asked), "next hop"), state, says);
}

#[test]
fn an_address_that_the_kernel_has_is_published_and_one_that_nobody_answers_for_is_unknown() {
    let made = |routes| card().file("proc/net/fib_trie", routes);
    assert_published(&made(OWNED), &with_nic(), Ok, "the kernel has 10.9.0.2");
    assert_published(&made(NOT_OWNED), &with_nic(), Unknown, "apt-get install iproute2");
    let other = "10.9.0.20 dev eth2 proxy \n";
    for entries in ["", other] {
        let made = made(NOT_OWNED).program("ip proxy", said(entries));
        assert_published(&made, &with_nic(), Unknown, "ip neigh add proxy 10.9.0.2 dev eth2");
    }
    let refused = made(NOT_OWNED).program("ip", Answer::Failed("not permitted".into()));
    assert_published(&refused, &with_nic(), Unknown, "ip: not permitted");
    assert_published(&card(), &with_nic(), Unknown, "/proc/net/fib_trie");
    let unsaid = Asked { network: Default::default(), ..with_nic() };
    assert_published(&made(OWNED), &unsaid, Unknown, "--session FILE");
}

#[test]
fn proxy_arp_is_held_to_interface_forwarding_and_route() {
    let made = |entry: &str, forwarding: &str, route: Answer| {
        card()
            .file("proc/net/fib_trie", NOT_OWNED)
            .file(FORWARDING, forwarding)
            .program("ip proxy", said(entry))
            .program("ip get", route)
    };
    const ENTRY: &str = "10.9.0.2 dev eth2 proxy \n";
    let away = said("10.9.0.2 dev n0 src 10.9.0.1 uid 0 \n    cache \n");
    let back = said("10.9.0.2 dev eth2 src 10.9.0.1 uid 0 \n    cache \n");
    let none = Answer::Failed("RTNETLINK answers: Network is unreachable".into());
    for (made, state, says) in [
        (made(ENTRY, "1\n", away.clone()), Ok, "on eth2, by proxy"),
        (made(ENTRY, "0\n", away.clone()), Warn, "sysctl -w net.ipv4.conf.eth2.forwarding=1"),
        (made(ENTRY, "1\n", back), Warn, "leads by eth2 itself"),
        (made(ENTRY, "1\n", none), Warn, "ip route add 10.9.0.2/32 dev fixwire-null"),
        (
            made("10.9.0.2 dev eth0 proxy\n", "1\n", away.clone()),
            Warn,
            "on eth0, and the port is eth2",
        ),
    ] {
        assert_published(&made, &with_nic(), state, says);
    }
    // Of a VLAN the interface has a name of its own, whose settings count.
    let mut in_vlan = with_nic();
    in_vlan.network.vlan = Some(7);
    let made = made("10.9.0.2 dev eth2.7 proxy\n", "1\n", away);
    assert_published(&made, &in_vlan, Unknown, "eth2.7/forwarding");
    let made = made.file("proc/sys/net/ipv4/conf/eth2.7/forwarding", "1\n");
    assert_published(&made, &in_vlan, Ok, "on eth2.7, by proxy");
}

#[test]
fn an_engine_with_arp_of_its_own_needs_nobody_to_answer() {
    let mut own = with_nic();
    own.profile.neighbors = Neighbors::Own;
    assert_published(&card(), &own, Ok, "the engine answers ARP itself");
    own.profile.neighbors = Neighbors::Auto;
    assert_published(&card(), &own, Unknown, "/proc/net/fib_trie");
    own.profile = own.profile.with(Capability::FlowIsolation, Policy::Off);
    assert_published(&card(), &own, Ok, "the engine answers ARP itself");
}

/// As the kernel shows its table (proc_net(5)).
fn arp(rows: &[(&str, &str, &str)]) -> String {
    let row = |(addr, flags, on): &(&str, &str, &str)| {
        format!("{addr:16} 0x1         {flags}         02:00:00:00:00:09     *        {on}\n")
    };
    let rows: String = rows.iter().map(row).collect();
    format!(
        "IP address       HW type     Flags       HW address            Mask     Device\n{rows}"
    )
}

#[test]
fn the_next_hop_is_the_counterparty_the_gateway_or_the_kernel_s_and_has_a_hardware_address() {
    let calls = |last: [u8; 4]| Asked { calls: vec![Some(last.into())], ..with_nic() };
    let near = calls([10, 9, 0, 1]);
    let mut far = calls([198, 51, 100, 7]);
    let made = |rows: &[_]| card().file("proc/net/arp", &arp(rows));
    let there = |addr| made(&[(addr, "0x2", "eth2")]);
    assert_hop(&there("10.9.0.1"), &near, Ok, "10.9.0.1 at 02:00:00:00:00:09 on eth2");
    assert_hop(&there("10.9.0.10"), &near, Unknown, "ping -c 1 -I eth2 10.9.0.1");
    assert_hop(&made(&[("10.9.0.1", "0x2", "eth0")]), &near, Unknown, "not looked for 10.9.0.1");
    assert_hop(&made(&[("10.9.0.1", "0x0", "eth2")]), &near, Warn, "answers no ARP on eth2");
    assert_hop(&card(), &near, Unknown, "/proc/net/arp");

    let by = |whole: &str, out: &str| {
        there("10.9.0.254").program("ip get", said(whole)).program("ip oif", said(out))
    };
    let routed = "198.51.100.7 via 10.9.0.254 dev eth2 src 10.9.0.1 uid 0 \n    cache \n";
    let else_where = "198.51.100.7 via 192.0.2.1 dev eth0 src 192.0.2.9 uid 0 \n";
    let assumed = "198.51.100.7 dev eth2 src 10.9.0.1 uid 0 \n";
    for (made, state, says) in [
        (by(routed, routed), Ok, "198.51.100.7 by 10.9.0.254"),
        (by(else_where, routed), Ok, "198.51.100.7 by 10.9.0.254"),
        (by(else_where, assumed), Warn, "no route there by the port"),
        (by(assumed, assumed), Unknown, "not looked for 198.51.100.7"),
        (
            there("10.9.0.254").program("ip", Answer::Failed("Network is unreachable".into())),
            Warn,
            "Network is unreachable",
        ),
    ] {
        assert_hop(&made, &far, state, says);
    }
    far.network.gateway = Some(ROUTER);
    assert_hop(&there("10.9.0.254"), &far, Ok, "198.51.100.7 by 10.9.0.254");
}

#[test]
fn one_counterparty_without_a_way_is_named_and_acceptors_call_nobody() {
    let made = card().file("proc/net/arp", &arp(&[("10.9.0.1", "0x2", "eth2")]));
    let mut asked = with_nic();
    assert_hop(&made, &asked, Unknown, "socket_connect_host");
    asked.calls = vec![Some([10, 9, 0, 1].into()), Some([10, 9, 0, 3].into())];
    assert_hop(&made, &asked, Unknown, "not looked for 10.9.0.3");
    asked.calls = Vec::new();
    assert_hop(&made, &asked, Ok, "calls nobody");
    let owned = made.file(&format!("{NIC}/vendor"), "0x8086\n");
    assert_eq!(checks(&owned.host(), &asked).len(), 0);
}
