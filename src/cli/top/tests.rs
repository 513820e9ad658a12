//! The view by answers that are written out here.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use serde_json::{Value, json};

use super::view::{Look, Theme, View, draw};

/// An answer after so many ms, of a process that has sent and received so many messages.
fn answer(pid: u64, uptime_ms: u64, messages: u64) -> Value {
    json!({
        "process": { "pid": pid, "version": "0.1.0", "uptime_ms": uptime_ms },
        "nic": "sim", "profile": "sim", "link_up": true,
        "sessions": [{
            "session": "FIX.4.4:US->THEM", "state": "active", "is_connected": true, "logons": 1,
            "next_out": messages + 1, "next_in": messages + 1, "received": messages, "sent": messages,
            "resent": 0, "gaps": 1, "garbled": 0, "rejects_sent": 0,
        }],
        "plan": [
            { "capability": "rx_tcp_checksum", "policy": "prefer", "outcome": "device", "by": "NIC model",
              "reason": "advertised", "observed": "demoted", "unchecked": 7, "agreed": 12_345, "contradicted": 1 },
            { "capability": "rx_ipv4_checksum", "policy": "prefer", "outcome": "host", "by": "fixwire",
              "reason": "not advertised", "observed": null, "unchecked": 0, "agreed": 0, "contradicted": 0 },
            { "capability": "rss", "policy": "off", "outcome": "off", "by": "nobody",
              "reason": "off in the profile", "observed": null, "unchecked": 0, "agreed": 0, "contradicted": 0 },
        ],
        "counters": { "rx_frames": 2 * messages, "tx_frames": 2 * messages, "tcp_retransmission": 0 },
        "dropped": { "tcp_checksum_wrong": 1 + messages / 100 },
        "frame_to_order": { "samples": messages, "sum_ns": 1_500 * messages },
        "clocks": {
            "device": {
                "clock": "NIC counter", "state": "locked", "generation": 0, "drift_ppb": -12, "drift_error_ppb": 3,
                "readings": { "agreed": 40, "jumped": 0 }, "is_model": true,
            },
            "routes_refused": [],
            "host": {
                "clock": "host monotonic clock", "state": "not_yet", "generation": 1, "drift_ppb": null,
                "drift_error_ppb": null, "readings": { "agreed": 2, "jumped": 1 },
            },
            "error_bound_ns": 286, "trouble": null,
            "host_time": { "words": ["PTP clocks: ptp0 (mlx5_ptp; eth2) keeps TAI", "who keeps time: ptp4l"] },
        },
        "measure": null,
    })
}

fn measured() -> Value {
    let second =
        |ns: u64| json!({ "samples": 10, "p50_ns": ns, "p99_ns": 2 * ns, "max_ns": 3 * ns });
    json!({
        "second_ms": 1_000, "records": 30, "records_ring_full": 2,
        "intervals": [
            { "kind": "wire_to_poll", "title": "wire in to poll", "clock": null, "excluded": 30, "recent": [null, null] },
            { "kind": "poll_to_doorbell", "title": "poll to doorbell", "clock": "this host's counter", "excluded": 0,
              "recent": [second(500), null, second(1_000)] },
            { "kind": "wire_to_wire", "title": "wire in to wire out", "clock": null, "excluded": 0, "recent": [] },
        ],
    })
}

/// After two answers a second apart.
fn view() -> View {
    let mut view = View::of("/run/fw.sock");
    view.on_answer(answer(7, 60_000, 1_000));
    view.on_answer(answer(7, 61_000, 3_000));
    view
}

const TEXT: &str = "\
sim by profile sim, link up; fixwire 0.1.0, process 7, up 1 min 01 s

sessions:
  session           state   next out  next in  sent/s  received/s  resent  gaps  garbled  rejects  logons
  FIX.4.4:US->THEM  active     3,001    3,001   2,000       2,000       0     1        0        0       1

traffic:
                          /s  in all
  frames in            4,000   6,000
  frames out           4,000   6,000
  messages in          2,000   3,000
  messages out         2,000   3,000
  segments sent again      0       0

