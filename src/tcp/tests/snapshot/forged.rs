//! Snapshots that nobody ever took: whatever is in them, nothing fails.

use super::*;

/// Something may leave, and is no longer than this stack's link takes.
fn leave(stack: &mut Stack, now: Instant) {
    let Some(transmit) = stack.poll_transmit(now) else { return };
    let header_len = transmit.header.header_len();
    let len = header_len - HEADER_LEN + transmit.payload.concat().len();
    assert!(len <= usize::from(small().mss), "{len} bytes");
}

/// Does to a connection what may be done to one, whatever it is.
/// What is counted while nobody answers is counted anew once somebody does: where the peer is silent, nothing but time goes by.
fn exercise(stack: &mut Stack, id: ConnectionId, is_silent: bool, random: &mut Random) {
    let mut now = NOW;
    for _ in 0..12 {
        let Some(info) = stack.info(id) else { return };
        let near = |random: &mut Random, of: SeqNumber| match random.below(3) {
            0 => of,
            1 => of + random.below(700) as u32,
            _ => of - random.below(700) as u32,
        };
        let (seq, ack) = (near(random, info.rcv_nxt), near(random, info.snd_nxt));
        let left = near(random, info.snd_una);
        let segment = Segment {
            src_port: info.remote.port,
            dst_port: info.local.port,
            seq,
            ack,
            flags: random.pick(&[Flags::ACK, Flags::ACK, Flags::ACK.with(Flags::FIN)]),
            window: random.next() as u16,
            options: Options {
                timestamps: info.uses_timestamps.then(|| Timestamps {
                    value: random.next() as u32,
                    echo: random.next() as u32,
                }),
                sack: random.one_in(2).then(|| SackBlocks::of(left, left + 250)),
                ..Options::NONE
            },
            payload: &[5; 900][..random.below(900) as usize],
            is_ce: random.one_in(3),
        };
        match if is_silent { 1 } else { random.below(6) } {
            0 => {
                let len = random.below(600) as usize;
                if stack.reserve(id, len).is_ok() {
                    stack.commit(now, id, len);
                }
            }
            1 => now = stack.next_timeout().min(Instant::from_ns(u64::MAX - 1)).max(now),
            2 => stack.consume(now, id, random.below(900) as usize),
            // A path that was small is believed in again.
            3 => now = now + Duration::from_s(601),
            _ => {
                stack.on_segment(now, info.remote.addr, info.local.addr, &segment);
            }
        }
        stack.on_timeout(now);
        (0..50).for_each(|_| leave(stack, now));
        _ = stack.outstanding(id).count();
        if let Ok(prepared) = stack.prepare(now, id) {
            _ = stack.send_prepared(now, &prepared, b"prepared", 0, true);
        }
        _ = stack.poll_event();
    }
    _ = stack.export(now, id);
}

/// The same once all is acknowledged.
fn all_acknowledged(stack: &mut Stack, id: ConnectionId) -> Snapshot {
    let info = stack.info(id).unwrap();
    let acknowledges = Segment {
        src_port: REMOTE.port,
        dst_port: LOCAL.port,
        seq: info.rcv_nxt,
        ack: info.snd_nxt,
        flags: Flags::ACK,
        window: 5_000,
        options: Options {
            timestamps: info.uses_timestamps.then_some(Timestamps { value: 71, echo: 1 }),
            ..Options::NONE
        },
        payload: &[],
        is_ce: false,
    };
    stack.on_segment(NOW, REMOTE.addr, LOCAL.addr, &acknowledges);
    assert_eq!(stack.info(id).unwrap().snd_una, info.snd_nxt);
    stack.export(NOW, id).unwrap()
}

/// One of a link that takes more than that of [`small`] stacks, and of a path that takes less.
fn of_larger_link(config: Config) -> Snapshot {
    let (mut stack, id) = busy(Config { mss: 4_000, ..config });
    let info = stack.info(id).unwrap();
    let quoted = Quoted {
        src: LOCAL.addr,
        dst: REMOTE.addr,
        src_port: LOCAL.port,
        dst_port: REMOTE.port,
        seq: info.snd_una,
        packet_len: 4_040,
    };
    stack.on_path_mtu(NOW, &quoted, 800);
    stack.export(NOW, id).unwrap()
}

