//! Journals that crash at every step, on a disk that loses, tears and reorders what was not synced.

mod model;
mod session;

use super::*;
use crate::fix::{CompId, Role, SessionConfig, Version};
use crate::time::{Instant, Now};
use model::{Model, Random};
use session::{Session, Weather};

const ID: u64 = 0x0123_4567_89ab_cdef;
pub(super) const IDENTITY: &[u8] = b"FIX.4.4\x01US\x01THEM";
pub(super) const BOOT: BootId = [7; 16];
pub(super) const OTHER_BOOT: BootId = [8; 16];

pub(super) fn header() -> Header {
    Header { identity: IDENTITY.to_vec(), id: ID, ring_len: RING_LEN_MIN, ahead: 1024 }
}

pub(super) fn open(model: Model, durability: Durability) -> Result<Journal<Model>, Refused> {
    Journal::open(model, IDENTITY, (durability, 64), Some(BOOT), 1)
}

pub(super) fn at(s: u64) -> UtcTime {
    UtcTime::from_unix_ns(s * 1_000_000_000)
}

/// What message a number has: of its own length, and no two alike.
pub(super) fn message(seq: u32, len: usize) -> Vec<u8> {
    let text = format!("34={seq}\x01");
    text.bytes().cycle().take(len.max(text.len())).collect()
}

#[test]
fn what_was_kept_is_there_after_a_close() {
    let mut journal = open(Model::formatted(), Durability::Async).unwrap();
    assert_eq!(journal.resumption().ended, Ended::New);
    for seq in 1..=5 {
        if seq == 3 {
            journal.set_next_out(4).unwrap();
        } else {
            journal.put(seq, &message(seq, 100)).unwrap();
        }
    }
    journal.set_next_in(9);
    journal.close(2).unwrap();
    let journal = open(journal.into_medium(), Durability::Async).unwrap();
    let resumption = journal.resumption();
    assert_eq!((resumption.ended, resumption.is_proven), (Ended::Closed, true));
    assert_eq!((journal.next_out(), journal.next_in()), (6, 9));
    assert!(resumption.unknown.is_empty(), "{resumption:?}");
    for (from, found) in [(1, Some(1)), (3, Some(4)), (5, Some(5)), (6, None)] {
        let expected = found.map(|seq| (seq, message(seq, 100)));
        let first = journal.first_from(from).map(|(seq, bytes)| (seq, bytes.to_vec()));
        assert_eq!(first, expected, "{from}");
    }
    assert_eq!(journal.forgotten_below(), 1);
}

#[test]
fn a_ring_gives_up_the_oldest_and_never_what_it_says_to_have() {
    let mut journal = open(Model::formatted(), Durability::None).unwrap();
    for seq in 1..=4_000 {
        journal.put(seq, &message(seq, 30 + seq as usize % 700)).unwrap();
        let mut from = 1;
        while let Some((found, bytes)) = journal.first_from(from) {
            assert_eq!(bytes, message(found, 30 + found as usize % 700), "{found}");
            assert!(found >= journal.forgotten_below());
            from = found + 1;
        }
        assert_eq!(from, seq + 1);
    }
    assert!(journal.forgotten_below() > 3_900, "64 are kept");
    let again = open(journal.into_medium(), Durability::None).unwrap();
    assert_eq!((again.resumption().ended, again.next_out()), (Ended::Killed, 4_001));
    assert_eq!(again.first_from(1).unwrap().0, 3_937);
}

#[test]
fn after_a_reset_nothing_of_before_is_sent_again() {
    let mut journal = open(Model::formatted(), Durability::Async).unwrap();
    journal.put(1, &message(1, 50)).unwrap();
    journal.put(2, &message(2, 50)).unwrap();
    journal.set_next_in(7);
    journal.reset(at(9));
    assert_eq!((journal.next_out(), journal.next_in()), (1, 1));
    journal.put(1, b"anew").unwrap();
    let journal = open(journal.into_medium(), Durability::Async).unwrap();
    assert_eq!((journal.next_out(), journal.next_in()), (2, 1));
    assert_eq!(journal.first_from(1), Some((1, &b"anew"[..])));
    assert_eq!((journal.resumption().epoch, journal.created_at()), (1, Some(at(9))));
}

