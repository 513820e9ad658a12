//! Any bytes are what a session kept, and what became of its journal's bytes: whatever they are, reading them ends, no
//! byte is offered to be sent again that the session did not send under that number, and what is salvaged is whole.

use core::ops::Range;
use std::collections::HashSet;

use fixwire::fix::store::journal::{
    Durability, Header, Journal, Ledger, Medium, PAGE, Proven, RING_LEN_MIN, Refused, Survey,
    Taken, format, salvage,
};
use fixwire::fix::store::{Store, StoreFailed};
use fixwire::time::UtcTime;

const IDENTITY: &[u8] = b"FIX.4.4\x01US\x01THEM";
const BOOT: [u8; 16] = [1; 16];

/// Memory alone: all of it is synced at once.
struct Memory(Vec<u8>, Option<Ledger>);

impl Medium for Memory {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn write_word(&mut self, at: usize, word: u64) {
        self.write(at, &word.to_le_bytes());
    }

    fn sync(&mut self, _: Range<usize>) -> Result<(), StoreFailed> {
        Ok(())
    }

    fn took(&mut self, taken: Taken) {
        if let Some(ledger) = &mut self.1 {
            let (at, words) = ledger.note(taken);
            self.write(at, &words);
        }
    }

    fn proven(&self) -> Proven {
        self.1.as_ref().map_or(Proven::Failed, Ledger::proven)
    }

    fn opened(&mut self, ledger: Ledger) {
        self.1 = Some(ledger);
    }

    fn closing(&mut self) {}
}

fn header() -> Header {
    Header { identity: IDENTITY.to_vec(), id: 0x5eed, ring_len: RING_LEN_MIN, ahead: 1024 }
}

fn formatted() -> Memory {
    let mut memory = Memory(vec![0; header().file_len()], None);
    format(&mut memory, &header(), 0).expect("memory does not refuse");
    memory
}

/// Pairs of bytes are what the session does, until one says that it ends; fours of them what harms its journal then.
pub fn play(bytes: &[u8]) {
    let durability = match bytes.first() {
        Some(first) if first % 3 == 0 => Durability::None,
        Some(first) if first % 3 == 1 => Durability::Async,
        _ => Durability::Sync,
    };
    let mut journal =
        Journal::open(formatted(), IDENTITY, (durability, 64), Some(BOOT), 0).expect("it is new");
    let mut sent = HashSet::new();
    let mut rest = bytes.get(1..).unwrap_or_default();
    while let Some((step, behind)) = rest.split_first_chunk::<2>() {
        rest = behind;
        let (what, much) = (step[0], step[1]);
        let seq = journal.next_out();
        match what % 8 {
            0 => break,
            1 => _ = journal.set_next_out(seq + 1),
            2 => journal.set_next_in(journal.next_in() + u32::from(much)),
            3 if much % 2 == 0 => journal.reset(UtcTime::from_unix_ns(u64::from(much) << 30)),
            3 => {
                let created_at =
                    (much & 2 != 0).then(|| UtcTime::from_unix_ns(u64::from(much) << 30));
                let _ = journal.renumber(u32::from(much) * 257, u32::from(much), created_at);
            }
            4 => {
                let message = vec![what ^ much; 64 * usize::from(much)];
                let _ = journal.put(seq, &message);
                sent.insert((seq, message));
            }
            _ => {
                let message = vec![what ^ much; usize::from(much)];
                let _ = journal.put(seq, &message);
                sent.insert((seq, message));
            }
        }
    }
    if bytes.first().is_some_and(|first| first & 8 > 0) {
        let _ = journal.close(1);
    }
    let mut memory = journal.into_medium().0;
    // What is left harms it: by words, in the pages before the ring and where records are.
    for harm in rest.as_chunks::<4>().0 {
        let [place, low, high, value] = *harm;
        let offset = usize::from(low) * 8 + usize::from(high) * 256;
        let at = match place % 4 {
            0 => offset % (4 * PAGE),
            1 => 4 * PAGE + offset,
            2 => 4 * PAGE + offset * 61 % RING_LEN_MIN as usize,
            _ => memory.len() - PAGE + offset % PAGE,
        };
        match place / 4 % 3 {
            0 => memory[at] ^= value,
            1 => memory[at..(at + 512).min(header().file_len())].fill(value),
            _ => memory.copy_within(4 * PAGE..4 * PAGE + 64, at.min(header().file_len() - 64)),
        }
    }
    let boot = bytes.first().map(|first| [first >> 7 | 1; 16]);
    look(memory, boot, &sent);
}

fn look(memory: Vec<u8>, boot: Option<[u8; 16]>, sent: &HashSet<(u32, Vec<u8>)>) {
    let Ok(survey) = Survey::of(&memory) else { return };
    let damage = survey.damage(boot);
    let new = Memory(vec![0; header().file_len()], None);
    let salvaged =
        salvage(&survey, &memory, boot, (new, &header()), 2).expect("memory does not refuse");
    holds(salvaged, boot, sent).expect("what is salvaged is whole");
    match holds(Memory(memory, None), boot, sent) {
        Ok(()) => assert!(damage.is_empty(), "{damage:?} is taken up"),
        Err(Refused::Damaged { damage, .. }) => assert!(!damage.is_empty()),
        Err(Refused::OfAnother(_) | Refused::NotAJournal(_)) => {}
        Err(Refused::Failed) => panic!("memory does not refuse"),
    }
}

/// Takes it up, and what it would send again is what was sent.
fn holds(
    memory: Memory,
    boot: Option<[u8; 16]>,
    sent: &HashSet<(u32, Vec<u8>)>,
) -> Result<(), Refused> {
    let mut journal = Journal::open(memory, IDENTITY, (Durability::Async, 64), boot, 3)?;
    let mut from = 1;
    while let Some((seq, bytes)) = journal.first_from(from) {
        assert!(seq < journal.next_out(), "{seq}");
        assert!(sent.contains(&(seq, bytes.to_vec())), "{seq} was not sent like this");
        from = seq + 1;
    }
    let seq = journal.next_out();
    journal.put(seq, b"next").expect("it is open");
    assert_eq!(journal.first_from(seq), Some((seq, &b"next"[..])));
    Ok(())
}