latency:
  hop by hop: not measured, for this process was started without `--measure`, which `fixwire run` has
  frame to order, by the host's clock, between the last two answers: mean 1.500 us  █

dropped:
  reason              /s  in all
  tcp_checksum_wrong  20      31

clocks:
  clock                 state    agreed  jumped  drift, ppb  generation
  NIC counter           locked       40       0  -12 ± 3              0
  host monotonic clock  not_yet       2       1  -                    1
  a stamp of now becomes UTC within 286 ns
  the device's clock is a model's: nothing here is a NIC's
  PTP clocks: ptp0 (mlx5_ptp; eth2) keeps TAI (as first asked)
  who keeps time: ptp4l (as first asked)

plan:
  offload           done by                 observed  agreed  contradicted  unchecked  reason
  rx_tcp_checksum   fixwire, not NIC model  demoted   12,345             1          7  advertised
  rx_ipv4_checksum  fixwire                 -              -             -          -  not advertised
  off: rss";

#[test]
fn everything_is_said_in_text_whatever_the_terminal() {
    assert_eq!(view().text(), TEXT);
}

#[test]
fn latencies_hop_by_hop_are_the_last_second_and_those_before() {
    let mut view = View::of("p");
    let mut of = answer(7, 60_000, 0);
    of["measure"] = measured();
    view.on_answer(of);
    let text = view.text();
    let latency = text.split("latency:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    assert_eq!(
        latency,
        "  last second, us     p50    p99    max  samples  excluded  p50 of the seconds before
  poll to doorbell  1.000  2.000  3.000       10         0  ▄ █
  all excluded: wire in to poll 30
  2 records found the ring full
  frame to order, by the host's clock, between the last two answers: no order"
    );
}

#[test]
fn another_process_is_told_of_and_has_rates_of_its_own() {
    let mut view = view();
    view.on_silence("nobody answers at /run/fw.sock: refused; name the path");
    let text = view.text();
    assert!(text.starts_with("sim by profile sim, link up; fixwire 0.1.0, process 7,"), "{text}");
    let told = "nobody answers at /run/fw.sock: refused; name the path; it is asked again; below is what it said last";
    assert_eq!(text.lines().nth(1), Some(told));
    // Its numbers are lower: nothing goes backwards.
    view.on_answer(answer(8, 1_000, 10));
    let text = view.text();
    assert!(
        text.lines().next().unwrap().ends_with("process 8, up 1 s; before it was process 7"),
        "{text}"
    );
    assert!(!text.contains("nobody answers"), "{text}");
    assert!(
        text.contains("FIX.4.4:US->THEM  active        11       11       -           -"),
        "{text}"
    );
    view.on_answer(answer(8, 2_000, 20));
    assert!(view.text().contains("11       11") || view.text().contains("21       21"), "{text}");
    assert!(view.text().contains("frames in            20"), "{}", view.text());
}

#[test]
fn a_process_with_the_number_of_the_one_before_is_another_one() {
    let begun = |unix_ms: u64, uptime_ms: u64, messages: u64| {
        let mut answer = answer(1, uptime_ms, messages);
        answer["process"]["begun_unix_ms"] = unix_ms.into();
        answer
    };
    let frames_in = |view: &View| -> Vec<String> {
        let text = view.text();
        let line = text.lines().find(|line| line.starts_with("  frames in ")).expect("a row");
        line.split_whitespace().skip(2).map(str::to_owned).collect()
    };
    let who = "process 1, up 1 min 02 s; before it was an earlier process 1";
    // It has been up for longer than the one before was when that was last asked, and has higher numbers.
    let mut view = View::of("p");
    view.on_answer(begun(5_000, 61_000, 1_000));
    view.on_answer(begun(900_000, 62_000, 3_000));
    let text = view.text();
    assert!(text.lines().next().unwrap().ends_with(who), "{text}");
    assert_eq!(frames_in(&view), ["-", "6,000"], "no rate of two processes");
    view.on_answer(begun(900_000, 63_000, 3_500));
    assert_eq!(frames_in(&view), ["1,000", "7,000"]);
    // One that does not tell when it began.
    view.on_answer(answer(1, 70_000, 10));
    view.on_answer(answer(1, 62_000, 20));
    assert!(view.text().lines().next().unwrap().ends_with(who), "{}", view.text());
    assert_eq!(frames_in(&view), ["-", "40"]);
}