#[test]
fn an_operators_numbers_are_gone_on_with_and_began_when_they_did() {
    for (next_out, kept) in [(2, None), (40, Some(1)), (3_000, None), (2_000_000, None)] {
        for durability in [Durability::None, Durability::Async, Durability::Sync] {
            let mut journal = open(Model::formatted(), durability).unwrap();
            journal.reset(at(9));
            for seq in 1..=4 {
                journal.put(seq, &message(seq, 50)).unwrap();
            }
            journal.renumber(next_out, 77, None).unwrap();
            assert_eq!((journal.next_out(), journal.next_in()), (next_out, 77));
            journal.put(next_out, b"next").unwrap();
            let mut journal = open(journal.into_medium(), durability).unwrap();
            let case = format!("{next_out} {durability:?} {:?}", journal.resumption());
            assert_eq!((journal.next_out(), journal.next_in()), (next_out + 1, 77), "{case}");
            assert_eq!(journal.created_at(), Some(at(9)), "{case}");
            assert!(journal.resumption().unknown.is_empty(), "{case}");
            let is_new = durability != Durability::None || next_out == 2;
            let kept = if is_new { kept.unwrap_or(next_out) } else { 1 };
            assert_eq!(journal.first_from(1).map(|(seq, _)| seq), Some(kept), "{case}");
            assert_eq!(journal.admits(), Ok(()), "{case}");
            for seq in next_out + 1..next_out + 3_000 {
                journal.put(seq, b"x").unwrap();
            }
        }
    }
}

#[test]
fn an_operators_numbers_of_another_session_began_when_it_did_and_nothing_of_before_is_sent() {
    for next_out in [2, 40, 2_000_000] {
        for durability in [Durability::None, Durability::Async, Durability::Sync] {
            let mut journal = open(Model::formatted(), durability).unwrap();
            journal.reset(at(9));
            for seq in 1..=4 {
                journal.put(seq, &message(seq, 50)).unwrap();
            }
            journal.renumber(next_out, 77, Some(at(11))).unwrap();
            let journal = open(journal.into_medium(), durability).unwrap();
            let case = format!("{next_out} {durability:?} {:?}", journal.resumption());
            assert_eq!((journal.next_out(), journal.next_in()), (next_out, 77), "{case}");
            assert_eq!(journal.created_at(), Some(at(11)), "{case}");
            assert_eq!(journal.first_from(1), None, "{case}");
        }
    }
}

/// A journal whose first lap ends `rest` bytes behind its messages, and the number behind them.
fn with_left_of_the_lap(rest: u64, durability: Durability) -> (Journal<Model>, u32) {
    let mut journal = open(Model::formatted(), durability).unwrap();
    let mut seq = 1;
    while journal.end + rest < header().ring_len {
        let left = (header().ring_len - journal.end - rest) as usize;
        let size = if left <= 20_000 { left } else { left.min(20_000) - 4_000 };
        journal.put(seq, &message(seq, size - 32)).unwrap();
        seq += 1;
    }
    assert_eq!(journal.end + rest, header().ring_len);
    journal.set_created_at(at(9));
    journal.close(1).unwrap();
    (open(journal.into_medium(), durability).unwrap(), seq)
}

