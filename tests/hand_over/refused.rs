//! Hand-overs that come to nothing: the old process goes on, and its counterparty does not notice.

use std::fs;
use std::io::{BufRead, BufReader, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fixwire::hand_over::{FORMAT, Format};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};

use super::common::inside::{PATIENCE, Program, inside};
use super::load::Load;
use super::world::{BIN, World};

/// What is said once an offer was made (`src/cli/hand_over`): each a number, and 3 for a word that has nothing in it.
const READY: &[u8] = &[0];
const IMPORTED: &[u8] = &[3];
const GO: &[u8] = &[4];

/// A new process as this test plays it.
struct Successor(BufReader<UnixStream>);

impl Successor {
    /// Asks, and says what was answered: again, while the old process has not seen yet that the one before is gone.
    fn ask(world: &World, format: Format) -> (Successor, Value) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (successor, answer) = Successor::ask_once(world, format);
            if answer["refused"] != "hand_over_busy" || Instant::now() > deadline {
                return (successor, answer);
            }
            sleep(Duration::from_millis(5));
        }
    }

    fn ask_once(world: &World, format: Format) -> (Successor, Value) {
        let mut stream = UnixStream::connect(world.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let request = json!({ "command": "hand-over", "program": "test", "format": format });
        writeln!(stream, "{request}").unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        (Successor(stream), serde_json::from_str(&line).unwrap())
    }

    /// Asks, and has the baton's end out of what comes with the offer: the device's two handles, and then it.
    fn ask_for_the_baton(world: &World) -> (Successor, UnixStream) {
        let mut stream = UnixStream::connect(world.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let request = json!({ "command": "hand-over", "program": "test", "format": FORMAT });
        writeln!(stream, "{request}").unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let mut offer = vec![0; 64 * 1024];
        let mut pieces = [IoSliceMut::new(&mut offer)];
        recvmsg(&stream, &mut pieces, &mut beside, RecvFlags::CMSG_CLOEXEC).unwrap();
        let handles = beside.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(handles) => Some(handles),
            _ => None,
        });
        let baton = handles.flatten().nth(2).expect("three handles");
        (Successor(BufReader::new(stream)), baton.into())
    }

    fn say(&mut self, word: &[u8]) {
        let stream = self.0.get_mut();
        stream.write_all(&(word.len() as u32).to_le_bytes()).unwrap();
        stream.write_all(word).unwrap();
    }

    /// The next word.
    fn hear(&mut self) -> Vec<u8> {
        let mut len = [0; 4];
        self.0.read_exact(&mut len).unwrap();
        let mut word = vec![0; u32::from_le_bytes(len) as usize];
        self.0.read_exact(&mut word).unwrap();
        word
    }
}

#[test]
fn a_new_process_that_dies_in_the_middle_leaves_the_old_one_serving() {
    inside("refused::a_new_process_that_dies_in_the_middle_leaves_the_old_one_serving", || {
        let world = World::new("target_comp_id = \"US\"\n");
        let mut engine = world.start(&[]);
        let capture = world.capture();
        let load = Load::begin("US");
        load.trades_on();
        // Before it is ready; then nothing has stopped.
        let (successor, answer) = Successor::ask(&world, FORMAT);
        assert_eq!(answer["offer"]["nic"], "tap:fw0");
        // One at a time.
        assert_eq!(Successor::ask_once(&world, FORMAT).1["refused"], "hand_over_busy");
        drop(successor);
        let (mut successor, _) = Successor::ask(&world, FORMAT);
        successor.say(READY);
        drop(successor);
        assert_eq!(engine.event_of("hand_over_failed")["reason"], "successor_lost");
        load.trades_on();
        // With all that there is in its hands.
        let (mut successor, _) = Successor::ask(&world, FORMAT);
        successor.say(READY);
        assert!(successor.hear().len() > 1_000);
        drop(successor);
        assert_eq!(engine.event_of("hand_over_failed")["reason"], "successor_lost");
        load.trades_on();
        // When it has said that it would go on, and the baton lies there.
        let (mut successor, _) = Successor::ask(&world, FORMAT);
        successor.say(READY);
        successor.hear();
        successor.say(IMPORTED);
        drop(successor);
        assert_eq!(engine.event_of("hand_over_failed")["reason"], "successor_lost");
        load.trades_on();
        // Or it stays, and says nothing more: the baton is taken back, and the pause is bounded.
        for words in [&[READY][..], &[READY, IMPORTED]] {
            let (mut successor, _) = Successor::ask(&world, FORMAT);
            for word in words {
                successor.say(word);
                successor.hear();
            }
            let failed = engine.event_of("hand_over_failed");
            assert_eq!(failed["reason"], "successor_silent");
            assert!(
                (2_900_000..6_000_000).contains(&failed["pause_us"].as_u64().unwrap()),
                "{failed}"
            );
            load.trades_on();
        }
        // And another one may take over all the same.
        let mut next = world.start_another(&[]);
        next.event_of("taken_over");
        load.trades_on();
        load.end();
        assert_eq!(engine.wait().code, Some(0));
        assert_eq!(next.interrupt().code, Some(0));
        let seen = capture.end();
        assert_eq!((seen.resets, seen.connections), (0, 1), "{seen:?}");
    });
}