/// Bytes that came within such a window would find no place if they were left unread.
#[test]
fn a_window_that_promises_more_than_there_is_room_for_is_refused() {
    let (mut stack, id) = busy(small());
    let (unread, rcv_nxt) = (stack.readable(id).len(), stack.info(id).unwrap().rcv_nxt.0);
    assert!(unread > 0);
    let bytes = stack.export(NOW, id).unwrap().as_bytes().to_vec();
    let is_next = |at: &usize| bytes[*at..*at + 4] == rcv_nxt.to_le_bytes();
    let at = (0..bytes.len() - 8).find(is_next).unwrap() + 4;
    let room = small().receive_buffer_bytes - unread;
    for (window, refused) in [(room, false), (room + 1, true)] {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&rcv_nxt.wrapping_add(window as u32).to_le_bytes());
        let imported =
            Stack::new(small(), [1; 16]).import(NOW, &Snapshot::from_bytes(&bytes).unwrap());
        assert_eq!(imported.err(), refused.then_some(SnapshotRefusal::Malformed), "{window}");
    }
}

/// Nothing would send again what is in flight, and nobody would be given up.
#[test]
fn something_in_flight_that_nothing_waits_for_is_refused() {
    for is_waited_for in [true, false] {
        let (mut stack, id) = busy(small());
        assert!(stack.info(id).unwrap().snd_una != stack.info(id).unwrap().snd_nxt);
        stack.export(NOW, id).unwrap();
        let deadlines = &mut stack.connections[id.index()].deadlines;
        if !is_waited_for {
            (deadlines.retransmit, deadlines.probe) = (Instant::FAR_FUTURE, Instant::FAR_FUTURE);
        }
        let snapshot = stack.export(NOW, id).unwrap();
        let imported = Stack::new(small(), [1; 16]).import(NOW, &snapshot);
        let refused = (!is_waited_for).then_some(SnapshotRefusal::Malformed);
        assert_eq!(imported.err(), refused);
    }
}

#[test]
fn whatever_is_in_a_snapshot_nothing_fails() {
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut snapshots = Vec::new();
    // What is counted up while a peer is silent has its bounds in terms that end it, or none.
    let idle = Duration::from_ms(500);
    let watched = Config {
        user_timeout: Some(Duration::from_s(1_000_000)),
        keep_alive: Some(KeepAlive { idle, interval: Duration::from_ms(100), probes: 3 }),
        ..small()
    };
    for config in [small(), Config { timestamps: true, ecn: true, ..small() }, watched] {
        for congestion in
            [CongestionControl::NewReno, CongestionControl::Cubic, CongestionControl::Dctcp]
        {
            let (mut stack, id) = busy(Config { congestion, ..config.clone() });
            snapshots.push(of_larger_link(Config { congestion, ..config.clone() }));
            snapshots.push(stack.export(NOW, id).unwrap());
            snapshots.push(all_acknowledged(&mut stack, id));
            stack.shutdown(NOW, id);
            while stack.poll_transmit(NOW).is_some() {}
            snapshots.push(stack.export(NOW, id).unwrap());
        }
    }
    let (mut taken, mut refused) = (0, 0);
    let mut import = |bytes: &[u8], is_silent, random: &mut Random| {
        let mut stack = Stack::new(small(), [1; 16]);
        match stack.import(NOW, &Snapshot::from_bytes(bytes).unwrap()) {
            Ok(id) => {
                taken += 1;
                exercise(&mut stack, id, is_silent, random);
            }
            Err(_) => refused += 1,
        }
    };
    // Fields come before the bytes of the streams: that is where it hurts.
    let fields_len = |bytes: &[u8]| 600.min(bytes.len() - 6);
    // Each of them at its greatest.
    for from in &snapshots {
        for at in 6..6 + fields_len(from.as_bytes()) {
            let mut bytes = from.as_bytes().to_vec();
            let end = bytes.len().min(at + 4);
            bytes[at..end].fill(0xff);
            import(&bytes, true, &mut random);
        }
    }
    for _ in 0..30_000 {
        let from = &snapshots[random.below(snapshots.len() as u64) as usize];
        let mut bytes = from.as_bytes().to_vec();
        for _ in 0..1 + random.below(3) {
            let at = 6 + random.below(fields_len(&bytes) as u64) as usize;
            match random.below(4) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = random.pick(&[0, 1, 2, 0x7f, 0x80, 0xff]),
                2 => bytes[at] = random.next() as u8,
                _ => {
                    let end = bytes.len().min(at + 8);
                    bytes[at..end].fill(random.pick(&[0, 0xff, 0x7f]));
                }
            }
        }
        import(&bytes, false, &mut random);
    }
    assert!(taken > 1_000 && refused > 1_000, "{taken} taken, {refused} refused");
}