/// The record that an epoch begins with has 48 bytes; 32 of a lap are an end of its own.
#[test]
fn killed_at_any_step_an_epoch_has_begun_with_all_of_it_or_has_not() {
    for rest in [24, 32, 40, 48] {
        let (journal, seq) = with_left_of_the_lap(rest, Durability::None);
        let full = journal.into_medium();
        let (before, after) = ((0, seq, 1, Some(at(9))), (1, 5, 77, Some(at(9))));
        let mut found = Vec::new();
        for steps in 1.. {
            let mut model = full.clone();
            model.steps_left = steps;
            let mut journal = open(model, Durability::None).unwrap();
            journal.renumber(5, 77, None).unwrap();
            let is_whole = journal.medium.steps_left > 0;
            let mut model = journal.into_medium();
            for opening in 1..3 {
                let case = format!("{rest} bytes left, step {steps}, opening {opening}");
                let journal = open(model.killed(), Durability::None).unwrap();
                let epoch = journal.resumption().epoch;
                let numbers = (epoch, journal.next_out(), journal.next_in(), journal.created_at());
                assert!([before, after].contains(&numbers), "{case}: {numbers:?}");
                // The oldest may have given way to the record, which is no news.
                assert!(journal.resumption().unknown.is_empty(), "{case}");
                let oldest = journal.first_from(1).map(|(seq, _)| seq);
                let is_kept = if epoch == 0 { oldest <= Some(2) } else { oldest.is_none() };
                assert!(is_kept, "{case}: {oldest:?}");
                found.push(numbers);
                model = journal.into_medium();
            }
            if is_whole {
                break;
            }
        }
        found.dedup();
        assert_eq!(found, [before, after], "{rest} bytes left");
    }
}

#[test]
fn of_an_epoch_whose_record_the_power_took_the_words_have_all_or_nothing() {
    for durability in [Durability::Async, Durability::Sync] {
        for next_out in [2, 2_000_000] {
            let mut journal = open(Model::formatted(), durability).unwrap();
            journal.reset(at(9));
            for seq in 1..=40 {
                journal.put(seq, &message(seq, 50)).unwrap();
            }
            journal.close(1).unwrap();
            let full = journal.into_medium();
            let mut begun = 0;
            for steps in 1.. {
                let mut model = full.clone();
                model.steps_left = steps;
                let mut journal = open(model, durability).unwrap();
                journal.renumber(next_out, 77, None).unwrap();
                let is_whole = journal.medium.steps_left > 0;
                let model = journal.into_medium().power_lost_but_for_words();
                let journal =
                    Journal::open(model, IDENTITY, (durability, 64), Some(OTHER_BOOT), 1).unwrap();
                let (epoch, found) = (journal.resumption().epoch, journal.next_out());
                let case = format!("{durability:?} {next_out} step {steps}, epoch {epoch}");
                let (first, next_in) = if epoch == 0 { (41, 1) } else { (next_out, 77) };
                let reserved = first + header().ahead;
                assert!((first..=reserved).contains(&found), "{case}: {found}");
                assert_eq!(
                    (journal.next_in(), journal.created_at()),
                    (next_in, Some(at(9))),
                    "{case}"
                );
                begun += u32::from(epoch > 0);
                if is_whole {
                    break;
                }
            }
            assert!(begun > 2, "{begun}");
        }
    }
}

#[test]
fn a_number_lost_ahead_of_the_end_of_a_lap_is_told() {
    let (mut journal, seq) = with_left_of_the_lap(232, Durability::Async);
    let at = journal.end_at;
    journal.put(seq, &message(seq, 100)).unwrap();
    assert_eq!(journal.end + 96, header().ring_len);
    journal.put(seq + 1, &message(seq + 1, 100)).unwrap();
    let mut model = journal.into_medium();
    model.write(at, &[0; 40]);
    let numbers: Vec<_> = Survey::of(&model.memory).unwrap().holes;
    let numbers: Vec<_> = numbers.into_iter().map(|hole| hole.numbers).collect();
    assert_eq!(numbers, [Some(seq..=seq)]);
}

#[test]
fn numbers_wait_for_the_disk_and_not_those_of_the_session_layer() {
    let mut model = Model::formatted();
    model.flushes = false;
    let mut journal = open(model, Durability::Async).unwrap();
    let mut seq = 1;
    while journal.admits().is_ok() {
        journal.put(seq, b"x").unwrap();
        seq += 1;
    }
    assert_eq!(journal.admits(), Err(NotNow::DiskBehind));
    assert_eq!(seq, 1 + 1024 - 63);
    for _ in 0..63 {
        journal.set_next_out(journal.next_out() + 1).unwrap();
    }
    assert_eq!(journal.set_next_out(journal.next_out() + 1), Err(StoreFailed));
    // The disk is behind, no more: it goes on as soon as that has come after.
    assert_eq!(journal.admits(), Err(NotNow::DiskBehind));
    journal.medium.flushes = true;
    journal.set_next_out(journal.next_out()).unwrap();
    assert_eq!(journal.admits(), Ok(()));
    let mut journal = open(Model::formatted(), Durability::Async).unwrap();
    for seq in 1..=5_000 {
        assert_eq!(journal.admits(), Ok(()), "{seq}");
        journal.put(seq, b"x").unwrap();
    }
}