#[test]
fn who_has_the_baton_and_says_nothing_more_serves_all_the_same() {
    inside("refused::who_has_the_baton_and_says_nothing_more_serves_all_the_same", || {
        let world = World::new("target_comp_id = \"US\"\n");
        let mut engine = world.start(&[]);
        let (mut successor, mut baton) = Successor::ask_for_the_baton(&world);
        successor.say(READY);
        successor.hear();
        successor.say(IMPORTED);
        assert_eq!(successor.hear(), GO);
        baton.read_exact(&mut [0]).unwrap();
        // It is alive: what it serves is its own, and a second one would speak for the same connections.
        engine.event_of("handed_over");
        assert_eq!(engine.wait().code, Some(0));
    });
}

#[test]
fn versions_that_do_not_fit_are_told_and_the_old_process_goes_on() {
    inside("refused::versions_that_do_not_fit_are_told_and_the_old_process_goes_on", || {
        let world = World::new("target_comp_id = \"US\"\n");
        let engine = world.start(&[]);
        let load = Load::begin("US");
        let (_, answer) = Successor::ask(&world, Format { tcp: FORMAT.tcp + 1, ..FORMAT });
        assert_eq!(answer["refused"], "version_unfit", "{answer}");
        assert!(answer["why"].as_str().unwrap().contains(&FORMAT.to_string()), "{answer}");
        load.trades_on();
        // The other way about: an old process of another version, which this test plays.
        let socket = world.folder.path().join("other.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let other = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            BufReader::new(&stream).read_line(&mut String::new()).unwrap();
            let format = Format { engine: FORMAT.engine + 1, ..FORMAT };
            let offer = json!({ "program": "9.9", "format": format, "what": "nobody knows" });
            writeln!(stream, "{}", json!({ "offer": offer })).unwrap();
        });
        let ended = Program::start(
            Command::new(BIN).args(["accept", "--nic", "tap:fw0", "--take-over"]).arg(&socket),
        )
        .wait();
        other.join().unwrap();
        assert_eq!(ended.code, Some(1), "{}", ended.errors);
        assert!(
            ended.errors.contains("version_unfit") && ended.errors.contains("9.9"),
            "{}",
            ended.errors
        );
        load.trades_on();
        load.end();
        assert_eq!(engine.interrupt().code, Some(0));
    });
}

#[test]
fn a_new_process_that_cannot_go_on_says_why_and_the_old_one_keeps_its_stores() {
    inside(
        "refused::a_new_process_that_cannot_go_on_says_why_and_the_old_one_keeps_its_stores",
        || {
            let stored = "[[session]]\ntarget_comp_id = \"US\"\nstore = { path = \"stores\", size_mib = 1 }\n";
            let world = World::new(&format!("{stored}[[session]]\ntarget_comp_id = \"B\"\n"));
            let mut engine = world.start(&[]);
            let load = Load::begin("US");
            load.trades_on();
            // It opens the store of one session, and then lacks the other.
            let fewer = world.folder.path().join("fewer.toml");
            fs::write(&fewer, stored).unwrap();
            let fewer = fewer.to_str().unwrap();
            for (arguments, words, reason) in [
                (
                    &["--session", fewer][..],
                    "FIX.4.4:EXCHANGE->B is not among the sessions here",
                    "successor_refused",
                ),
                (&["--app", "echo"][..], "it runs `exchange`, and this process `echo`", ""),
                (&["--nic", "tap:fw1"][..], "write `--nic tap:fw0`", ""),
            ] {
                let ended = world.start_another(arguments).wait();
                assert!(matches!(ended.code, Some(1 | 2)), "{}", ended.errors);
                assert!(ended.errors.contains(words), "{}", ended.errors);
                if !reason.is_empty() {
                    assert_eq!(engine.event_of("hand_over_failed")["reason"], reason);
                }
                load.trades_on();
            }
            let names: Vec<_> = fs::read_dir(world.folder.path()).unwrap().collect();
            assert_eq!(names.len(), 4, "something was left behind: {names:?}");
            let mut next = world.start_another(&[]);
            next.event_of("taken_over");
            load.trades_on();
            load.end();
            assert_eq!(engine.wait().code, Some(0));
            assert_eq!(next.interrupt().code, Some(0));
        },
    );
}