#[test]
fn what_a_process_does_not_tell_is_said_of_and_nothing_is_made_up() {
    let mut view = View::of("p");
    assert_eq!(view.text(), "asking p");
    view.on_answer(json!({ "nic": "tap", "profile": "tap", "link_up": false, "sessions": [] }));
    let text = view.text();
    assert!(text.starts_with("tap by profile tap, link DOWN\n"), "{text}");
    for part in ["traffic", "dropped", "clocks", "plan"] {
        let told = format!("{part}:\n  this process is of a version that does not tell");
        assert!(text.contains(&told), "{part}: {text}");
    }
}

/// What a terminal of so many cells shows.
fn shown(view: &View, look: &mut Look, (width, height): (u16, u16)) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view, look)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(|y| row(y).trim_end().to_owned()).collect()
}

#[test]
fn a_terminal_with_room_shows_every_line_and_the_keys() {
    let view = view();
    let rows = shown(&view, &mut Look::new(Theme::Plain), (140, 50));
    for line in TEXT.lines().filter(|line| line.starts_with("  ")) {
        assert!(rows.iter().any(|row| row == &line[2..]), "{line}: {rows:#?}");
    }
    assert!(rows[1].starts_with("1 sessions ───"), "{rows:#?}");
    assert!(rows[49].starts_with("q quit"), "{rows:#?}");
}

#[test]
fn a_short_terminal_says_how_much_more_there_is_and_one_part_scrolls() {
    let view = view();
    let rows = shown(&view, &mut Look::new(Theme::Plain), (80, 20));
    assert!(rows.iter().any(|row| row.contains("more: key 2")), "{rows:#?}");
    assert!(rows.iter().any(|row| row.starts_with("6 plan ")), "{rows:#?}");
    let mut look = Look { part: Some(1), above: 1_000, ..Look::new(Theme::Plain) };
    let rows = shown(&view, &mut look, (80, 7));
    // Head, heading, four lines and the keys: of six lines, two are above.
    assert_eq!(look.above, 2);
    assert!(rows[5].starts_with("segments sent again"), "{rows:#?}");
}

#[test]
fn no_terminal_is_too_small_or_too_large() {
    let mut lost = view();
    lost.on_silence("nobody answers");
    for view in [View::of("p"), view(), lost] {
        for width in [1, 2, 23, 24, 40, 80, 300] {
            for height in [1, 2, 5, 6, 7, 24, 100] {
                for part in [None, Some(0), Some(5)] {
                    let mut look = Look { part, above: 3, ..Look::new(Theme::Colours) };
                    let rows = shown(&view, &mut look, (width, height));
                    let says = if width < 24 || height < 6 { "q quits" } else { "q quit" };
                    let room = usize::from(width) >= "300x6 is too small; q quits".len();
                    assert!(!room || rows.iter().any(|row| row.contains(says)), "{width}x{height}");
                }
            }
        }
    }
}

#[test]
fn without_colours_there_are_none_and_with_them_a_demoted_offload_is_red() {
    let colours = |theme| {
        let mut terminal = Terminal::new(TestBackend::new(140, 50)).unwrap();
        terminal.draw(|frame| draw(frame, &view(), &mut Look::new(theme))).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let cells = buffer.content().iter();
        let red: String =
            cells.filter(|cell| cell.fg == Color::Red).map(|cell| cell.symbol()).collect();
        let any =
            buffer.content().iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
        (any, red)
    };
    assert!(!colours(Theme::Plain).0);
    let (any, red) = colours(Theme::Colours);
    assert!(any && red.contains("demoted") && red.contains("not_yet"), "{red}");
}