#[test]
fn an_operator_s_reset_is_done_when_the_disk_has_it() {
    for (refuses, done) in [(false, Ok(())), (true, Err(StoreFailed))] {
        let mut journal = open(Model::formatted(), Durability::Async).unwrap();
        journal.put(1, b"x").unwrap();
        journal.medium.refuses = refuses;
        let id = |text| CompId::new(text).unwrap();
        let config = SessionConfig::new(Version::Fix44, Role::Acceptor, id("US"), id("THEM"));
        let mut session = crate::fix::Session::new(config, journal);
        let now = Now { mono: Instant::ZERO, utc: at(1) };
        assert_eq!(session.reset_numbers(now), done, "a disk that refuses: {refuses}");
    }
}

#[test]
fn an_operator_s_numbers_are_on_the_disk_once_they_are_done() {
    for durability in [Durability::Async, Durability::Sync] {
        for ahead in [0, 1, 40] {
            for seed in 0..16 {
                let mut journal = open(Model::formatted(), durability).unwrap();
                journal.reset(at(9));
                journal.put(1, b"x").unwrap();
                journal.settle().unwrap();
                journal.medium.flushes = false;
                journal.renumber(2 + ahead, 77, None).unwrap();
                let model = journal.into_medium().power_lost(&mut Random::new(seed));
                let journal =
                    Journal::open(model, IDENTITY, (durability, 64), Some(OTHER_BOOT), 1).unwrap();
                let case =
                    format!("{durability:?} {ahead} seed {seed}: {:?}", journal.resumption());
                assert_eq!(journal.next_in(), 77, "{case}");
                assert!(journal.next_out() >= 2 + ahead, "{case}");
            }
        }
    }
    let mut journal = open(Model::formatted(), Durability::Async).unwrap();
    journal.medium.refuses = true;
    assert_eq!(journal.renumber(1, 77, None), Err(StoreFailed));
    assert_eq!(journal.admits(), Err(NotNow::Failed));
}

#[test]
fn a_disk_that_refuses_lets_no_message_leave() {
    let mut model = Model::formatted();
    model.refuses = true;
    assert_eq!(open(model, Durability::Sync).unwrap_err(), Refused::Failed);
    let mut journal = open(Model::formatted(), Durability::Sync).unwrap();
    journal.put(1, b"x").unwrap();
    journal.medium.refuses = true;
    assert_eq!(journal.put(2, b"y"), Err(StoreFailed));
    assert_eq!((journal.next_out(), journal.admits()), (3, Err(NotNow::Failed)));
    assert_eq!(journal.close(3), Err(StoreFailed));
}

#[test]
fn killed_at_any_step_nothing_is_used_twice_and_nothing_lost_that_left() {
    let mut crashes = 0;
    for seed in 0..if model::full() { 1_000 } else { 40 } {
        crashes += Session::new(seed).crashes_at_every_step(Weather::Killed);
    }
    assert!(crashes > 5_000, "{crashes}");
}

#[test]
fn without_power_at_any_step_nothing_is_used_twice_and_what_is_lost_is_told() {
    let mut crashes = 0;
    for seed in 0..if model::full() { 1_000 } else { 40 } {
        crashes += Session::new(seed).crashes_at_every_step(Weather::PowerLost);
    }
    assert!(crashes > 5_000, "{crashes}");
}

#[test]
fn one_crash_after_another_nothing_is_used_twice() {
    for seed in 0..if model::full() { 40_000 } else { 2_000 } {
        Session::new(seed).crashes_again_and_again();
    }
}
