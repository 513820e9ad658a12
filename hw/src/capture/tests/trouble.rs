//! Frames that find no room or no file, and the writer's thread.

use super::*;

#[test]
fn a_file_that_cannot_be_opened_costs_every_frame_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = CaptureFile::open(folder.path());
    assert!(file.trouble().unwrap().to_string().contains("name a file in that folder"));
    let (near, mut far, _wire) = pair(Model::full(), Policy::Prefer);
    let (mut near, capture) = start(file, near, &options(RING_LEN));
    for _ in 0..3 {
        send(&mut near, &tcp_frame(b"out"), FULL);
    }
    send(&mut far, &tcp_frame(b"back"), FULL);
    assert_eq!((receive(&mut near), receive(&mut far)), (1, 3));
    let summary = capture.finish();
    let expected =
        CaptureCounters { rx_write_failed: 1, tx_write_failed: 3, ..CaptureCounters::default() };
    assert_eq!(summary.counters, expected);
    assert!(summary.trouble.unwrap().contains("cannot be opened"));
}

#[test]
fn frames_past_the_ring_are_counted_and_the_file_shows_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    if !Command::new("mkfifo").arg(&path).status().is_ok_and(|status| status.success()) {
        panic!("mkfifo (coreutils) makes no pipe at {}", path.display());
    }
    let (near, mut far, _wire) = pair(Model::full(), Policy::Prefer);
    // Nobody reads: the writer takes nothing out of the ring.
    let file = CaptureFile::open(&path);
    assert!(file.trouble().is_none());
    let (mut near, capture) = start(file, near, &options(0));
    let frame = tcp_frame(&[7; 1_400]);
    let fitting = (record::HEADER_LEN + ring::SNAP_LEN) / (record::HEADER_LEN + frame.len());
    for _ in 0..fitting + 10 {
        send(&mut near, &frame, FULL);
        assert!(receive(&mut far) == 1, "what is not captured is sent all the same");
    }
    // A reader comes, and what is in the ring goes out; then there is room again.
    let reader = thread::spawn({
        let path = path.clone();
        move || fs::read(path).unwrap()
    });
    wait_until(|| capture.shared.sum_up().tx_written == fitting as u64);
    send(&mut near, &frame, FULL);
    let summary = capture.finish();
    assert_eq!(summary.trouble, None);
    assert_eq!(summary.counters.tx_written, fitting as u64 + 1);
    assert_eq!(summary.counters.tx_ring_full, 10);
    let blocks = blocks(&reader.join().unwrap());
    let packets = packets(&blocks);
    let gaps: Vec<u64> = packets.iter().filter_map(|packet| packet.count(4)).collect();
    assert_eq!(packets.len(), fitting + 1);
    assert_eq!((gaps, packets[fitting].count(4)), (vec![10], Some(10)));
    let statistics = blocks.last().unwrap();
    assert_eq!(statistics.count(4), Some(fitting as u64 + 11));
    assert_eq!(statistics.count(5), Some(10));
    assert_eq!(statistics.text(1), "10 frames lost to a full ring, 0 that could not be written");
}

#[test]
fn a_pipe_that_nobody_ever_reads_ends_with_a_word_and_every_frame_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let (near, _far, _wire) = pair(Model::full(), Policy::Prefer);
    let (mut near, capture) = start(CaptureFile::open(&path), near, &options(0));
    send(&mut near, &tcp_frame(b"out"), FULL);
    let summary = capture.finish();
    assert_eq!(summary.counters.tx_write_failed, 1);
    assert!(summary.trouble.unwrap().contains("nobody reads"));
}

#[test]
fn a_reader_that_goes_away_costs_the_rest_of_the_frames() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let reader = thread::spawn({
        let path = path.clone();
        move || drop(fs::File::open(path).unwrap())
    });
    let (near, _far, _wire) = pair(Model::full(), Policy::Prefer);
    let (mut near, capture) = start(CaptureFile::open(&path), near, &options(0));
    reader.join().unwrap();
    send(&mut near, &tcp_frame(b"out"), FULL);
    let summary = capture.finish();
    assert_eq!((summary.counters.tx_write_failed, summary.counters.tx_written), (1, 0));
    let sentence = summary.trouble.unwrap();
    assert!(sentence.contains("the capture ends here"), "{sentence}");
}

#[test]
fn the_writer_keeps_off_the_core_that_polls() {
    let cores = crate::core::allowed_cores();
    let Some((busy, others)) = cores.split_last().filter(|(_, others)| !others.is_empty()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (near, _far, _wire) = pair(Model::full(), Policy::Prefer);
    let file = CaptureFile::open(&folder.path().join("run.pcapng"));
    let (_near, capture) = start(file, near, &options(0));
    capture.keep_off(*busy);
    // No other test's writer is kept off anything.
    wait_until(|| writers_may_use().iter().any(|allowed| allowed == others));
    capture.finish();
}

/// The cores that each writer of this process may use.
fn writers_may_use() -> Vec<Vec<u16>> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let status = tasks.filter_map(|task| fs::read_to_string(task.join("status")).ok());
    let writers = status.filter(|status| status.starts_with("Name:\tcapture\n"));
    writers
        .map(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
            let bounds = |range: &str| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                first.parse::<u16>().unwrap()..=last.parse::<u16>().unwrap()
            };
            line.unwrap().trim().split(',').flat_map(bounds).collect()
        })
        .collect()
}
